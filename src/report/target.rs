//! Writing a report to where it was asked for: all of it or nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Format, Request};

/// A place that can be written to: a temporary file beside it, which takes its name when it is complete.
#[derive(Debug)]
pub struct Opened(Option<(NamedTempFile, PathBuf)>);

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the report {path} cannot be written: {source}")]
pub struct TargetError {
    path: PathBuf,
    source: std::io::Error,
}

impl Request {
    /// The record, in a file.
    pub fn json(path: PathBuf) -> Self {
        Self { format: Format::Json, path: Some(path) }
    }

    /// Whether it is standard output.
    pub fn is_stdout(&self) -> bool {
        self.path.is_none()
    }

    /// Makes sure that it can be written, before there is anything to write.
    pub fn open(&self) -> Result<Opened, TargetError> {
        let Some(path) = &self.path else { return Ok(Opened(None)) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.is_dir() {
            let source = std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a folder");
            return Err(TargetError { path: path.clone(), source });
        }
        let file = NamedTempFile::new_in(folder).map_err(|source| TargetError { path: path.clone(), source })?;
        Ok(Opened(Some((file, path.clone()))))
    }
}

impl Opened {
    /// Writes the report, all of it or nothing. Gives it back if it is for standard output.
    pub fn write(self, text: &str) -> Result<Option<String>, TargetError> {
        let Some((mut file, path)) = self.0 else { return Ok(Some(text.to_owned())) };
        let failed = |source| TargetError { path: path.clone(), source };
        file.write_all(text.as_bytes()).map_err(failed)?;
        // Temporary files are the owner's alone; a report is for whoever may read the folder.
        let readable = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
        file.as_file().set_permissions(readable).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_is_standard_output() {
        let target: Request = "json=-".parse().expect("a target");
        assert!(target.is_stdout());
        let given = target.open().and_then(|opened| opened.write("{}")).expect("written");
        assert_eq!(given.as_deref(), Some("{}"));
    }

    #[test]
    fn a_report_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.json");
        let opened = Request::json(path.clone()).open().expect("a file can be made");
        assert!(!path.exists());
        opened.write("{}").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "{}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_before_the_run() {
        assert!(Request::json(PathBuf::from("/nonexistent/run.json")).open().is_err());
    }
}
