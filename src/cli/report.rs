//! `electra-lab report`: builds an experiment's report from its results, without running anything.
//!
//! Next: `report_all.rs` builds every report.

use std::path::{Path, PathBuf};

use clap::Args;

use super::report_all::{Folders, report_all};
use super::spec_arguments::{Overrides, ReportsArgument, ResultsArgument};
use super::{exit, output};
use crate::error::Result;
use crate::experiment::Experiment;
use crate::report::{ReportInput, build};

/// Arguments of `report`.
#[derive(Args, Debug)]
pub struct ReportArguments {
    /// Experiment file (YAML)
    #[arg(value_name = "SPEC", required_unless_present = "all", conflicts_with = "all")]
    spec: Option<PathBuf>,

    #[command(flatten)]
    overrides: Overrides,

    /// Builds every report again, of each experiment and profile that has results [default: off, one report]
    #[arg(long, conflicts_with_all = ["profile", "sets"])]
    all: bool,

    /// Folder of the experiment files that --all takes questions and expectations from
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
    let Some(spec) = &arguments.spec else {
        return report_all(&Folders { experiments: &arguments.experiments, results, reports });
    };
    let place = Place { overrides: &arguments.overrides, results, reports };
    build_and_show(&arguments.overrides.load(spec)?, &place)?;
    Ok(exit::OK)
}

/// Where results are read, where the report goes, and how the experiment was asked for.
pub struct Place<'a> {
    /// Profile and --set, as they were given.
    pub overrides: &'a Overrides,
    /// Folder of all results.
    pub results: &'a Path,
    /// Folder of all reports.
    pub reports: &'a Path,
}

/// Builds a report, and prints its table, its verdict and the paths of its files.
pub fn build_and_show(experiment: &Experiment, place: &Place) -> Result<()> {
    let name = &experiment.spec.name;
    let summary = build(&ReportInput {
        experiment: &experiment.spec,
        profile: &experiment.profile,
        trials: &experiment.trials,
        results: &place.results.join(name),
        out: &place.reports.join(name).join(&experiment.profile),
        command: &rebuild_command(experiment, place),
    })?;
    for error in &summary.errors {
        output::note(&format!("left out of the report, since it is damaged: {error}"));
    }
    let mut text = format!(
        "{name}, profile {}: {} of {} trials done\n\n{}\n\n{}\n\n",
        experiment.profile,
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

/// The command that builds the same report again.
fn rebuild_command(experiment: &Experiment, place: &Place) -> String {
    rebuild_command_of(experiment, &place.overrides.sets, place.results, place.reports)
}

/// The same from its parts; folders only where they are not the default.
pub(super) fn rebuild_command_of(
    experiment: &Experiment,
    sets: &[String],
    results: &Path,
    reports: &Path,
) -> String {
    let mut words = vec!["electra-lab".to_string(), "report".into(), experiment.path.display().to_string()];
    words.extend(["--profile".into(), experiment.profile.clone()]);
    for set in sets {
        words.extend(["--set".into(), set.clone()]);
    }
    for (option, folder, default) in [("--results", results, "results"), ("--reports", reports, "reports")] {
        if folder != Path::new(default) {
            words.extend([option.into(), folder.display().to_string()]);
        }
    }
    as_typed(&words)
}

/// Words as they are typed in a shell.
pub(super) fn as_typed(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,@%+".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::an_experiment;

    #[test]
    fn the_command_can_be_pasted() {
        let sets = vec!["train.steps=5".to_string(), "seeds=[1, 2]".into(), "about=it's".into()];
        let overrides = Overrides { profile: None, sets };
        let place = Place {
            overrides: &overrides,
            results: Path::new("results"),
            reports: Path::new("/tmp/my reports"),
        };
        assert_eq!(
            rebuild_command(&an_experiment(&[1]), &place),
            "electra-lab report test.yaml --profile quick --set train.steps=5 --set 'seeds=[1, 2]' \
             --set 'about=it'\\''s' --reports '/tmp/my reports'"
        );
    }
}
