//! Which trials lie in a results folder: `results/<experiment>/<trial-id>/`.

use std::path::{Path, PathBuf};

use super::folder::TrialFolder;
use crate::disk::storage_error;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TrialId;

/// The folder of an experiment's trials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExperimentFolder {
    /// Name of the experiment.
    pub name: String,
    path: PathBuf,
}

impl ExperimentFolder {
    /// The experiments below `results`, in the order of their names.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be listed.
    pub fn all(results: &Path) -> Result<Vec<Self>> {
        if !results.exists() {
            return Err(Error::new(
                ErrorKind::Data,
                format!("there is no folder of results {}", results.display()),
                "run an experiment first, or name the folder of its results with --results",
            ));
        }
        let folders = subfolders(results)?;
        Ok(folders.into_iter().map(|(name, path)| Self { name, path }).collect())
    }

    /// The experiment in a folder, whose name is the experiment's.
    pub fn at(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, path: path.into() }
    }

    /// The experiment's folders, in the order of their names. A folder that is not a trial's has no records.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn trials(&self) -> Result<Vec<TrialFolder>> {
        let folders = subfolders(&self.path)?;
        Ok(folders.into_iter().map(|(name, _)| TrialFolder::within(&self.path, &TrialId(name))).collect())
    }
}

/// Names and paths of the folders in a folder, in the order of their names.
fn subfolders(within: &Path) -> Result<Vec<(String, PathBuf)>> {
    let unlisted = |error| storage_error(within, "list", &error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(within).map_err(unlisted)? {
        let entry = entry.map_err(unlisted)?;
        // A name that is not Unicode is not one of ours.
        if entry.path().is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ExperimentFolder::all(folder.path()).unwrap().is_empty());
        let error = ExperimentFolder::all(&folder.path().join("results")).unwrap_err();
        assert!(
            error.message.starts_with("there is no folder of results ") && error.hint.contains("--results")
        );
    }
}
