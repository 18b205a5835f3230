//! The folder of a trial that a person names by its path or by the beginning of its id.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TrialId;
use crate::records::folder::TrialFolder;

/// The folder of the trial that `word` names: its path, or the beginning of its id below `results`.
///
/// # Errors
/// No trial matches, or several do.
pub fn find_trial(results: &Path, word: &str) -> Result<TrialFolder> {
    let at = |path: &Path| -> Option<TrialFolder> {
        let id = path.file_name()?.to_str()?;
        let experiment = path.parent()?;
        let name = experiment.file_name()?.to_str()?;
        Some(TrialFolder::new(experiment.parent()?, name, &TrialId(id.into())))
    };
    let path = Path::new(word);
    if path.join("trial.json").is_file() {
        let whole = path.canonicalize().map_err(|error| Error::storage(path, "find", error))?;
        if let Some(folder) = at(&whole) {
            return Ok(folder);
        }
    }
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let begins = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(word))
    };
    let trials = below(results).into_iter().flat_map(|experiment| below(&experiment));
    let found: Vec<PathBuf> =
        trials.filter(|path| !word.is_empty() && begins(path) && path.join("trial.json").is_file()).collect();
    match found.as_slice() {
        [one] => {
            at(one).ok_or_else(|| Error::internal(format!("{} is not the folder of a trial", one.display())))
        }
        [] => Err(Error::new(
            ErrorKind::Data,
            format!("no trial id in {} starts with {word}", results.display()),
            "give the beginning of an id, as `electra-lab status` shows it, or the folder of a trial; --results names \
             the folder of all results",
        )),
        several => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            Err(Error::new(
                ErrorKind::Data,
                format!("the ids of {} trials start with {word}: {}", several.len(), names.join(", ")),
                "give more of the id, or the folder of the trial",
            ))
        }
    }
}
