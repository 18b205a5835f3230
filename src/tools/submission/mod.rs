//! A trial's predictions for the test splits, as the zip that the GLUE leaderboard takes.
//!
//! The predictions of a task come from its fine-tuning run with the median validation score: picking the best
//! run is a choice that a submission should not hide. MNLI's run also predicts AX. Must never: replace a
//! file, or leave out a task unless `partial` allows it. Next: `tasks/glue/leaderboard.rs` for the format.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::find_trial::find_trial;
use crate::disk::write_whole;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TaskName;
use crate::records::folder::TrialFolder;
use crate::records::{Outcome, Score, SplitPredictions, median_run};
use crate::tasks::{LeaderboardFile, leaderboard_files};

/// What to submit, and where to.
pub struct SubmissionOptions {
    /// Prefix of a trial's id, or its folder.
    pub trial: String,
    /// Folder of all results.
    pub results: PathBuf,
    /// The zip to write.
    pub to: PathBuf,
    /// The fine-tuning seed whose run is submitted for every task; None takes each task's median run.
    pub finetune_seed: Option<u64>,
    /// Whether files may be missing.
    pub partial: bool,
}

/// What was written.
#[derive(Debug)]
pub struct Submission {
    /// The zip's files.
    pub files: Vec<SubmittedFile>,
    /// The missing files of a complete submission, each with the reason.
    pub missing: Vec<String>,
    /// Deviations that the leaderboard would reject.
    pub notes: Vec<String>,
}

/// One file of the zip.
#[derive(Debug, PartialEq)]
pub struct SubmittedFile {
    /// Its name.
    pub name: &'static str,
    /// The task whose model predicted it.
    pub task: TaskName,
    /// The seed of the fine-tuning run.
    pub finetune_seed: u64,
    /// Number of rows.
    pub n_rows: usize,
}

/// Writes the zip.
///
/// # Errors
/// The zip exists; the trial is not finished; files are missing without `partial`; predictions are damaged.
pub fn submission(options: &SubmissionOptions) -> Result<Submission> {
    if options.to.exists() {
        let what = format!("{} already exists", options.to.display());
        return Err(Error::new(ErrorKind::Storage, what, "give --to another name, or delete the file"));
    }
    let folder = find_trial(&options.results, &options.trial)?;
    let Some(outcome) = folder.outcome()? else {
        let what = format!("the trial in {} is not finished", folder.path().display());
        let hint = "run its experiment to the end: validation scores choose the fine-tuning run";
        return Err(Error::new(ErrorKind::Data, what, hint));
    };
    let mut made = Submission { files: Vec::new(), missing: Vec::new(), notes: Vec::new() };
    let mut texts = Vec::new();
    for file in &leaderboard_files() {
        match predictions(file, &folder, &outcome, options.finetune_seed)? {
            Ok(predictions) => {
                let n_rows = predictions.examples.len();
                texts.push((
                    file.name,
                    file.text(predictions.examples.iter().map(|example| example.prediction))?,
                ));
                if n_rows != file.n_rows {
                    made.notes
                        .push(format!("{} has {n_rows} rows, GLUE's test split {}", file.name, file.n_rows));
                }
                let finetune_seed = predictions.finetune_seed;
                made.files.push(SubmittedFile { name: file.name, task: file.task, finetune_seed, n_rows });
            }
            Err(reason) => made.missing.push(format!("{}: {reason}", file.name)),
        }
    }
    if !made.missing.is_empty() && (!options.partial || texts.is_empty()) {
        return Err(incomplete(&folder, &made.missing, texts.is_empty()));
    }
    write_whole(&options.to, &zipped(&texts).map_err(|error| Error::storage(&options.to, "write", error))?)?;
    Ok(made)
}

fn incomplete(folder: &TrialFolder, missing: &[String], all: bool) -> Error {
    let what = format!(
        "{} has no predictions for {} of the {} files of a submission:\n  {}",
        folder.path().display(),
        missing.len(),
        leaderboard_files().len(),
        missing.join("\n  ")
    );
    let or_less = if all { "" } else { ", or pass --partial for the files that are there" };
    let hint = format!(
        "evaluate these tasks on the hub's GLUE with evaluate.predict_test: true (a finished trial predicts them after \
         its outcome.json is deleted and its experiment run again){or_less}"
    );
    Error::new(ErrorKind::Data, what, hint)
}

/// The predictions that go into a file, or why there are none.
fn predictions(
    file: &LeaderboardFile,
    folder: &TrialFolder,
    outcome: &Outcome,
    wanted: Option<u64>,
) -> Result<std::result::Result<SplitPredictions, String>> {
    let task = file.task;
    let runs: Vec<&Score> = outcome.scores.iter().filter(|score| score.task == task).collect();
    if runs.is_empty() {
        return Ok(Err(format!("the trial did not evaluate {task}")));
    }
    let run = match wanted {
        Some(seed) => runs.iter().find(|run| run.finetune_seed == seed).copied(),
        None => median_run(runs.iter().copied(), |run| Some((run.value?, run.finetune_seed))),
    };
    let Some(run) = run else {
        return Ok(Err(match wanted {
            Some(seed) => format!("{task} was fine-tuned with the seeds 1 to {}, not {seed}", runs.len()),
            None => {
                format!("no run of {task} has a defined validation score; choose one with --finetune-seed")
            }
        }));
    };
    let found = folder.split_predictions(task, run.finetune_seed, file.split)?;
    let path = folder.split_predictions_path(task, run.finetune_seed, file.split);
    Ok(found.ok_or_else(|| format!("there is no {}", shortened(&path, folder.path()))))
}

fn shortened(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}

/// The bytes of the zip: without compression and with one date for all files, so that they depend on the
/// texts alone.
fn zipped(texts: &[(&str, String)]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::DEFAULT.compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in texts {
        zip.start_file(*name, options)?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests;
