//! Stand-in: from records to tables, plots and pages.

use std::path::{Path, PathBuf};

use crate::fault::{Fault, FaultKind, Result};
use crate::spec::{ExperimentSpec, Trial};

/// Stand-in.
pub struct ReportInput<'a> {
    /// Effective specification.
    pub experiment: &'a ExperimentSpec,
    /// Profile.
    pub profile: &'a str,
    /// Trials.
    pub trials: &'a [Trial],
    /// results/<experiment>/
    pub results: &'a Path,
    /// reports/<experiment>/<profile>/
    pub out: &'a Path,
    /// Command that rebuilds it.
    pub command: &'a str,
}

/// Stand-in.
pub struct ReportSummary {
    /// Written files.
    pub files: Vec<PathBuf>,
    /// Done trials.
    pub n_done: usize,
    /// All trials.
    pub n_trials: usize,
    /// Table for the terminal.
    pub table: String,
    /// Verdict.
    pub verdict: String,
}

/// Stand-in.
pub fn build(input: &ReportInput) -> Result<ReportSummary> {
    let done = |trial: &&Trial| input.results.join(&trial.id.0).join("outcome.json").exists();
    let n_done = input.trials.iter().filter(done).count();
    if n_done == 0 {
        return Err(Fault::new(FaultKind::Data, "no trial is done", "run the experiment first"));
    }
    Ok(ReportSummary {
        files: vec![input.out.join("report.md")],
        n_done,
        n_trials: input.trials.len(),
        table: format!("stand-in table of {} ({})\n", input.experiment.name, input.command),
        verdict: "not yet decided".into(),
    })
}
