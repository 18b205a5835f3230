//! All records as one long polars frame: `electra-lab records` writes it, and every table of a report is made
//! from it.
//!
//! A row is one measurement:
//!
//! - `record` = `metrics`: one value of one line of metrics.jsonl (trial × split × step × metric);
//! - `record` = `score`: one fine-tuning run (trial × task × fine-tuning seed);
//! - `record` = `measure`: one value without fine-tuning (trial × measure × baseline).
//!
//! Every row repeats what is known of its trial: a column per key of the specification under its dotted
//! path (`model.generator_ratio`), the provenance (`provenance.device`) and the outcome (`outcome.flops`).
//! `docs/records.md` describes the columns. Must never: round, summarise, or leave out a trial's measurement.

use std::collections::BTreeSet;

use polars::prelude::{
    Column, CsvWriter, DataFrame, DataType, IdxCa, IdxSize, NamedFrom, ParquetWriter, PolarsError, SerWriter,
    Series,
};
use serde_json::Value;

use super::schema::{Event, Measure, Outcome, Score, TrialRecord};
use crate::error::{Error, Result};
use crate::escape::csv_cell;
use crate::experiment::TaskName;

/// Value of the column `record` for a line of metrics.
pub const METRICS: &str = "metrics";
/// Value of the column `record` for a fine-tuning run.
pub const SCORE: &str = "score";
/// Value of the column `record` for a value without fine-tuning.
pub const MEASURE: &str = "measure";

/// A trial's records, and the names that they are shown under.
pub struct FrameTrial<'a> {
    /// Name of the experiment that the trial is shown for. A trial of two experiments has a folder in each.
    pub experiment: &'a str,
    /// Name of the profile.
    pub profile: &'a str,
    /// `trial.json`.
    pub record: &'a TrialRecord,
    /// `outcome.json`; None if the trial is not done.
    pub outcome: Option<&'a Outcome>,
    /// The lines of `metrics.jsonl`.
    pub events: &'a [Event],
}

/// The measurements of trials, before the columns of the trials are repeated on every row.
pub struct Frames {
    /// One row per trial.
    pub trials: DataFrame,
    /// One row per measurement.
    rows: DataFrame,
    /// For each row of `rows` the row of its trial.
    owners: Vec<IdxSize>,
}

impl Frames {
    /// Collects the measurements of trials, trial by trial in the given order.
    ///
    /// # Errors
    /// Only a bug causes one: the columns have one length and different names.
    pub fn of(trials: &[FrameTrial]) -> Result<Self> {
        let (mut owners, mut rows) = (Vec::new(), Vec::new());
        for (index, trial) in trials.iter().enumerate() {
            let measurements = measurements(trial);
            owners.extend(vec![index as IdxSize; measurements.len()]);
            rows.extend(measurements);
        }
        let rows = frame_of(rows.len(), measurement_columns(&rows))?;
        Ok(Self { trials: frame_of(trials.len(), trial_columns(trials)?)?, rows, owners })
    }

    /// The long frame: every measurement with the columns of its trial.
    pub fn long(&self) -> Result<DataFrame> {
        let owners = IdxCa::from_vec("trial".into(), self.owners.clone());
        let repeated = self.trials.take(&owners).map_err(broken)?;
        repeated.hstack(self.rows.columns()).map_err(broken)
    }
}

/// One measurement.
enum Measurement<'a> {
    Metric { event: &'a Event, measure: &'a str, value: f64 },
    Score { score: &'a Score, trial: &'a FrameTrial<'a> },
    Measure(&'a Measure),
}

impl<'a> Measurement<'a> {
    fn event(&self) -> Option<&'a Event> {
        match self {
            Self::Metric { event, .. } => Some(event),
            Self::Score { .. } | Self::Measure(_) => None,
        }
    }

    fn score(&self) -> Option<&'a Score> {
        match self {
            Self::Metric { .. } | Self::Measure(_) => None,
            Self::Score { score, .. } => Some(score),
        }
    }

    fn measure(&self) -> Option<&'a Measure> {
        match self {
            Self::Metric { .. } | Self::Score { .. } => None,
            Self::Measure(measure) => Some(measure),
        }
    }

    /// The task of a fine-tuning run, with the trial's record.
    fn task(&self) -> Option<(TaskName, &'a TrialRecord)> {
        match self {
            Self::Metric { .. } | Self::Measure(_) => None,
            Self::Score { score, trial } => Some((score.task, trial.record)),
        }
    }
}

