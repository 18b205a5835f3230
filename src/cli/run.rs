//! `electra-lab run`: runs experiments, then builds their reports.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::experiment_arguments::{Overrides, ReportsArgument, ResultsArgument};
use super::report::ReportFolders;
use super::terminal::Terminal;
use super::{exit, output, report};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::run::{
    DeviceChoice, RunOptions, StopFlag, Summary, limit_threads, lower_priority, run_experiments, run_trial,
};

/// Arguments of `run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// Experiment files (YAML)
    #[arg(value_name = "EXPERIMENT", required = true)]
    pub(super) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) overrides: Overrides,

    /// Runs only the trials whose id starts with ID; repeatable [default: all]
    #[arg(long, value_name = "ID")]
    pub(super) only: Vec<String>,

    /// Trials at a time, among which the threads are divided; does not change any number [default: on a CPU
    /// one per thread where all trials are small, otherwise 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,

    /// Threads that compute; does not change any number [default: one per core, or RAYON_NUM_THREADS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) threads: Option<u16>,

    /// Lets other programs go first: the lowest priority [default: off]
    #[arg(long)]
    pub(super) nice: bool,

    /// Device: auto, cpu, cuda or cuda:N; auto uses a CUDA device if there is one
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Auto)]
    pub(super) device: DeviceChoice,

    /// Stops after N seconds like Ctrl-C: the running trials save their state, and the same command resumes
    /// them [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_seconds: Option<u64>,

    #[command(flatten)]
    pub(super) results: ResultsArgument,

    #[command(flatten)]
    pub(super) reports: ReportsArgument,

    /// Uses only what is in the caches, never the network, like HF_HUB_OFFLINE=1 [default: off]
    #[arg(long)]
    pub(super) offline: bool,

    /// Deletes the results of earlier runs of the same trials and starts again [default: off, resumes them]
    #[arg(long)]
    pub(super) force: bool,

    /// Only pre-trains, so the tasks are not needed. The same command without this option fine-tunes, on this
    /// machine or where DIR was copied to [default: off]
    #[arg(long)]
    pub(super) pretrain_only: bool,
}

/// Runs the experiments and returns the exit code.
pub fn run(arguments: &RunArguments) -> Result<u8> {
    let stop = StopFlag::on_signals()?;
    if arguments.nice {
        lower_priority()?;
    }
    if let Some(threads) = arguments.threads {
        limit_threads(threads.into())?;
    }
    let experiments = load_all(&arguments.files, &arguments.overrides)?;
    let options = RunOptions {
        results: arguments.results.results.clone(),
        reports: arguments.reports.reports.clone(),
        only: arguments.only.clone(),
        n_at_once: arguments.jobs.map(usize::from),
        device: arguments.device,
        offline: arguments.offline,
        force: arguments.force,
        pretrain_only: arguments.pretrain_only,
    };
    let stop = match arguments.max_seconds {
        Some(limit) => stop.after(Duration::from_secs(limit)),
        None => stop,
    };
    let terminal = Terminal::on_stderr();
    let summary = run_experiments(&experiments, &options, stop, &run_trial, &terminal)?;
    output::note(&summary.sentence());
    for (row, error) in summary.failures() {
        let message = format!("trial {} of {} ({}): {}", row.id, row.experiment, row.label, error.message);
        output::error(&Error { message, ..error.clone() });
    }
    let code = exit::of_summary(&summary);
    if summary.is_interrupted() {
        output::note("run the same command again to continue");
        return Ok(code);
    }
    let report_code = build_reports(arguments, &experiments, &summary)?;
    Ok(if code == exit::OK { report_code } else { code })
}

/// Reads every file once. Reads all of them before it fails, so that all mistakes are reported.
fn load_all(files: &[PathBuf], overrides: &Overrides) -> Result<Vec<Experiment>> {
    let mut experiments = Vec::with_capacity(files.len());
    let mut last_error = None;
    for path in distinct(files) {
        match overrides.load(path) {
            Ok(experiment) => experiments.push(experiment),
            Err(error) => {
                if let Some(earlier) = last_error.replace(error) {
                    output::error(&earlier);
                }
            }
        }
    }
    last_error.map_or(Ok(experiments), Err)
}

/// The files without repetitions, even if one file is written in two ways.
fn distinct(files: &[PathBuf]) -> Vec<&Path> {
    let mut seen = std::collections::BTreeSet::new();
    // A missing file stays in the list; reading it gives the error.
    let canonical = |path: &PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    files.iter().filter(|path| seen.insert(canonical(path))).map(PathBuf::as_path).collect()
}

/// Builds the report of each experiment that has a finished trial.
fn build_reports(arguments: &RunArguments, experiments: &[Experiment], summary: &Summary) -> Result<u8> {
    let mut code = exit::OK;
    for experiment in experiments {
        if !summary.has_finished(&experiment.spec.name) {
            output::note(&format!("{}: no trial is done, so there is no report yet", experiment.spec.name));
            continue;
        }
        let folders = ReportFolders {
            overrides: &arguments.overrides,
            results: &arguments.results.results,
            reports: &arguments.reports.reports,
        };
        if let Err(error) = report::build_and_show(experiment, &folders) {
            output::error(&error);
            code = exit::of_kind(error.kind);
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_named_twice_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        let [file, other] = ["a.yaml", "b.yaml"].map(|name| folder.path().join(name));
        std::fs::write(&file, "").unwrap();
        let files = [file.clone(), folder.path().join("inner/../a.yaml"), other.clone(), file.clone()];
        assert_eq!(distinct(&files), [file.as_path(), other.as_path()]);
    }
}
