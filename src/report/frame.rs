//! Every number of every trial as one long data frame: a row a trial, task and fine-tuning seed.
//!
//! Seconds are left out, so that the same trial on another machine gives the same table.
//! Must never: round or summarise. Next: `statistics.rs` for what is made of the numbers.

use std::collections::BTreeSet;

use polars::prelude::{Column, CsvWriter, DataFrame, PolarsError, SerWriter};
use serde_json::Value;

use super::ReportInput;
use super::axes::number;
use super::records::{DoneTrial, Records};
use super::runs::head;
use crate::error::{Error, Result};
use crate::experiment::TaskName;
use crate::records::Score;

/// A finished trial with one of its scores, or with none where it evaluated no task.
type Row<'a> = (&'a DoneTrial<'a>, Option<&'a Score>);

/// Builds the frame of the finished trials.
pub fn build(input: &ReportInput, records: &Records) -> Result<DataFrame> {
    let mut rows: Vec<Row> = Vec::new();
    for done in &records.done {
        rows.extend(done.outcome.scores.iter().map(|score| (done, Some(score))));
        if done.outcome.scores.is_empty() {
            rows.push((done, None));
        }
    }
    let mut columns = identity(input, &rows);
    columns.extend(scores(&rows));
    columns.extend(other_figures(&rows));
    columns.extend(pretraining(&rows));
    of_columns(rows.len(), columns)
}

/// A frame of columns that are all `n_rows` long.
pub fn of_columns(n_rows: usize, columns: Vec<Column>) -> Result<DataFrame> {
    DataFrame::new(n_rows, columns).map_err(broken)
}

/// The frame as CSV, with a header.
pub fn to_csv(frame: &mut DataFrame) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    CsvWriter::new(&mut bytes).finish(frame).map_err(broken)?;
    Ok(bytes)
}

fn broken(error: PolarsError) -> Error {
    Error::internal("the table of results cannot be built").because(error)
}

/// Which experiment, trial and point a row belongs to.
fn identity(input: &ReportInput, rows: &[Row]) -> Vec<Column> {
    let mut columns = vec![
        Column::new("experiment".into(), vec![input.experiment.name.as_str(); rows.len()]),
        Column::new("profile".into(), vec![input.profile; rows.len()]),
        column(rows, "trial", |(done, _)| done.trial.id.0.clone()),
    ];
    let mut paths: Vec<&str> = Vec::new();
    for (path, _) in rows.iter().flat_map(|(done, _)| &done.trial.point) {
        if !paths.contains(&path.as_str()) {
            paths.push(path);
        }
    }
    columns.extend(paths.into_iter().map(|path| swept(rows, path)));
    columns.push(column(rows, "seed", |(done, _)| done.trial.spec.seed));
    columns
}