/// The measurements of a trial: its metrics, its fine-tuning runs, then what was measured without them.
fn measurements<'a>(trial: &'a FrameTrial) -> Vec<Measurement<'a>> {
    let of_event = |event: &'a Event| {
        event.values.iter().map(move |(measure, value)| Measurement::Metric { event, measure, value: *value })
    };
    let scores = trial.outcome.into_iter().flat_map(|outcome| &outcome.scores);
    let scores = scores.map(|score| Measurement::Score { score, trial });
    let measures = trial.outcome.into_iter().flat_map(|outcome| &outcome.measures).map(Measurement::Measure);
    trial.events.iter().flat_map(of_event).chain(scores).chain(measures).collect()
}

/// The columns that tell measurements apart.
fn measurement_columns(rows: &[Measurement]) -> Vec<Column> {
    let mut columns = vec![
        column("record", rows, |row| match row {
            Measurement::Metric { .. } => METRICS,
            Measurement::Score { .. } => SCORE,
            Measurement::Measure(_) => MEASURE,
        }),
        column("split", rows, |row| Some(row.event()?.split.word())),
        column("step", rows, |row| Some(row.event()?.step)),
        column("tokens", rows, |row| Some(row.event()?.tokens)),
        column("flops", rows, |row| Some(row.event()?.flops)),
        column("elapsed_s", rows, |row| Some(row.event()?.elapsed_s)),
        column("measure", rows, |row| match row {
            Measurement::Metric { measure, .. } => (*measure).to_string(),
            Measurement::Score { score, .. } => score.metric.clone(),
            Measurement::Measure(measure) => measure.name.clone(),
        }),
        column("value", rows, |row| match row {
            Measurement::Metric { value, .. } => Some(*value),
            Measurement::Score { score, .. } => score.value,
            Measurement::Measure(measure) => measure.value,
        }),
        column("task", rows, |row| Some(row.score()?.task.as_str())),
        column("synthetic", rows, |row| match row {
            Measurement::Metric { .. } => None,
            Measurement::Score { score, .. } => Some(score.synthetic),
            Measurement::Measure(measure) => Some(measure.synthetic),
        }),
        column("baseline", rows, |row| row.measure()?.baseline.clone()),
        column("standard_error", rows, |row| row.measure()?.standard_error),
        column("chance", rows, |row| row.measure()?.chance),
        column("head", rows, |row| row.task().map(|(task, record)| head(record, task))),
        column("starts_from", rows, |row| {
            let (task, record) = row.task()?;
            Some(record.spec.evaluate.start_of(task)?.as_str())
        }),
        column("finetune_seed", rows, |row| Some(row.score()?.finetune_seed)),
        column("examples_low", rows, |row| Some(row.score()?.interval?[0])),
        column("examples_high", rows, |row| Some(row.score()?.interval?[1])),
        column("majority", rows, |row| Some(row.score()?.majority)),
        column("n_examples", rows, |row| match row {
            Measurement::Metric { .. } => None,
            Measurement::Score { score, .. } => Some(score.n_examples as u64),
            Measurement::Measure(measure) => Some(measure.n),
        }),
        column("n_train", rows, |row| Some(row.score()?.n_train as u64)),
        column("is_constant", rows, |row| row.score()?.is_constant),
        column("finetune_steps", rows, |row| Some(row.score()?.steps)),
    ];
    let scores = rows.iter().filter_map(Measurement::score);
    let measures = rows.iter().filter_map(Measurement::measure);
    let names: BTreeSet<&String> = scores
        .flat_map(|score| score.others.keys())
        .chain(measures.flat_map(|measure| measure.others.keys()))
        .collect();
    for name in names {
        let value = |row: &Measurement<'_>| match row {
            Measurement::Metric { .. } => None,
            Measurement::Score { score, .. } => score.others.get(name).copied(),
            Measurement::Measure(measure) => measure.others.get(name).copied(),
        };
        columns.push(column(&format!("other_{name}"), rows, value));
    }
    columns
}

/// The word for the head that a trial fine-tuned a task with.
fn head(record: &TrialRecord, task: TaskName) -> &'static str {
    let evaluate = &record.spec.evaluate;
    if task.is_squad() { evaluate.squad.head.as_str() } else { evaluate.finetune.head.as_str() }
}

