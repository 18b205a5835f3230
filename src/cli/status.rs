//! `electra-lab status`: shows the progress of an experiment, while it runs or afterwards.

use clap::Args;

use super::experiment_arguments::{ExperimentArguments, ResultsArgument};
use super::table::{numbers, or_dash, table, words};
use super::{exit, output};
use crate::error::Result;
use crate::records::TrialState;
use crate::run::duration_text;
use crate::run::{Status, TrialProgress, experiment_status};

/// Arguments of `status`.
#[derive(Args, Debug)]
pub struct StatusArguments {
    #[command(flatten)]
    experiment: ExperimentArguments,

    #[command(flatten)]
    results: ResultsArgument,

    /// Prints the status as JSON [default: a table]
    #[arg(long)]
    json: bool,
}

/// Prints the status and returns the exit code.
pub fn status(arguments: &StatusArguments) -> Result<u8> {
    let status = experiment_status(&arguments.experiment.load()?, &arguments.results.results);
    if arguments.json {
        output::json(&status)?
    } else {
        output::data(&text(&status))?
    }
    Ok(exit::OK)
}

fn text(status: &Status) -> String {
    let row = |trial: &TrialProgress| {
        let steps = or_dash(trial.steps.map(|steps| steps.to_string()));
        [
            trial.id.clone(),
            trial.status.word().into(),
            format!("{}/{steps}", trial.step),
            or_dash(trial.loss.map(|loss| format!("{loss:.4}"))),
            or_dash(trial.elapsed_s.map(duration_text)),
            or_dash(trial.left_s.map(duration_text)),
            trial.label.clone(),
        ]
    };
    let rows: Vec<[String; 7]> = status.trials.iter().map(row).collect();
    let columns = [
        words("trial"),
        words("state"),
        numbers("step"),
        numbers("loss"),
        numbers("elapsed"),
        numbers("left"),
        words("point"),
    ];
    let mut text = format!("{}, profile {}\n\n{}", status.experiment, status.profile, table(&columns, &rows));
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
        insta::assert_snapshot!(text(&status), @r#"
        gen_ratio, profile quick

        trial         state         step             loss  elapsed    left  point
        0123456789ab  done     2000/2000          12.3456   1m 15s      0s  model.generator_ratio=0.25 seed=1
        1123456789ab  running   400/2000          20.0000   1m 15s  5m 00s  model.generator_ratio=0.25 seed=1
        2123456789ab  failed      2/2000  1000000000.0000   1m 15s       -  model.generator_ratio=0.25 seed=1
        3123456789ab  new            0/-                -        -       -  model.generator_ratio=0.25 seed=1

        2123456789ab failed: the loss is NaN at step 3
        hint: lower the rate
        "#);
    }
}