/// The values of a swept path: numbers where all are, text otherwise (mappings as JSON).
fn swept(rows: &[Row], path: &str) -> Column {
    let value =
        |row: &Row| row.0.trial.point.iter().find(|(name, _)| name == path).map(|(_, value)| value.clone());
    let values: Vec<Option<Value>> = rows.iter().map(value).collect();
    if values.iter().flatten().all(Value::is_u64) {
        return Column::new(path.into(), values.iter().map(|v| v.as_ref()?.as_u64()).collect::<Vec<_>>());
    }
    if values.iter().flatten().all(Value::is_number) {
        return Column::new(path.into(), values.iter().map(|v| v.as_ref().map(number)).collect::<Vec<_>>());
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    Column::new(path.into(), values.iter().map(|v| v.as_ref().map(text)).collect::<Vec<_>>())
}

/// Downstream scores; empty where no task was evaluated.
fn scores(rows: &[Row]) -> Vec<Column> {
    vec![
        column(rows, "task", |(_, score)| score.map(|score| score.task.as_str())),
        column(rows, "metric", |(_, score)| score.map(|score| score.metric.clone())),
        column(rows, "synthetic", |(done, score)| {
            score.map_or(done.record.provenance.corpus.synthetic, |score| score.synthetic)
        }),
        column(rows, "head", |(done, score)| score.map(|score| head(done, score.task))),
        column(rows, "starts_from", |(done, score)| {
            score.and_then(|score| done.trial.spec.evaluate.start_of(score.task)).map(TaskName::as_str)
        }),
        column(rows, "finetune_seed", |(_, score)| score.map(|score| score.finetune_seed)),
        column(rows, "value", |(_, score)| score.and_then(|score| score.value)),
        column(rows, "examples_low", |(_, score)| score.and_then(|score| Some(score.interval?[0]))),
        column(rows, "examples_high", |(_, score)| score.and_then(|score| Some(score.interval?[1]))),
        column(rows, "majority", |(_, score)| score.map(|score| score.majority)),
        column(rows, "n_examples", |(_, score)| score.map(|score| score.n_examples as u64)),
        column(rows, "n_train", |(_, score)| score.map(|score| score.n_train as u64)),
        column(rows, "finetune_steps", |(_, score)| score.map(|score| score.steps)),
    ]
}

/// The other figures of a row's predictions, such as `other_f1`.
fn other_figures(rows: &[Row]) -> Vec<Column> {
    let scores = rows.iter().filter_map(|(_, score)| *score);
    let names: BTreeSet<&String> = scores.flat_map(|score| score.others.keys()).collect();
    let of = |name: &String| {
        column(rows, &format!("other_{name}"), |(_, score)| {
            score.and_then(|score| score.others.get(name).copied())
        })
    };
    names.into_iter().map(of).collect()
}

/// The pre-training that a row's score started from.
fn pretraining(rows: &[Row]) -> Vec<Column> {
    let mut columns = vec![
        column(rows, "steps", |(done, _)| done.outcome.steps),
        column(rows, "tokens", |(done, _)| done.outcome.tokens),
        column(rows, "flops", |(done, _)| done.outcome.flops),
        column(rows, "flops_paper", |(done, _)| done.outcome.flops_paper),
        column(rows, "n_parameters", |(done, _)| done.outcome.n_parameters),
    ];
    let names: BTreeSet<&String> = rows.iter().flat_map(|(done, _)| done.outcome.validation.keys()).collect();
    for name in names {
        columns.push(column(rows, &format!("held_out_{name}"), |(done, _)| {
            done.outcome.validation.get(name).copied()
        }));
    }
    columns.push(column(rows, "corpus", |(done, _)| {
        let corpus = &done.record.provenance.corpus;
        format!("{}@{}", corpus.source, corpus.revision)
    }));
    columns.push(column(rows, "device", |(done, _)| done.record.devices()));
    columns.push(column(rows, "crate_version", |(done, _)| done.record.provenance.crate_version.clone()));
    columns
}

/// A column from what each row says.
fn column<'a, T>(rows: &[Row<'a>], name: &str, value: impl Fn(&Row<'a>) -> T) -> Column
where
    polars::prelude::Series: polars::prelude::NamedFrom<Vec<T>, [T]>,
    Vec<T>: AsRef<[T]>,
{
    let values: Vec<T> = rows.iter().map(value).collect();
    Column::from(<polars::prelude::Series as polars::prelude::NamedFrom<Vec<T>, [T]>>::new(
        name.into(),
        values,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::Fixture;
    use crate::report::records;

    #[test]
    fn a_row_a_trial_task_and_finetune_seed() {
        let fixture = Fixture::new();
        fixture.build().unwrap();
        let text = std::fs::read_to_string(fixture.out().join("table.csv")).unwrap();
        assert_eq!(text.lines().count(), 1 + 3 * 2 * 2 * 3);
        let first: Vec<&str> = text.lines().take(2).collect();
        let id = &fixture.trials[0].id.0;
        insta::assert_snapshot!(first.join("\n").replace(id, "TRIAL"), @r"
        experiment,profile,trial,model.generator_ratio,seed,task,metric,synthetic,head,starts_from,finetune_seed,value,examples_low,examples_high,majority,n_examples,n_train,finetune_steps,steps,tokens,flops,flops_paper,n_parameters,held_out_disc_accuracy,held_out_loss,held_out_mlm_accuracy,corpus,device,crate_version
        gen_ratio,quick,TRIAL,0.25,1,rte,accuracy,true,paper,,0,61.83,56.83,65.83,52.5,400,1000,94,200,800000,3125000000000.0,5000000000000.0,900000,0.9065,15.3667,0.466,built-in language@built-in,cpu,0.1.0
        ");
    }

    #[test]
    fn undefined_values_are_empty_and_mixed_sweeps_are_text() {
        let mut fixture = Fixture::new();
        let mut first = crate::report::fixture::outcome(&fixture.trials[0]);
        first.scores[0].value = None;
        fixture.write(&fixture.trials[0], &first);
        fixture.trials[1].point[0].1 = Value::String("tuned".into());
        let records = records::read(&fixture.results(), &fixture.trials);
        let out = fixture.out();
        let input = ReportInput {
            experiment: &fixture.experiment,
            profile: "quick",
            trials: &fixture.trials,
            results: &fixture.results(),
            out: &out,
            command: "",
        };
        let frame = build(&input, &records).unwrap();
        assert_eq!(frame.column("value").unwrap().null_count(), 1);
        let ratios = frame.column("model.generator_ratio").unwrap();
        assert_eq!(ratios.str().unwrap().get(0), Some("0.25"));
        assert_eq!(ratios.str().unwrap().get(6), Some("tuned"));
    }
}