/// The columns that describe a trial.
fn trial_columns(trials: &[FrameTrial]) -> Result<Vec<Column>> {
    let mut columns = vec![
        column("experiment", trials, |trial| trial.experiment.to_string()),
        column("profile", trials, |trial| trial.profile.to_string()),
        column("trial", trials, |trial| trial.record.id.to_string()),
        column("point", trials, |trial| trial.record.point.label()),
        column("devices", trials, |trial| trial.record.devices()),
    ];
    let mut keys: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for trial in trials {
        let described = described(trial)
            .map_err(|error| Error::internal("a record cannot be written as JSON").because(error))?;
        // A new key goes after the key that it follows in its own record, so that sections stay together.
        let mut place = 0;
        for (key, _) in &described {
            place = match keys.iter().position(|known| known == key) {
                Some(known) => known + 1,
                None => {
                    keys.insert(place, key.clone());
                    place + 1
                }
            };
        }
        all.push(described);
    }
    columns.extend(keys.iter().map(|key| {
        let value = |described: &Vec<(String, Value)>| {
            described.iter().find(|(own, _)| own == key).map(|(_, value)| value.clone())
        };
        json_column(key, &all.iter().map(value).collect::<Vec<_>>())
    }));
    Ok(columns)
}

/// Every key of a trial's specification, provenance and outcome with its value.
fn described(trial: &FrameTrial) -> serde_json::Result<Vec<(String, Value)>> {
    let mut keys = Vec::new();
    flatten("", serde_json::to_value(&trial.record.spec)?, &mut keys);
    flatten("provenance", serde_json::to_value(&trial.record.provenance)?, &mut keys);
    if let Some(outcome) = trial.outcome {
        let mut outcome = serde_json::to_value(outcome)?;
        if let Some(map) = outcome.as_object_mut() {
            // The scores have rows of their own, and the others say nothing about the outcome.
            map.retain(|key, _| !["record_version", "id", "scores", "measures"].contains(&key.as_str()));
        }
        flatten("outcome", outcome, &mut keys);
    }
    Ok(keys)
}

/// Appends a value under its dotted path; a mapping is opened, anything else is one key.
fn flatten(path: &str, value: Value, keys: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                flatten(&path, value, keys);
            }
        }
        value => keys.push((path.into(), value)),
    }
}

/// A column of JSON values: numbers or truth values if all of them are, else text (lists and mappings as
/// JSON). What is null or absent is empty.
pub fn json_column(name: &str, values: &[Option<Value>]) -> Column {
    let present = || values.iter().flatten().filter(|value| !value.is_null());
    let any = present().next().is_some();
    if any && present().all(Value::is_u64) {
        return column(name, values, |value| value.as_ref()?.as_u64());
    }
    if any && present().all(Value::is_number) {
        return column(name, values, |value| value.as_ref()?.as_f64());
    }
    if any && present().all(Value::is_boolean) {
        return column(name, values, |value| value.as_ref()?.as_bool());
    }
    column(name, values, |value| match value.as_ref()? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    })
}

/// A column with one value per row.
pub fn column<R, T>(name: &str, rows: &[R], value: impl Fn(&R) -> T) -> Column
where
    Series: NamedFrom<Vec<T>, [T]>,
    Vec<T>: AsRef<[T]>,
{
    let values: Vec<T> = rows.iter().map(value).collect();
    Column::from(<Series as NamedFrom<Vec<T>, [T]>>::new(name.into(), values))
}

/// A frame of columns that all have `n_rows` rows.
pub fn frame_of(n_rows: usize, columns: Vec<Column>) -> Result<DataFrame> {
    DataFrame::new(n_rows, columns).map_err(broken)
}

/// The frame as CSV, with a header. No cell is a formula to a spreadsheet.
pub fn to_csv(frame: &DataFrame) -> Result<Vec<u8>> {
    let mut columns = Vec::with_capacity(frame.width());
    for column in frame.columns() {
        let name = csv_cell(column.name());
        columns.push(match column.dtype() {
            DataType::String => {
                let texts = column.str().map_err(broken)?;
                let cells: Vec<Option<String>> = texts.iter().map(|text| text.map(csv_cell)).collect();
                Series::new(name.into(), cells).into()
            }
            _ => column.clone().with_name(name.into()),
        });
    }
    let mut bytes = Vec::new();
    let mut frame = frame_of(frame.height(), columns)?;
    CsvWriter::new(&mut bytes).finish(&mut frame).map_err(broken)?;
    Ok(bytes)
}

