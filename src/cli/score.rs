//! `electra-lab score`: what predictions are worth, whoever made them.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::table::{numbers, or_dash, table, words};
use super::{exit, output};
use crate::error::{Error, Result};
use crate::tasks::{GlueScores, MetricValue, SquadScores, scored_task, scored_tasks};
use crate::tools::{score_glue, score_squad};

/// Arguments of `score`.
#[derive(Args, Debug)]
pub struct ScoreArguments {
    #[command(subcommand)]
    what: What,
}

/// Whose format and metrics.
#[derive(Subcommand, Debug)]
enum What {
    /// Scores predictions for a GLUE task
    #[command(
        long_about = "Scores predictions for a GLUE task by all its metrics, as scikit-learn and SciPy define them. \
        The table shows them × 100, --json as they are; an undefined one (a correlation with a constant) is null.\n\n\
        Example:\n  electra-lab score glue --task rte --gold rte/validation-00000-of-00001.parquet \
        --predictions RTE.tsv --json"
    )]
    Glue(GlueArguments),
    /// Scores answers to SQuAD 1.1 or 2.0
    #[command(
        long_about = "Scores answers to SQuAD 1.1 or 2.0 as the official script of 2.0 does and under its names: \
        exact and f1 in percent, with and without an answer, and with --na-probs the best thresholds. A question \
        without a prediction is left out of every figure, and their number said on stderr.\n\n\
        Example:\n  electra-lab score squad --dataset dev-v2.0.json --predictions predictions.json \
        --na-probs na_prob.json --json"
    )]
    Squad(SquadArguments),
}

#[derive(Args, Debug)]
struct GlueArguments {
    /// Task
    #[arg(long, value_name = "TASK", value_parser = PossibleValuesParser::new(scored_tasks().map(|task| task.word)))]
    task: String,

    /// Gold labels: the hub's .parquet, or a TSV with a header, such as GLUE's own (a label column; an index column,
    /// or rows count from 0)
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,

    /// Predictions as the leaderboard takes them: a TSV with the columns index and prediction, a prediction being
    /// a label's name or number, or a score
    #[arg(long, value_name = "FILE")]
    predictions: PathBuf,

    /// Numbers gold's examples by their rows from 0, whatever its index column says [default: off]
    #[arg(long)]
    by_row: bool,

    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Args, Debug)]
struct SquadArguments {
    /// Data set: the official JSON of 1.1 or 2.0, or the hub's .parquet
    #[arg(long, value_name = "FILE")]
    dataset: PathBuf,

    /// Answers: a JSON object from question ids to texts, "" where there is no answer
    #[arg(long, value_name = "FILE")]
    predictions: PathBuf,

    /// Probabilities of no answer: a JSON object from question ids to numbers, of any scale [default: none]
    #[arg(long, value_name = "FILE")]
    na_probs: Option<PathBuf>,

    /// Takes a question for unanswered where its number in --na-probs is above X
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        allow_negative_numbers = true,
        requires = "na_probs"
    )]
    na_prob_thresh: f64,

    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Args, Debug)]
struct OutputArguments {
    /// Adds 95 % intervals: percentiles over N bootstrap resamples of the examples, 1000 if N is left out
    /// [default: none]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1000",
          value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    bootstrap: Option<u32>,

    /// Prints JSON [default: a table]
    #[arg(long)]
    json: bool,
}

impl OutputArguments {
    fn n_resamples(&self) -> Option<usize> {
        self.bootstrap.map(|n| n as usize)
    }
}

/// Scores, prints, and returns the exit code.
pub fn score(arguments: &ScoreArguments) -> Result<u8> {
    match &arguments.what {
        What::Glue(arguments) => glue(arguments),
        What::Squad(arguments) => squad(arguments),
    }
}

fn glue(arguments: &GlueArguments) -> Result<u8> {
    let GlueArguments { task, gold, predictions, by_row, output } = arguments;
    let task = scored_task(task).ok_or_else(|| Error::internal(format!("no task {task}")))?;
    let scores = score_glue(&task, gold, predictions, *by_row, output.n_resamples())?;
    let with_interval = output.bootstrap.is_some();
    match output.json {
        true => output::json(&glue_json(&scores, with_interval))?,
        false => output::data(&glue_text(&scores, with_interval))?,
    }
    Ok(exit::OK)
}

fn glue_json(scores: &GlueScores, with_interval: bool) -> Value {
    let by_metric = |value: fn(&MetricValue) -> Value| -> Map<String, Value> {
        scores.metrics.iter().map(|one| (one.metric.as_str().to_string(), value(one))).collect()
    };
    let mut object =
        json!({ "task": scores.task, "n": scores.n, "metrics": by_metric(|one| json!(one.value)) });
    if with_interval && let Some(object) = object.as_object_mut() {
        object.insert("interval".into(), Value::Object(by_metric(|one| json!(one.interval))));
    }
    object
}

fn glue_text(scores: &GlueScores, with_interval: bool) -> String {
    let row = |one: &MetricValue| {
        [
            scores.task.to_string(),
            one.metric.as_str().to_string(),
            one.value.map_or("undefined".into(), |value| format!("{:.2}", 100.0 * value)),
            scores.n.to_string(),
            interval_text(one.interval.map(|ends| ends.map(|end| 100.0 * end)), with_interval),
        ]
    };
    let rows: Vec<[String; 5]> = scores.metrics.iter().map(row).collect();
    let last = words(interval_heading(with_interval));
    table(&[words("task"), words("metric"), numbers("score × 100"), numbers("n"), last], &rows)
}

