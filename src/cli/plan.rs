//! `electra-lab plan`: shows what a run would do and cost.

use clap::Args;

use super::experiment_arguments::{ExperimentArguments, ResultsArgument};
use super::table::{count_text, numbers, table, words};
use super::{exit, output};
use crate::error::Result;
use crate::records::TrialState;
use crate::run::duration_text;
use crate::run::{Plan, plan_experiment};

/// Shown where a number is not known.
const UNKNOWN: &str = "unknown";

/// Arguments of `plan`.
#[derive(Args, Debug)]
pub struct PlanArguments {
    #[command(flatten)]
    experiment: ExperimentArguments,

    #[command(flatten)]
    results: ResultsArgument,

    /// Prints the plan as JSON [default: a table]
    #[arg(long)]
    json: bool,
}

/// Prints the plan and returns the exit code.
pub fn plan(arguments: &PlanArguments) -> Result<u8> {
    let experiment = arguments.experiment.load()?;
    let plan = plan_experiment(&experiment, &arguments.results.results)?;
    if arguments.json {
        output::json(&plan)?
    } else {
        output::data(&text(&plan))?
    }
    Ok(exit::OK)
}

fn text(plan: &Plan) -> String {
    let row = |trial: &crate::run::PlannedTrial| {
        // A budget in seconds decides the steps during the run, but its seconds are known.
        let is_by_time = trial.steps.is_none() && trial.left_s.is_some();
        let missing = || if is_by_time { "by time" } else { UNKNOWN }.to_string();
        let flops = |flops: Option<f64>| flops.map_or_else(missing, |flops| format!("{flops:.2e}"));
        [
            trial.id.clone(),
            trial.status.word().into(),
            trial.n_parameters.map_or_else(|| UNKNOWN.into(), count_text),
            trial.steps.map_or_else(missing, |steps| steps.to_string()),
            trial.steps.map_or_else(missing, |_| count_text(trial.tokens)),
            flops(trial.flops),
            flops(trial.flops_paper),
            trial.left_s.map_or_else(|| UNKNOWN.into(), duration_text),
            trial.label.clone(),
        ]
    };
    let rows: Vec<[String; 9]> = plan.trials.iter().map(row).collect();
    let columns = [
        words("trial"),
        words("state"),
        numbers("parameters"),
        numbers("steps"),
        numbers("tokens"),
        numbers("FLOPs (exact)"),
        numbers("FLOPs (paper)"),
        numbers("left"),
        words("point"),
    ];
    let mut text = format!(
        "{}, profile {}\n\n{}\n{} trials, {} tokens at most, about {} left\n(estimated {})\n\
         {:.2e} FLOPs of pre-training by the exact counter, {:.2e} by the paper's\n",
        plan.experiment,
        plan.profile,
        table(&columns, &rows),
        plan.trials.len(),
        count_text(plan.total_tokens),
        duration_text(plan.left_s),
        plan.basis,
        plan.total_flops,
        plan.total_flops_paper
    );
    for remark in &plan.remarks {
        text.push_str(&format!("{remark}\n"));
    }
    for finetuning in &plan.finetuning {
        text.push_str(&format!("fine-tuning: {finetuning}\n"));
    }
    for trial in &plan.trials {
        if let TrialState::Damaged { message } = &trial.status {
            text.push_str(&format!("\n{} damaged: {message}\n", trial.id));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::PlannedTrial;

    #[test]
    fn a_plan_is_a_table() {
        let trial = |id: &str, status, left_s| PlannedTrial {
            id: id.into(),
            label: "model.generator_ratio=0.25 seed=1".into(),
            status,
            n_parameters: Some(13_549_314),
            steps: Some(2000),
            tokens: 8_192_000,
            flops: Some(1.234e15),
            flops_paper: Some(2.35e15),
            shared_steps: 0,
            left_s: Some(left_s),
        };
        let unknown = PlannedTrial {
            n_parameters: None,
            flops: None,
            flops_paper: None,
            left_s: None,
            ..trial("0000aaaa1111", TrialState::New, 0.0)
        };
        let by_time = PlannedTrial {
            steps: None,
            tokens: 0,
            flops: None,
            flops_paper: None,
            ..trial("1111aaaa0000", TrialState::New, 60.0)
        };
        let plan = Plan {
            experiment: "gen_ratio".into(),
            profile: "quick".into(),
            trials: vec![
                trial("0123456789ab", TrialState::Done, 0.0),
                trial("ba9876543210", TrialState::Partial { step: 500 }, 90.0),
                unknown,
                by_time,
            ],
            total_tokens: 16_384_000,
            total_flops: 2.468e15,
            total_flops_paper: 4.7e15,
            left_s: 90.0,
            basis: "from 1 finished trial".into(),
            remarks: vec!["packing keeps 61.1 % of the tokens of novels/*.txt at length 32".into()],
            finetuning: vec!["recipe paper: learning rate 3e-4".into()],
        };
        insta::assert_snapshot!(text(&plan), @r"
        gen_ratio, profile quick

        trial         state    parameters    steps   tokens  FLOPs (exact)  FLOPs (paper)     left  point
        0123456789ab  done          13.5M     2000     8.2M        1.23e15        2.35e15       0s  model.generator_ratio=0.25 seed=1
        ba9876543210  partial       13.5M     2000     8.2M        1.23e15        2.35e15   1m 30s  model.generator_ratio=0.25 seed=1
        0000aaaa1111  new         unknown     2000     8.2M        unknown        unknown  unknown  model.generator_ratio=0.25 seed=1
        1111aaaa0000  new           13.5M  by time  by time        by time        by time   1m 00s  model.generator_ratio=0.25 seed=1

        4 trials, 16.4M tokens at most, about 1m 30s left
        (estimated from 1 finished trial)
        2.47e15 FLOPs of pre-training by the exact counter, 4.70e15 by the paper's
        packing keeps 61.1 % of the tokens of novels/*.txt at length 32
        fine-tuning: recipe paper: learning rate 3e-4
        ");
    }
}