/// The frame as a Parquet file.
pub fn to_parquet(frame: &mut DataFrame) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(frame).map_err(broken)?;
    Ok(bytes)
}

/// The error of a table that polars cannot build: the columns are ours, so it is a bug.
pub fn broken(error: PolarsError) -> Error {
    Error::internal("the table of records cannot be built").because(error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::records::Split;
    use crate::run::fixture::{a_trial, a_trial_record, an_outcome};

    fn event(split: Split, step: u64) -> Event {
        let values = [("loss".to_string(), 2.5), ("mlm_loss".to_string(), 1.5)].into();
        Event { split, step, tokens: 10 * step, flops: 1e9, elapsed_s: 0.5, values }
    }

    fn score(value: Option<f64>) -> Score {
        Score {
            task: TaskName::Mrpc,
            synthetic: true,
            finetune_seed: 3,
            metric: "accuracy".into(),
            value,
            interval: Some([60.0, 70.0]),
            others: [("f1".to_string(), 80.0)].into(),
            majority: 66.5,
            n_examples: 400,
            n_train: 1000,
            steps: 94,
            n_cut: 0,
            is_constant: None,
        }
    }

    #[test]
    fn a_row_per_measurement_with_every_key_of_the_specification() {
        let mut records = [a_trial_record(&a_trial(1).id), a_trial_record(&a_trial(1).id)];
        records[1].spec.seed = 2;
        records[1].spec.train.micro_batch = Some(4);
        let mut outcome = an_outcome(&records[0].id);
        outcome.scores = vec![score(Some(65.0)), score(None)];
        let events = [event(Split::Train, 5), event(Split::Validation, 5)];
        let of = |record, outcome, events| FrameTrial {
            experiment: "one",
            profile: "quick",
            record,
            outcome,
            events,
        };
        let trials = [of(&records[0], Some(&outcome), &events[..]), of(&records[1], None, &events[..1])];
        let frame = Frames::of(&trials).unwrap().long().unwrap();
        assert_eq!(frame.height(), 2 * 2 + 2 + 2);
        let texts = |name: &str| -> Vec<Option<String>> {
            let column = frame.column(name).unwrap().cast(&DataType::String).unwrap();
            column.str().unwrap().iter().map(|text| text.map(String::from)).collect()
        };
        let last_of_first = |name: &str| texts(name)[4].clone().unwrap_or_default();
        let shown = [
            "record",
            "task",
            "measure",
            "value",
            "other_f1",
            "majority",
            "split",
            "outcome.validation.loss",
        ];
        assert_eq!(
            shown.map(last_of_first),
            ["score", "mrpc", "accuracy", "65.0", "80.0", "66.5", "", "9.5"]
        );
        assert_eq!(texts("value")[5], None, "an undefined score is empty");
        assert_eq!(texts("seed")[4..], ["1", "1", "2", "2"].map(|text| Some(text.to_string())));
        assert_eq!(
            (texts("train.micro_batch")[0].clone(), last_of_first("outcome.steps")),
            (None, "1000".into())
        );
        assert_eq!(texts("train.micro_batch")[6].as_deref(), Some("4"));
        assert_eq!(texts("outcome.steps")[6], None);

        // Every key of the specification is a column, whatever its type.
        let mut keys = Vec::new();
        flatten("", serde_json::to_value(&records[1].spec).unwrap(), &mut keys);
        assert!(keys.len() > 40, "{keys:?}");
        for (key, value) in keys {
            let expected = match value {
                Value::Null => None,
                Value::String(text) => Some(text),
                other => Some(other.to_string()),
            };
            let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
            let actual = texts(&key)[6].clone();
            assert!(
                actual == expected || number(&actual) == number(&expected),
                "{key}: {actual:?}, {expected:?}"
            );
        }
    }

    #[test]
    fn columns_of_json_have_the_type_of_their_values() {
        let dtype = |values: &[Value]| {
            json_column("x", &values.iter().cloned().map(Some).collect::<Vec<_>>()).dtype().clone()
        };
        assert_eq!(dtype(&[json!(1), Value::Null]), DataType::UInt64);
        assert_eq!(dtype(&[json!(1), json!(0.5)]), DataType::Float64);
        assert_eq!(dtype(&[json!(true)]), DataType::Boolean);
        assert_eq!(dtype(&[json!(1), json!("tuned")]), DataType::String);
        assert_eq!(dtype(&[Value::Null]), DataType::String);
    }
}
