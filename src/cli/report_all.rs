//! `electra-lab report --all`: rebuilds the reports of all experiments in the results folder.
//!
//! A report that is there is built again as it was asked for (`request.json`): the same file, profile and
//! overrides. A profile without a report is built as `report FILE` builds it, if the experiment file plans
//! its trials; trials with other settings are reported by their records, with the question and the
//! expectation of the file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::rebuild_command::{as_typed, rebuild_command_of};
use super::{exit, output};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{Experiment, ExperimentSpec, Trial, TrialId, controls, load};
use crate::report::{
    DiscoveredExperiment, DiscoveredProfile, ReportInput, ReportRequest, ReportSummary, build, find,
};

/// Folders to read and write.
pub struct Folders<'a> {
    /// Experiment files.
    pub experiments: &'a Path,
    /// All results.
    pub results: &'a Path,
    /// All reports.
    pub reports: &'a Path,
}

/// Rebuilds every report and prints one line for each, and all errors. Returns the exit code of the first
/// error.
pub fn report_all(folders: &Folders) -> Result<u8> {
    let found = find(folders.results)?;
    if found.is_empty() {
        return Err(Error::new(
            ErrorKind::Data,
            format!("{}: contains no trial of an experiment", folders.results.display()),
            "run an experiment first, or check --results",
        ));
    }
    let mut errors: Vec<Error> = Vec::new();
    // A damaged trial fails when it is discovered and again when a plan needs it; it is reported once.
    let mut fail = |error: &Error| {
        if !errors.contains(error) {
            output::error(error);
            errors.push(error.clone());
        }
    };
    for experiment in &found {
        experiment.errors.iter().for_each(&mut fail);
        let again = match ReportRequest::all(&folders.reports.join(&experiment.name)) {
            Ok(requests) => requests,
            Err(error) => {
                fail(&error);
                Vec::new()
            }
        };
        let mut shown = BTreeSet::new();
        for (out, request) in &again {
            match rebuilt(experiment, request, out, folders) {
                Ok(Some((name, summary, trials))) => {
                    summary.errors.iter().for_each(&mut fail);
                    output::data(&format!("{name}: {}\n", line(&summary, 0)))?;
                    shown.extend(trials);
                }
                // The file, or its trials, are not here: the report stays as it is.
                Ok(None) => output::data(&format!("{}: left as it is\n", out.display()))?,
                Err(error) => {
                    fail(&error);
                    output::data(&format!("{}: not built\n", out.display()))?;
                }
            }
        }
        for profile in experiment.profiles.iter().filter(|profile| !profile.is_within(&shown)) {
            let name = format!("{}, profile {}", experiment.name, profile.name);
            match one(experiment, profile, folders) {
                Ok(Built { summary, n_left_out }) => {
                    summary.errors.iter().for_each(&mut fail);
                    output::data(&format!("{name}: {}\n", line(&summary, n_left_out)))?;
                }
                // An experiment without a finished trial is not an error.
                Err(error) if error.kind == ErrorKind::Data => {
                    output::data(&format!("{name}: no report, since none of its trials is done\n"))?;
                }
                Err(error) => {
                    fail(&error);
                    output::data(&format!("{name}: not built\n"))?;
                }
            }
        }
    }
    Ok(errors.first().map_or(exit::OK, |error| exit::of_kind(error.kind)))
}

/// A report, and the number of trials of its profile that it does not show.
struct Built {
    summary: ReportSummary,
    n_left_out: usize,
}

