//! Problems of a scenario file, shown as compilers show them: where, the line with a caret, what to write instead.
//!
//! It renders and does not judge. Styles are ANSI escapes or nothing; who prints knows whether there is a terminal.

use std::fmt::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

/// Bytes of the file, from and up to (not with).
pub(super) type Span = Range<usize>;

/// One thing that has to be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// What the caret is put under.
    pub(super) span: Span,
    /// What is wrong.
    pub(super) message: String,
    /// What to write instead.
    pub(super) help: String,
}

/// Every problem of one file, in the order of the file. It is never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    path: PathBuf,
    text: String,
    problems: Vec<Problem>,
}

impl Report {
    pub(super) fn new(path: &Path, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.start);
        Self { path: path.to_owned(), text: text.to_owned(), problems }
    }

    /// How many problems there are.
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    pub(super) fn render(&self, color: bool) -> String {
        let styles = Styles::new(color);
        let mut out: String = self.problems.iter().map(|problem| self.one(problem, &styles) + "\n").collect();
        let count = match self.count() {
            1 => "1 problem".to_owned(),
            more => format!("{more} problems"),
        };
        out.push_str(&headline(&format!("{count} in {}", self.path.display()), color));
        out
    }

    fn one(&self, problem: &Problem, styles: &Styles) -> String {
        let place = Place::of(&self.text, &problem.span);
        let number = place.line.to_string();
        let blank = " ".repeat(number.len());
        let path = self.path.display();
        let (error, bold, frame) = (styles.error, styles.bold, styles.frame);
        format!(
            "{error}error{error:#}{bold}: {}{bold:#}\n\
             {frame}{blank}-->{frame:#} {path}:{number}:{}\n\
             {frame}{blank} |{frame:#}\n\
             {frame}{number} |{frame:#} {}\n\
             {frame}{blank} |{frame:#} {}{error}{}{error:#}\n\
             {frame}{blank} ={frame:#} {bold}help{bold:#}: {}\n",
            tame(&problem.message),
            place.column,
            place.shown,
            " ".repeat(place.indent),
            "^".repeat(place.width),
            tame(&problem.help),
        )
    }
}

impl fmt::Display for Report {
    /// Plain text, the last line without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

/// `error: MESSAGE` in a line.
pub(super) fn headline(message: &str, color: bool) -> String {
    let Styles { error, .. } = Styles::new(color);
    let mut line = String::new();
    writeln!(line, "{error}error{error:#}: {message}").expect("a string takes all that is written to it");
    line
}

struct Styles {
    error: Style,
    bold: Style,
    frame: Style,
}

impl Styles {
    fn new(color: bool) -> Self {
        if !color {
            return Self { error: Style::new(), bold: Style::new(), frame: Style::new() };
        }
        Self {
            error: AnsiColor::Red.on_default().bold(),
            bold: Style::new().bold(),
            frame: AnsiColor::Blue.on_default().bold(),
        }
    }
}

/// Where a span is, for people, and how its first line looks.
struct Place {
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    /// The line, without what a terminal would obey.
    shown: String,
    /// Columns of the terminal before the span.
    indent: usize,
    /// Columns that the span has in this line; one at least.
    width: usize,
}

impl Place {
    fn of(text: &str, span: &Span) -> Self {
        let start = span.start.min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let begin = (start - line_start).min(line.len());
        let end = span.end.saturating_sub(line_start).clamp(begin, line.len());
        Self {
            line: line_number(text.as_bytes(), start),
            column: line[..begin].chars().count() + 1,
            shown: masked(&tame(line)),
            indent: shown_width(&line[..begin]),
            width: shown_width(&line[begin..end]).max(1),
        }
    }
}

fn shown_width(text: &str) -> usize {
    tame(text).width()
}

/// Each tab, line break and other control character as a space.
fn tame(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// A line with a star for each letter of a password in a URL: what is shown here may be in the log of a CI job.
fn masked(line: &str) -> String {
    let Some((scheme, rest)) = line.split_once("://") else { return line.to_owned() };
    let end = rest.find(['/', '?', '"', '\'', ' ']).unwrap_or(rest.len());
    let Some((login, _)) = rest[..end].rsplit_once('@') else { return line.to_owned() };
    let Some((user, password)) = login.split_once(':') else { return line.to_owned() };
    let stars = "*".repeat(password.width());
    format!("{scheme}://{user}:{stars}{}", &rest[login.len()..])
}

/// The line that a byte is in, from 1.
pub(super) fn line_number(text: &[u8], at: usize) -> usize {
    text[..at.min(text.len())].split(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str, span: Span) -> Report {
        let problem = Problem { span, message: "no".to_owned(), help: "yes".to_owned() };
        Report::new(Path::new("s.toml"), text, vec![problem])
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for (line, shown) in [
            ("url = \"mysql://me:hunter2@db/shop\"", "url = \"mysql://me:*******@db/shop\""),
            ("url = \"mysql://me@db/a:b@c\"", "url = \"mysql://me@db/a:b@c\""),
            ("see https://toml.io: a@b", "see https://toml.io: a@b"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }

    #[test]
    fn the_caret_stands_under_what_is_meant() {
        for (text, meant, caret_line) in [
            ("a = 1\n", "1", "  |     ^"),
            ("a = 1\r\nb = 22\r\n", "22", "  |     ^^"),
            ("\ta = 1", "a", "  |  ^"),
            ("a = { '注文' = 1 }", "1", "  |                ^"),
            ("a = [\n1,\n2]", "[\n1,\n2]", "  |     ^"),
        ] {
            let start = text.find(meant).expect("the text has it");
            let shown = report(text, start..start + meant.len()).render(false);
            assert_eq!(shown.lines().nth(4), Some(caret_line), "{shown}");
        }
    }

    #[test]
    fn the_end_of_a_file_has_a_place() {
        for (text, place) in [("", "s.toml:1:1"), ("a = [", "s.toml:1:6"), ("a = [\n", "s.toml:2:1")] {
            let shown = report(text, text.len()..text.len()).render(false);
            assert!(shown.contains(place), "{shown}");
        }
    }

    #[test]
    fn what_the_file_says_cannot_steer_the_terminal() {
        let message = "cannot be `a\nb\u{1b}[2J`".to_owned();
        let problem = Problem { span: 0..1, message, help: "\u{7}".to_owned() };
        let shown = Report::new(Path::new("s.toml"), "a = '\u{1b}[2J'", vec![problem]).render(false);
        assert!(shown.starts_with("error: cannot be `a b [2J`\n"), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{7}']));
    }

    #[test]
    fn colour_adds_escapes_and_nothing_else() {
        let report = report("a = 1\n", 4..5);
        assert_eq!(anstream::adapter::strip_str(&report.render(true)).to_string(), report.render(false));
        assert_ne!(report.render(true), report.render(false));
        assert!(!report.render(false).contains('\u{1b}'));
    }
}
