//! `electra-lab status`: shows the progress of an experiment, while it runs or afterwards.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::experiment_arguments::{Overrides, ResultsArgument};
use super::table::{numbers, or_dash, table, words};
use super::{exit, output};
use crate::error::Result;
use crate::experiment::{Experiment, MeasureName, TaskName};
use crate::records::TrialState;
use crate::run::{Status, TrialProgress, duration_text, experiment_status, unfinished};

/// Arguments of `status`.
#[derive(Args, Debug)]
pub struct StatusArguments {
    /// Experiment file (YAML) [default: all trials in the results folder that are not done]
    #[arg(value_name = "EXPERIMENT")]
    file: Option<PathBuf>,

    #[command(flatten)]
    overrides: Overrides,

    #[command(flatten)]
    results: ResultsArgument,

    /// Shows the status again every N seconds, until all is done or Ctrl-C [default: once; 10 without N]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10",
        value_parser = clap::value_parser!(u64).range(1..))]
    watch: Option<u64>,

    /// Prints the status as JSON [default: a table]
    #[arg(long, conflicts_with = "watch")]
    json: bool,
}

/// Prints the status and returns the exit code.
pub fn status(arguments: &StatusArguments) -> Result<u8> {
    let results = &arguments.results.results;
    let experiment = arguments.file.as_deref().map(|file| arguments.overrides.load(file)).transpose()?;
    loop {
        let found = match &experiment {
            Some(experiment) => vec![experiment_status(experiment, results)],
            None => unfinished(results)?,
        };
        match (arguments.json, &experiment) {
            (true, Some(_)) => output::json(&found.first())?,
            (true, None) => output::json(&found)?,
            (false, Some(experiment)) => {
                let score = Score::of(experiment);
                output::data(&found.iter().map(|status| text(status, Some(&score))).collect::<String>())?;
            }
            (false, None) if found.is_empty() => {
                output::data(&format!("{} has no unfinished trial\n", results.display()))?;
            }
            (false, None) => {
                let texts: Vec<String> = found.iter().map(|status| text(status, None)).collect();
                output::data(&texts.join("\n"))?;
            }
        }
        let mut trials = found.iter().flat_map(|status| &status.trials);
        let Some(seconds) = arguments.watch else { return Ok(exit::OK) };
        if trials.all(|trial| trial.status == TrialState::Done) {
            return Ok(exit::OK);
        }
        std::thread::sleep(Duration::from_secs(seconds));
        output::data("\n")?;
    }
}

/// The one value of a finished trial that the table shows.
struct Score {
    heading: String,
    /// Names of the values whose mean it is.
    names: Vec<String>,
    factor: f64,
}

impl Score {
    /// What the experiment's report has on its axis.
    fn of(experiment: &Experiment) -> Self {
        let y = experiment.spec.report.y.as_str();
        let measure = MeasureName::parse(y);
        let names = match measure {
            Some(MeasureName::Mean) => {
                experiment.spec.evaluate.tasks.iter().map(|task: &TaskName| task.to_string()).collect()
            }
            _ => vec![y.to_string()],
        };
        Self { heading: y.into(), names, factor: measure.map_or(1.0, MeasureName::factor) }
    }

    /// The value of a trial; None until it is done, or where it has no such value.
    fn text(&self, trial: &TrialProgress) -> Option<String> {
        let values: Option<Vec<f64>> =
            self.names.iter().map(|name| trial.values.get(name.as_str()).copied()).collect();
        let values = values.filter(|values| !values.is_empty())?;
        Some(format!("{:.3}", self.factor * values.iter().sum::<f64>() / values.len() as f64))
    }
}

fn text(status: &Status, score: Option<&Score>) -> String {
    let n_done = status.trials.iter().filter(|trial| trial.status == TrialState::Done).count();
    let row = |trial: &TrialProgress| {
        let steps = or_dash(trial.steps.map(|steps| steps.to_string()));
        [
            trial.id.clone(),
            trial.status.word().into(),
            format!("{}/{steps}", trial.step),
            or_dash(trial.loss.map(|loss| format!("{loss:.4}"))),
            or_dash(trial.elapsed_s.map(duration_text)),
            or_dash(trial.left_s.map(duration_text)),
            or_dash(score.and_then(|score| score.text(trial))),
            trial.label.clone(),
        ]
    };
    let rows: Vec<[String; 8]> = status.trials.iter().map(row).collect();
    let columns = [
        words("trial"),
        words("state"),
        numbers("step"),
        numbers("loss"),
        numbers("elapsed"),
        numbers("left"),
        numbers("score"),
        words("point"),
    ];
    let mut text = format!("{}, profile {}", status.experiment, status.profile);
    text.push_str(&match score {
        Some(score) => {
            format!(", {n_done} of {} trials done; score: {}\n\n", status.trials.len(), score.heading)
        }
        None => ", trials that are not done\n\n".into(),
    });
    text.push_str(&table(&columns, &rows));
    for trial in &status.trials {
        if let TrialState::Failed { message } | TrialState::Damaged { message } = &trial.status {
            text.push_str(&format!("\n{} {}: {message}\n", trial.id, trial.status.word()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_table() {
        let trial = |id: &str, status, step, loss, left_s| TrialProgress {
            id: id.into(),
            label: "model.generator_ratio=0.25 seed=1".into(),
            values: match status {
                TrialState::Done => [("cola".to_string(), 20.0), ("qnli".into(), 61.0)].into(),
                _ => Default::default(),
            },
            status,
            step,
            steps: (step > 0).then_some(2000),
            loss,
            elapsed_s: loss.map(|_| 75.0),
            left_s,
        };
        let failed = TrialState::Failed { message: "the loss is NaN at step 3\nhint: lower the rate".into() };
        let status = Status {
            experiment: "gen_ratio".into(),
            profile: "quick".into(),
            trials: vec![
                trial("0123456789ab", TrialState::Done, 2000, Some(12.3456), Some(0.0)),
                trial("1123456789ab", TrialState::Running, 400, Some(20.0), Some(300.0)),
                trial("2123456789ab", failed, 2, Some(1e9), None),
                trial("3123456789ab", TrialState::New, 0, None, None),
            ],
        };
        let score =
            Score { heading: "glue.mean".into(), names: vec!["cola".into(), "qnli".into()], factor: 1.0 };
        insta::assert_snapshot!(text(&status, Some(&score)), @r"
        gen_ratio, profile quick, 1 of 4 trials done; score: glue.mean

        trial         state         step             loss  elapsed    left   score  point
        0123456789ab  done     2000/2000          12.3456   1m 15s      0s  40.500  model.generator_ratio=0.25 seed=1
        1123456789ab  running   400/2000          20.0000   1m 15s  5m 00s       -  model.generator_ratio=0.25 seed=1
        2123456789ab  failed      2/2000  1000000000.0000   1m 15s       -       -  model.generator_ratio=0.25 seed=1
        3123456789ab  new            0/-                -        -       -       -  model.generator_ratio=0.25 seed=1

        2123456789ab failed: the loss is NaN at step 3
        hint: lower the rate
        ");
    }
}