/// Builds a report again as it was asked for: its name, what was built and the trials that it shows. None if
/// its file is not here, or none of its trials is.
fn rebuilt(
    experiment: &DiscoveredExperiment,
    request: &ReportRequest,
    out: &Path,
    folders: &Folders,
) -> Result<Option<(String, ReportSummary, Vec<TrialId>)>> {
    if !request.experiment.is_file() {
        return Ok(None);
    }
    let planned = load(&request.experiment, Some(&request.profile), &request.sets)?;
    let is_here = experiment.profiles.iter().any(|profile| profile.n_of(planned.all_trials()) > 0);
    if planned.spec.name != experiment.name || !is_here {
        return Ok(None);
    }
    let summary = build(&ReportInput {
        experiment: &planned.spec,
        request,
        trials: &planned.trials,
        controls: &planned.controls,
        results: &folders.results.join(&experiment.name),
        out,
        command: &rebuild_command_of(&planned, &request.sets, folders.results, folders.reports),
    })?;
    let name = format!("{}, {}", experiment.name, request.profile_text());
    Ok(Some((name, summary, planned.all_trials().map(|trial| trial.id.clone()).collect())))
}

fn line(summary: &ReportSummary, n_left_out: usize) -> String {
    let others = match n_left_out {
        0 => String::new(),
        1 => ", 1 trial with other settings left out".into(),
        n => format!(", {n} trials with other settings left out"),
    };
    let page = summary.files.first().map(|file| file.display().to_string()).unwrap_or_default();
    format!("{} of {} trials done{others}: {page}", summary.n_done, summary.n_trials)
}

fn one(experiment: &DiscoveredExperiment, profile: &DiscoveredProfile, folders: &Folders) -> Result<Built> {
    let results = folders.results.join(&experiment.name);
    let out = folders.reports.join(&experiment.name).join(&profile.name);
    let file = file_of(&experiment.name, folders);
    let planned = file.as_deref().map(|file| load(file, Some(&profile.name), &[])).transpose()?;
    let mut request = ReportRequest { profile: profile.name.clone(), ..Default::default() };
    let (spec, trials, controls, command) = match planned {
        Some(planned) if profile.n_of(&planned.trials) > 0 => {
            let command = rebuild_command_of(&planned, &[], folders.results, folders.reports);
            request.experiment = planned.path;
            (planned.spec, planned.trials, planned.controls, command)
        }
        planned => {
            let trials = profile.latest();
            let controls = controls(&trials);
            (as_recorded(&experiment.name, planned, &trials), trials, controls, command_for_all(folders))
        }
    };
    let summary = build(&ReportInput {
        experiment: &spec,
        request: &request,
        trials: &trials,
        controls: &controls,
        results: &results,
        out: &out,
        command: &command,
    })?;
    Ok(Built { summary, n_left_out: profile.n_trials() - profile.n_of(trials.iter().chain(&controls)) })
}

/// The file of an experiment: in the folder of experiments, or written by `evaluate` into its results.
fn file_of(name: &str, folders: &Folders) -> Option<PathBuf> {
    let among = folders.experiments.join(format!("{name}.yaml"));
    [among, folders.results.join(name).join("evaluate.yaml")].into_iter().find(|file| file.is_file())
}

/// The experiment of trials that no file plans: the question of the file, if there is one, and the trials'
/// settings.
fn as_recorded(name: &str, planned: Option<Experiment>, trials: &[Trial]) -> ExperimentSpec {
    let mut spec = planned.map_or_else(
        || ExperimentSpec {
            name: name.into(),
            about: format!("Results of {name}, whose experiment file was not found"),
            ..Default::default()
        },
        |planned| planned.spec,
    );
    if let Some(first) = trials.first() {
        spec.evaluate = first.spec.evaluate.clone();
    }
    spec
}

/// The command that rebuilds all reports.
fn command_for_all(folders: &Folders) -> String {
    let mut words = vec!["electra-lab".to_string(), "report".into(), "--all".into()];
    let defaults = [
        ("--experiments", folders.experiments, "experiments"),
        ("--results", folders.results, "results"),
        ("--reports", folders.reports, "reports"),
    ];
    for (option, folder, default) in defaults {
        if folder != Path::new(default) {
            words.extend([option.into(), folder.display().to_string()]);
        }
    }
    as_typed(&words)
}
