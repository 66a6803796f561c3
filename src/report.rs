//! Says what a run found, in one file per form. Pure: a saved record gives the same report as the run it was saved by.

pub mod json;
pub mod line;
pub mod style;
pub mod target;
pub mod text;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use json::json;
pub use line::line;
pub use style::Style;

use crate::run::Run;

/// A form of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// For a person at a terminal, or a log.
    Text,
    /// The whole record, for programs and for `rehearsal report`.
    Json,
}

impl Format {
    /// Every form.
    pub const ALL: [Self; 2] = [Self::Text, Self::Json];

    /// The word by which the command line calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| FormatError::Unknown(text.to_owned()))
    }
}

/// A report that was asked for: `FORMAT=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// In which form.
    pub format: Format,
    /// Where to; `None` for standard output, which is written `-`.
    pub path: Option<PathBuf>,
}

impl FromStr for Request {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let (format, path) = text.split_once('=').unwrap_or((text, ""));
        let format = format.parse()?;
        match path {
            "" => Err(FormatError::NoPath(format)),
            "-" => Ok(Self { format, path: None }),
            path => Ok(Self { format, path: Some(PathBuf::from(path)) }),
        }
    }
}

/// Why a form of report could not be made out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// There is no such form.
    #[error("there is no report format `{0}`: use one of {formats}", formats = formats())]
    Unknown(String),
    /// Where to is not said.
    #[error("where shall the {0} report go? Write {0}=PATH, or {0}=- for standard output")]
    NoPath(Format),
}

fn formats() -> String {
    Format::ALL.map(Format::as_str).join(", ")
}

/// The report in a form. `style` bears on text only.
pub fn render(run: &Run, format: Format, style: Style) -> String {
    match format {
        Format::Text => text::render(run, style),
        Format::Json => json(run),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::verdict::testing::facts;

    #[test]
    fn a_request_is_a_format_and_a_path() {
        let parsed = |text: &str| text.parse::<Request>().map(|request| (request.format, request.path));
        assert_eq!(parsed("json=out/run=1.json"), Ok((Format::Json, Some(PathBuf::from("out/run=1.json")))));
        assert_eq!(parsed("text=-"), Ok((Format::Text, None)));
    }

    #[test]
    fn what_cannot_be_made_out_is_told_with_what_can() {
        let error = |text: &str| text.parse::<Request>().expect_err("not a request").to_string();
        assert_eq!(error("html=out"), "there is no report format `html`: use one of text, json");
        let no_path = "where shall the json report go? Write json=PATH, or json=- for standard output";
        assert_eq!(error("json"), no_path);
        assert_eq!(error("json="), no_path);
    }

    #[test]
    fn every_format_renders_what_it_is_called_by() {
        let run = facts().judged();
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            assert!(render(&run, format, Style::default()).contains("Add a status to orders"));
        }
    }
}
