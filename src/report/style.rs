//! How text is set: colours or none, how wide, and the wrapping of sentences.

use anstyle::{AnsiColor, Color};

/// How a report is set. The default is for a pipe: no colours, 100 columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours.
    pub color: bool,
    /// Columns of the terminal. Tables need [`Style::NARROWEST`]; sentences wrap at less.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 100 }
    }
}

/// What a piece of text is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Doubtful,
    Strong,
}

impl Style {
    /// The narrowest width that tables are set for.
    pub const NARROWEST: usize = 80;

    /// The text in the colour of its tone, or as it is.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let color = |color| anstyle::Style::new().fg_color(Some(Color::Ansi(color)));
        let style = match tone {
            Tone::Good => color(AnsiColor::Green).bold(),
            Tone::Bad => color(AnsiColor::Red).bold(),
            Tone::Doubtful => color(AnsiColor::Yellow).bold(),
            Tone::Strong => anstyle::Style::new().bold(),
        };
        format!("{style}{text}{style:#}")
    }

    /// Breaks a sentence into lines that fit. Every line is indented by `indent`, and all but the first by two more.
    /// A word that is longer than a line stays whole, so that it can be copied; so does a line that begins with a bar,
    /// which is how the output of a program is set off.
    pub(super) fn wrap(self, indent: usize, text: &str) -> String {
        let (sentence, output) = text.split_once("\n  | ").unwrap_or((text, ""));
        let output = output.split("\n  | ").filter(|line| !line.is_empty());
        let output = output.map(|line| format!("{:1$}| {line}\n", "", indent + 2));
        std::iter::once(self.wrap_words(indent, sentence)).chain(output).collect()
    }

    fn wrap_words(self, indent: usize, text: &str) -> String {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + word.chars().count() <= self.width => {
                    line.push(' ');
                    line.push_str(word);
                }
                Some(_) => lines.push(format!("{:1$}{word}", "", indent + 2)),
                None => lines.push(format!("{:indent$}{word}", "")),
            }
        }
        lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}

/// A text cut to a number of characters, with a mark where it was cut.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(shorten("orders", 6), "orders");
        assert_eq!(shorten("órders", 5), "órde…");
    }

    #[test]
    fn sentences_wrap_between_words() {
        let style = Style { color: false, width: 16 };
        assert_eq!(style.wrap(2, "the lock\n was held"), "  the lock was\n    held\n");
        assert_eq!(style.wrap(0, "migrations/0002_add_status.sql is it"), "migrations/0002_add_status.sql\n  is it\n");
        assert_eq!(style.wrap(0, ""), "");
    }

    #[test]
    fn the_output_of_a_program_keeps_its_lines() {
        let style = Style { color: false, width: 16 };
        let shown = "  it ended badly\n    | a line that is long\n    |   File x\n";
        assert_eq!(style.wrap(2, "it ended badly\n  | a line that is long\n  |   File x"), shown);
    }

    #[test]
    fn a_pipe_gets_no_colours() {
        assert_eq!(Style::default().paint(Tone::Bad, "FAIL"), "FAIL");
        let colored = Style { color: true, width: 100 }.paint(Tone::Bad, "FAIL");
        assert!(colored.starts_with('\u{1b}') && colored.contains("FAIL") && colored.ends_with("\u{1b}[0m"));
    }
}
