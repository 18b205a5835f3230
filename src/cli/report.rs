//! `electra-lab report`: rebuilds an experiment's report from its results, without running anything.
//!
//! Next: `report_all.rs` builds every report.

use std::path::{Path, PathBuf};

use clap::Args;

use super::experiment_arguments::{Overrides, ReportsArgument, ResultsArgument};
use super::rebuild_command::rebuild_command_of;
use super::report_all::{Folders, report_all};
use super::{exit, output};
use crate::error::Result;
use crate::experiment::Experiment;
use crate::report::{ReportInput, ReportRequest, build};

/// Arguments of `report`.
#[derive(Args, Debug)]
pub struct ReportArguments {
    /// Experiment file (YAML)
    #[arg(value_name = "EXPERIMENT", required_unless_present = "all", conflicts_with = "all")]
    file: Option<PathBuf>,

    #[command(flatten)]
    overrides: Overrides,

    /// Rebuilds the report of every experiment and profile that has results [default: off, one report]
    #[arg(long, conflicts_with_all = ["profile", "sets"])]
    all: bool,

    /// Folder of the experiment files, from which --all takes questions and expectations
    #[arg(long, value_name = "DIR", default_value = "experiments", requires = "all")]
    experiments: PathBuf,

    #[command(flatten)]
    results: ResultsArgument,

    #[command(flatten)]
    reports: ReportsArgument,
}

/// Builds the report and returns the exit code.
pub fn report(arguments: &ReportArguments) -> Result<u8> {
    let (results, reports) = (&arguments.results.results, &arguments.reports.reports);
    let Some(file) = &arguments.file else {
        return report_all(&Folders { experiments: &arguments.experiments, results, reports });
    };
    let folders = ReportFolders { overrides: &arguments.overrides, results, reports };
    build_and_show(&arguments.overrides.load(file)?, &folders)?;
    Ok(exit::OK)
}

/// The folders of results and reports, and the overrides of the experiment.
pub struct ReportFolders<'a> {
    /// Profile and --set, as typed.
    pub overrides: &'a Overrides,
    /// Folder of all results.
    pub results: &'a Path,
    /// Folder of all reports.
    pub reports: &'a Path,
}

/// Builds a report and prints its table, its verdict and the paths of its files.
pub fn build_and_show(experiment: &Experiment, folders: &ReportFolders) -> Result<()> {
    let name = &experiment.spec.name;
    let asked = ReportRequest {
        experiment: experiment.path.clone(),
        profile: experiment.profile.clone(),
        sets: folders.overrides.sets.clone(),
    };
    let summary = build(&ReportInput {
        experiment: &experiment.spec,
        request: &asked,
        trials: &experiment.trials,
        controls: &experiment.controls,
        results: &folders.results.join(name),
        out: &folders.reports.join(name).join(asked.folder()),
        command: &rebuild_command(experiment, folders),
    })?;
    for error in &summary.errors {
        output::note(&format!("left out of the report because it is damaged: {error}"));
    }
    let mut text = format!(
        "{name}, {}: {} of {} trials done\n\n{}\n\n{}\n\n",
        asked.profile_text(),
        summary.n_done,
        summary.n_trials,
        summary.table.trim_end(),
        summary.verdict.trim_end()
    );
    for file in &summary.files {
        text.push_str(&format!("{}\n", file.display()));
    }
    output::data(&text)
}

/// The command that rebuilds the same report.
fn rebuild_command(experiment: &Experiment, folders: &ReportFolders) -> String {
    rebuild_command_of(experiment, &folders.overrides.sets, folders.results, folders.reports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::an_experiment;

    #[test]
    fn the_command_can_be_pasted_into_a_shell() {
        let sets = vec!["train.steps=5".to_string(), "seeds=[1, 2]".into(), "about=it's".into()];
        let overrides = Overrides { profile: None, sets };
        let folders = ReportFolders {
            overrides: &overrides,
            results: Path::new("results"),
            reports: Path::new("/tmp/my reports"),
        };
        assert_eq!(
            rebuild_command(&an_experiment(&[1]), &folders),
            "electra-lab report test.yaml --profile quick --set train.steps=5 --set 'seeds=[1, 2]' \
             --set 'about=it'\\''s' --reports '/tmp/my reports'"
        );
    }
}
