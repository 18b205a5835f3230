//! `electra-lab submission`: writes a trial's test predictions as a zip file for the GLUE leaderboard.

use std::path::PathBuf;

use clap::Args;

use super::experiment_arguments::ResultsArgument;
use super::table::{numbers, table, words};
use super::{exit, output};
use crate::error::Result;
use crate::tools::{Submission, SubmissionOptions, submission as write_submission};

/// Arguments of `submission`.
#[derive(Args, Debug)]
pub struct SubmissionArguments {
    /// Trial: its id, the start of its id, or its folder
    #[arg(value_name = "TRIAL")]
    trial: String,

    /// Zip file to write; it must not exist yet
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// Fine-tuning run to submit for every task [default: for each task the run with the median validation
    /// score; of an even number of runs, the lower of the middle two]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    finetune_seed: Option<u64>,

    /// Writes the files that are possible and reports what is missing [default: off, anything missing is an
    /// error]
    #[arg(long)]
    partial: bool,

    #[command(flatten)]
    results: ResultsArgument,
}

/// Writes the zip file, lists its content and returns the exit code.
pub fn submission(arguments: &SubmissionArguments) -> Result<u8> {
    let made = write_submission(&SubmissionOptions {
        trial: arguments.trial.clone(),
        results: arguments.results.results.clone(),
        to: arguments.to.clone(),
        finetune_seed: arguments.finetune_seed,
        partial: arguments.partial,
    })?;
    for missing in &made.missing {
        output::note(&format!("missing: {missing}"));
    }
    for note in &made.notes {
        output::note(&format!("note: {note}"));
    }
    output::data(&text(&made))?;
    Ok(exit::OK)
}

fn text(made: &Submission) -> String {
    let rows: Vec<[String; 4]> = made
        .files
        .iter()
        .map(|file| {
            [file.name.into(), file.task.to_string(), file.finetune_seed.to_string(), file.n_rows.to_string()]
        })
        .collect();
    table(&[words("file"), words("task"), numbers("fine-tuning seed"), numbers("rows")], &rows)
}
