//! Which scenario files the arguments of a command mean.

use std::fs;
use std::path::{Path, PathBuf};

use super::ScenarioError;

/// What a scenario is called where a folder stands for it.
const FILE_NAME: &str = "scenario.toml";

/// The scenario files that `args` mean, in the order of `args`: a file is itself; a folder with a `scenario.toml` is
/// that; any other folder is every `scenario.toml` below it, by path. Hidden folders and linked ones are not entered.
pub fn discover(args: &[PathBuf]) -> Result<Vec<PathBuf>, ScenarioError> {
    let found: Vec<Vec<PathBuf>> = args.iter().map(|arg| scenarios_of(arg)).collect::<Result<_, _>>()?;
    Ok(found.concat())
}

fn scenarios_of(arg: &Path) -> Result<Vec<PathBuf>, ScenarioError> {
    if !arg.exists() {
        return Err(ScenarioError::NotFound { path: arg.to_owned() });
    }
    if !arg.is_dir() {
        return Ok(vec![arg.to_owned()]);
    }
    let own = arg.join(FILE_NAME);
    if own.is_file() {
        return Ok(vec![own]);
    }
    let mut found = Vec::new();
    collect(arg, &mut found)?;
    if found.is_empty() {
        return Err(ScenarioError::NoneFound { folder: arg.to_owned() });
    }
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), ScenarioError> {
    let unreadable = |source| ScenarioError::Unreadable { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if entry.file_type().map_err(unreadable)?.is_dir() {
            if !name.as_encoded_bytes().starts_with(b".") {
                collect(&entry.path(), found)?;
            }
        } else if name == FILE_NAME && entry.path().is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn a_file_is_itself_whatever_its_name() {
        let root = tree(&["nightly.toml"]);
        let file = root.path().join("nightly.toml");
        assert_eq!(discover(std::slice::from_ref(&file)).unwrap(), [file]);
    }

    #[test]
    fn a_folder_with_a_scenario_is_that_one_only() {
        let root = tree(&["scenario.toml", "below/scenario.toml"]);
        assert_eq!(discover(&[root.path().to_owned()]).unwrap(), [root.path().join("scenario.toml")]);
    }

    #[test]
    fn a_folder_of_folders_is_every_scenario_below_by_path() {
        let root = tree(&["b/scenario.toml", "a/z/scenario.toml", "a/other.toml", ".git/scenario.toml"]);
        let expected = ["a/z/scenario.toml", "b/scenario.toml"].map(|file| root.path().join(file));
        assert_eq!(discover(&[root.path().to_owned()]).unwrap(), expected);
    }

    #[test]
    fn nothing_found_is_an_error_and_not_an_empty_run() {
        let root = tree(&["a/other.toml"]);
        assert!(matches!(discover(&[root.path().to_owned()]), Err(ScenarioError::NoneFound { .. })));
        assert!(matches!(discover(&[root.path().join("b")]), Err(ScenarioError::NotFound { .. })));
    }
}
