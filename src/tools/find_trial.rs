//! The folder of a trial that a person names by its path or by the beginning of its id.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TrialId;
use crate::formats::shards;
use crate::records::checkpoints::FINAL;
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
    // One trial of several experiments has the same numbers in each; weights are worth more than none.
    let is_one_trial = found.windows(2).all(|pair| pair[0].file_name() == pair[1].file_name());
    let found = match is_one_trial {
        true => found.iter().max_by_key(|path| worth(path)).cloned().into_iter().collect(),
        false => found,
    };
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

/// How much of a trial a folder has: its last weights, its scores, or less.
fn worth(path: &Path) -> u8 {
    let has_weights = shards::exists(&path.join("checkpoints").join(FINAL));
    2 * u8::from(has_weights) + u8::from(path.join("outcome.json").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_of_several_experiments_is_found_where_its_weights_are() {
        let results = tempfile::tempdir().unwrap();
        let make = |folder: &str, files: &[&str]| {
            let path = results.path().join(folder);
            std::fs::create_dir_all(path.join("checkpoints")).unwrap();
            for file in files {
                std::fs::write(path.join(file), "{}").unwrap();
            }
        };
        make("first/0123456789ab", &["trial.json", "outcome.json"]);
        make("second/0123456789ab", &["trial.json", "checkpoints/final.safetensors"]);
        make("third/0123456789cd", &["trial.json"]);
        let found = find_trial(results.path(), "0123456789ab").unwrap();
        assert!(found.path().ends_with("second/0123456789ab"));
        let error = find_trial(results.path(), "0123").unwrap_err();
        assert!(error.message.contains("the ids of 3 trials start with 0123"), "{}", error.message);
    }
}