fn squad(arguments: &SquadArguments) -> Result<u8> {
    let SquadArguments { dataset, predictions, na_probs, na_prob_thresh, output } = arguments;
    let n_resamples = output.n_resamples();
    let scores = score_squad(dataset, predictions, na_probs.as_deref(), *na_prob_thresh, n_resamples)?;
    for note in squad_notes(&scores) {
        output::note(&note);
    }
    match output.json {
        true => output::json(&scores)?,
        false => output::data(&squad_text(&scores)?)?,
    }
    Ok(exit::OK)
}

/// What the figures do not say about themselves.
fn squad_notes(scores: &SquadScores) -> Vec<String> {
    let mut notes = Vec::new();
    if scores.n_missing > 0 {
        let n = scores.n_missing + scores.total;
        notes.push(format!(
            "note: {} of the {n} questions have no prediction and are in no figure; the first is {}",
            scores.n_missing,
            scores.first_missing.as_deref().unwrap_or("unknown")
        ));
    }
    if scores.n_unknown > 0 {
        let n = scores.n_unknown;
        notes.push(format!("note: {n} predictions are for questions that the data set does not have"));
    }
    notes
}

/// The figures under the official names, as they stand in the JSON.
fn squad_text(scores: &SquadScores) -> Result<String> {
    let figures = serde_json::to_value(scores)
        .map_err(|error| Error::internal("cannot write the figures as JSON").because(error))?;
    let with_interval = scores.interval.is_some();
    let interval = |key: &str| match (key, scores.interval) {
        ("exact", Some(interval)) => interval_text(interval.exact, true),
        ("f1", Some(interval)) => interval_text(interval.f1, true),
        _ => String::new(),
    };
    let figures = figures.as_object().into_iter().flatten().filter(|(_, value)| value.is_number());
    let rows: Vec<[String; 3]> = figures
        .map(|(key, value)| {
            let shown = if value.is_u64() || key.ends_with("_thresh") {
                value.to_string()
            } else {
                format!("{:.2}", value.as_f64().unwrap_or(f64::NAN))
            };
            [key.clone(), shown, interval(key)]
        })
        .collect();
    Ok(table(&[words("figure"), numbers("value"), words(interval_heading(with_interval))], &rows))
}

/// Without intervals the last column is empty, and the table drops it with the space at the ends of its lines.
fn interval_heading(with_interval: bool) -> &'static str {
    if with_interval { "95 % interval" } else { "" }
}

fn interval_text(interval: Option<[f64; 2]>, with_interval: bool) -> String {
    let text = interval.map(|[low, high]| format!("{low:.2} to {high:.2}"));
    if with_interval { or_dash(text) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{Metric, SquadIntervals};

    fn glue_scores() -> GlueScores {
        let one = |metric, value, interval| MetricValue { metric, value, interval };
        let metrics =
            vec![one(Metric::Accuracy, Some(0.884_313), Some([0.85, 0.9137])), one(Metric::F1, None, None)];
        GlueScores { task: "mrpc", n: 408, metrics }
    }

    #[test]
    fn glue_reads_well() {
        insta::assert_snapshot!(glue_text(&glue_scores(), false), @r"
        task  metric    score × 100    n
        mrpc  accuracy        88.43  408
        mrpc  f1          undefined  408
        ");
        insta::assert_snapshot!(glue_text(&glue_scores(), true), @r"
        task  metric    score × 100    n  95 % interval
        mrpc  accuracy        88.43  408  85.00 to 91.37
        mrpc  f1          undefined  408  -
        ");
        insta::assert_snapshot!(glue_json(&glue_scores(), false), @r#"{"task":"mrpc","n":408,"metrics":{"accuracy":0.884313,"f1":null}}"#);
        insta::assert_snapshot!(glue_json(&glue_scores(), true), @r#"{"task":"mrpc","n":408,"metrics":{"accuracy":0.884313,"f1":null},"interval":{"accuracy":[0.85,0.9137],"f1":null}}"#);
    }

    #[test]
    fn squad_reads_well() {
        let mut scores = SquadScores {
            exact: 82.581_3,
            f1: 85.49,
            total: 6078,
            no_answer_exact: Some(100.0),
            no_answer_f1: Some(100.0),
            no_answer_total: Some(3168),
            best_exact: Some(83.9),
            best_exact_thresh: Some(-2.685_21),
            n_missing: 7,
            first_missing: Some("56ddde6b".into()),
            n_unknown: 3,
            ..SquadScores::default()
        };
        insta::assert_snapshot!(squad_text(&scores).unwrap(), @r"
        figure                value
        exact                 82.58
        f1                    85.49
        total                  6078
        NoAns_exact          100.00
        NoAns_f1             100.00
        NoAns_total            3168
        best_exact            83.90
        best_exact_thresh  -2.68521
        ");
        insta::assert_snapshot!(squad_notes(&scores).join("\n"), @r"
        note: 7 of the 6085 questions have no prediction and are in no figure; the first is 56ddde6b
        note: 3 predictions are for questions that the data set does not have
        ");
        scores.interval = Some(SquadIntervals { exact: Some([81.5, 83.6]), f1: None });
        let text = squad_text(&scores).unwrap();
        insta::assert_snapshot!(text.lines().take(3).collect::<Vec<_>>().join("\n"), @r"
        figure                value  95 % interval
        exact                 82.58  81.50 to 83.60
        f1                    85.49  -
        ");
        assert!(squad_notes(&SquadScores::default()).is_empty());
    }
}
