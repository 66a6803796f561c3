//! The only place that writes to the terminal.

use std::io::{IsTerminal, Write};

use crate::report::Style;
use crate::scenario::ScenarioError;

/// Writes results to standard output, everything else to standard error.
#[derive(Debug)]
pub struct Printer {
    quiet: bool,
}

impl Printer {
    /// `quiet` leaves out everything but results and errors.
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// A result. A reader that went away (`| head`) is no failure.
    pub fn result(&self, text: &str) {
        write_lines(&mut anstream::stdout().lock(), text);
    }

    /// Something worth knowing while one waits.
    pub fn status(&self, text: &str) {
        if !self.quiet {
            write_lines(&mut anstream::stderr().lock(), text);
        }
    }

    /// An error.
    pub fn error(&self, text: &str) {
        let bold = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
        write_lines(&mut anstream::stderr().lock(), &format!("{bold}error{bold:#}: {text}"));
    }

    /// An error with its causes, each said once: some errors say their cause themselves. `brief` leaves out what a server
    /// or a program had written, which stands behind bars.
    pub fn failure(&self, error: &dyn std::error::Error, brief: bool) {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(words(&said)) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        let lines: Vec<&str> = text.lines().filter(|line| !(brief && line.starts_with("  | "))).collect();
        self.error(&lines.join("\n"));
    }

    /// What is wrong with a scenario, with the lines that it is about.
    pub fn diagnostics(&self, error: &ScenarioError) {
        let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        write_lines(&mut anstream::stderr().lock(), &error.render(color));
    }

    /// How a report is to look on standard output.
    pub fn style(&self) -> Style {
        let color = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        let terminal = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        let piped = Style::default().width;
        let width = terminal.map_or(piped, |(width, _)| usize::from(width.0).clamp(60, 160));
        Style { color, width }
    }

    /// Whether bars that move make sense: not where the output is kept (a pipe, a CI log).
    pub(super) fn moves(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal() && std::env::var_os("CI").is_none()
    }

    /// Whether a person is told about each stage.
    pub(super) fn tells(&self) -> bool {
        !self.quiet
    }
}

fn write_lines(out: &mut impl Write, text: &str) {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(out, "{text}{end}");
    let _ = out.flush();
}

/// What a cause says without what the client of MySQL puts around the server's words:
/// ``Server error: `ERROR 1114 (HY000): The table 'orders' is full'``.
fn words(cause: &str) -> &str {
    let after = cause.split_once("ERROR ").and_then(|(_, rest)| rest.split_once("): "));
    after.map_or(cause, |(_, message)| message.strip_suffix(['\'', '`']).unwrap_or(message))
}
