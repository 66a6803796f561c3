//! Why a scenario cannot be used.

use std::io;
use std::path::PathBuf;

use super::report::Report;

/// Why a scenario, or a folder of scenarios, cannot be used. Each of these is a mistake of the user's, not of a server.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Nothing has that name.
    #[error("there is no scenario {}: name a scenario file, or a folder that has scenario.toml files", path.display())]
    NotFound {
        /// As it was named.
        path: PathBuf,
    },
    /// A folder where a file was asked for.
    #[error("{} is a folder: name the scenario file in it", path.display())]
    Folder {
        /// As it was named.
        path: PathBuf,
    },
    /// The operating system would not let it be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file, or a folder above it.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Bytes that are no text.
    #[error("{}:{line}: this is not UTF-8 text: a scenario is a TOML file, saved as UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line with the first byte that is none, from 1.
        line: usize,
    },
    /// A folder with no scenario in it.
    #[error("{} has no scenario.toml, and no folder below it has one", folder.display())]
    NoneFound {
        /// The folder.
        folder: PathBuf,
    },
    /// What it says cannot be done; every problem of the file at once.
    #[error("{0}")]
    Invalid(Report),
}

impl ScenarioError {
    /// How many problems there are to mend.
    pub fn count(&self) -> usize {
        match self {
            Self::Invalid(report) => report.count(),
            _ => 1,
        }
    }

    /// All that is to be said, in whole lines that each begin a problem with `error`. Without `color` nothing in it is a
    /// control character but the line ends, and all of it is ASCII but for what the file itself says.
    pub fn render(&self, color: bool) -> String {
        match self {
            Self::Invalid(report) => report.render(color),
            other => super::report::headline(&other.to_string(), color),
        }
    }
}
