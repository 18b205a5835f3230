//! What a report is asked for, and what it gives back.

use std::path::{Path, PathBuf};

use super::request::ReportRequest;
use crate::error::Error;
use crate::experiment::{ExperimentSpec, Trial};

/// What a report is built from.
pub struct ReportInput<'a> {
    /// The experiment with its profile and overrides applied.
    pub experiment: &'a ExperimentSpec,
    /// Profile and overrides. The page names the overrides, and `report --all` asks for the same again.
    pub request: &'a ReportRequest,
    /// The plan; a report shows these trials and no others.
    pub trials: &'a [Trial],
    /// The plan's control trials.
    pub controls: &'a [Trial],
    /// Folder of the experiment's results, with one folder per trial.
    pub results: &'a Path,
    /// Folder that receives the report; made if it is missing.
    pub out: &'a Path,
    /// The command line that builds this report again.
    pub command: &'a str,
}

/// What was built.
#[derive(Debug)]
pub struct ReportSummary {
    /// The files, report.md first.
    pub files: Vec<PathBuf>,
    /// Trials with an outcome.
    pub n_done: usize,
    /// Trials of the plan.
    pub n_trials: usize,
    /// Why some trials were left out: their records cannot be read.
    pub errors: Vec<Error>,
    /// The summary as fixed-width text.
    pub table: String,
    /// The verdict in sentences, one a line.
    pub verdict: String,
}
