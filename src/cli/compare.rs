//! `electra-lab compare`: two trials beside each other.

use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::experiment_arguments::ResultsArgument;
use super::table::{numbers, or_dash, table, words};
use super::{exit, output};
use crate::error::{Error, Result};
use crate::experiment::value_text;
use crate::records::{ExperimentFolder, TrialFolder, TrialRecord, TrialRecords};
use crate::report::{Comparison, compare as compare_trials};
use crate::tools::find_trial;

/// Arguments of `compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// First trial: its id, the start of its id, or its folder
    #[arg(value_name = "A")]
    first: String,

    /// Second trial
    #[arg(value_name = "B")]
    second: String,

    #[command(flatten)]
    results: ResultsArgument,

    /// Prints the comparison as JSON [default: tables]
    #[arg(long)]
    json: bool,
}

/// Prints the comparison and returns the exit code.
pub fn compare(arguments: &CompareArguments) -> Result<u8> {
    let results = &arguments.results.results;
    let open = |word: &str| -> Result<(TrialFolder, TrialRecords)> {
        let folder = find_trial(results, word)?;
        let records = folder.records()?;
        Ok((folder, records.ok_or_else(|| Error::internal("a trial that was found has no record"))?))
    };
    let (first, second) = (open(&arguments.first)?, open(&arguments.second)?);
    let comparison = compare_trials(&first.1, &second.1, &all_seeds(&first)?, &all_seeds(&second)?)?;
    if arguments.json {
        output::json(&comparison)?;
    } else {
        output::data(&text(&first.1.trial, &second.1.trial, &comparison))?;
    }
    Ok(exit::OK)
}

/// The trials beside this one that differ from it in their seed alone, and the trial itself.
fn all_seeds((folder, own): &(TrialFolder, TrialRecords)) -> Result<Vec<TrialRecords>> {
    let experiment = folder.path().parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for other in ExperimentFolder::at(experiment).trials()? {
        // A trial beside it whose records cannot be read is no part of this question.
        if let Ok(Some(records)) = other.records()
            && is_same_point(&records.trial, &own.trial)
        {
            found.push(records);
        }
    }
    Ok(found)
}

fn is_same_point(one: &TrialRecord, other: &TrialRecord) -> bool {
    let mut spec = one.spec.clone();
    spec.seed = other.spec.seed;
    spec == other.spec
}

fn text(first: &TrialRecord, second: &TrialRecord, comparison: &Comparison) -> String {
    let line = |name: &str, record: &TrialRecord| {
        format!("{name}  {}  {}  {}\n", record.id, record.experiment, record.trial().label())
    };
    let mut text = line("A", first) + &line("B", second);
    text.push('\n');
    if comparison.settings.is_empty() {
        text.push_str("no setting differs\n");
    } else {
        let shown = |value: &Option<Value>| or_dash(value.as_ref().map(value_text));
        let rows = comparison
            .settings
            .iter()
            .map(|setting| [setting.key.clone(), shown(&setting.first), shown(&setting.second)]);
        let columns = [words("setting"), words("A"), words("B")];
        text.push_str(&table(&columns, &rows.collect::<Vec<_>>()));
    }
    if !comparison.values.is_empty() {
        let number = |value: Option<f64>| or_dash(value.map(|value| format!("{value:.3}")));
        let rows = comparison.values.iter().map(|value| {
            let over_seeds = value.mean_difference.map(|mean| {
                let interval = value.interval.map(|(low, high)| format!(" [{low:+.3}, {high:+.3}]"));
                format!("{mean:+.3}{} (n = {})", interval.unwrap_or_default(), value.n)
            });
            [value.name.clone(), number(value.first), number(value.second), or_dash(over_seeds)]
        });
        let columns = [words("measure"), numbers("A"), numbers("B"), words("B - A over shared seeds")];
        text.push_str(&format!("\n{}", table(&columns, &rows.collect::<Vec<_>>())));
        text.push_str(
            "\nThe difference is the mean over the seeds that both points have, with its 95 % interval by \
             Student's t.\nNothing was planned here: a report judges planned contrasts.\n",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{ComparedSetting, ComparedValue};
    use crate::run::fixture::{a_trial, a_trial_record};

    #[test]
    fn a_comparison_is_two_tables() {
        let record = a_trial_record(&a_trial(1).id);
        let setting = ComparedSetting {
            key: "model.generator_ratio".into(),
            first: Some(Value::from(0.25)),
            second: None,
        };
        let value = ComparedValue {
            name: "held_out.disc_auc".into(),
            first: Some(0.5),
            second: Some(0.75),
            mean_difference: Some(0.2),
            interval: Some((0.1, 0.3)),
            n: 5,
        };
        let comparison = Comparison { settings: vec![setting], values: vec![value], seeds: vec![1] };
        let shown = text(&record, &record, &comparison);
        let tables: Vec<&str> = shown.lines().skip(3).take(5).collect();
        insta::assert_snapshot!(tables.join("\n"), @r"
        setting                A     B
        model.generator_ratio  0.25  -

        measure                A      B  B - A over shared seeds
        held_out.disc_auc  0.500  0.750  +0.200 [+0.100, +0.300] (n = 5)
        ");
    }
}
