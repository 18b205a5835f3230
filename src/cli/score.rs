//! `electra-lab score`: scores files of predictions, from electra-lab or any other program.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::table::{numbers, or_dash, table, words};
use super::{exit, output};
use crate::error::{Error, Result};
use crate::tasks::{GlueScores, MetricValue, PairAccuracy, SquadScores, glue_task, glue_tasks};
use crate::tools::{PairAccuracies, score_glue, score_minimal_pairs, score_squad};

/// Arguments of `score`.
#[derive(Args, Debug)]
pub struct ScoreArguments {
    #[command(subcommand)]
    command: ScoreCommand,
}

/// The benchmark, which has its own formats and metrics.
#[derive(Subcommand, Debug)]
enum ScoreCommand {
    /// Scores predictions for a GLUE task
    #[command(
        long_about = "Scores predictions for a GLUE task by all its metrics, as scikit-learn and SciPy define them. \
        The table shows them × 100, --json shows them unscaled; an undefined metric (a correlation with a constant) \
        is null.\n\n\
        Example:\n  electra-lab score glue --task rte --gold rte/validation-00000-of-00001.parquet \
        --predictions RTE.tsv --json"
    )]
    Glue(GlueArguments),
    /// Scores answers to SQuAD 1.1 or 2.0
    #[command(
        long_about = "Scores answers to SQuAD 1.1 or 2.0 like the official script of 2.0, with the same names: \
        exact and f1 in percent, for questions with and without an answer, and with --na-probs the best thresholds. \
        A question without a prediction is wrong, as in the script of 1.1 (that of 2.0 fails there); stderr and the \
        JSON (missing, first_missing) report how many there are.\n\n\
        Example:\n  electra-lab score squad --dataset dev-v2.0.json --predictions predictions.json \
        --na-probs na_prob.json --json"
    )]
    Squad(SquadArguments),
    /// Scores minimal pairs
    #[command(
        long_about = "Scores minimal pairs by the scores of their sentences: a pair is right where the good sentence \
        has the larger score, and a tie counts one half. Per set and scorer of the file: over all pairs, as the mean of \
        the paradigms (BLiMP's number), and per phenomenon and paradigm, each with its standard error over pairs. Per \
        token means by the mean over tokens. The table shows shares × 100, --json shows them unscaled.\n\n\
        Example:\n  electra-lab score pairs results/a/0123456789ab/predictions/pairs-blimp-disc_sum.csv"
    )]
    Pairs(PairsArguments),
}

#[derive(Args, Debug)]
struct GlueArguments {
    /// Task
    #[arg(long, value_name = "TASK", value_parser = PossibleValuesParser::new(glue_tasks().map(|task| task.name)))]
    task: String,

    /// Gold labels: a .parquet file of the hub, or a TSV file with a header, such as GLUE's own. It needs a
    /// column label; without a column index, rows count from 0
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,

    /// Predictions in the leaderboard's format: a TSV file with the columns index and prediction. A
    /// prediction is the name or the number of a label, or a score
    #[arg(long, value_name = "FILE")]
    predictions: PathBuf,

    /// Numbers the gold examples by row from 0 and ignores their index column [default: off]
    #[arg(long)]
    by_row: bool,

    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Args, Debug)]
struct SquadArguments {
    /// Data set: the official JSON file of 1.1 or 2.0, or a .parquet file of the hub
    #[arg(long, value_name = "FILE")]
    dataset: PathBuf,

    /// Predictions: a JSON object from question ids to answers, "" for no answer
    #[arg(long, value_name = "FILE")]
    predictions: PathBuf,

    /// Probabilities of no answer: a JSON object from question ids to numbers on any scale [default: none]
    #[arg(long, value_name = "FILE")]
    na_probs: Option<PathBuf>,

    /// Predicts no answer for a question whose number in --na-probs is above X
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
struct PairsArguments {
    /// Scores: a CSV file with the columns set, paradigm, pair, scorer, good and bad, and perhaps phenomenon,
    /// n_good and n_bad (numbers of tokens), in any order
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Prints JSON [default: a table]
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct OutputArguments {
    /// Adds 95 % confidence intervals: percentiles over N bootstrap resamples of the examples, 1000 if N is
    /// left out [default: none]
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

/// Scores the files, prints the scores and returns the exit code.
pub fn score(arguments: &ScoreArguments) -> Result<u8> {
    match &arguments.command {
        ScoreCommand::Glue(arguments) => glue(arguments),
        ScoreCommand::Squad(arguments) => squad(arguments),
        ScoreCommand::Pairs(arguments) => pairs(arguments),
    }
}

fn glue(arguments: &GlueArguments) -> Result<u8> {
    let GlueArguments { task, gold, predictions, by_row, output } = arguments;
    let task = glue_task(task).ok_or_else(|| Error::internal(format!("there is no task {task}")))?;
    let scores = score_glue(task, gold, predictions, *by_row, output.n_resamples())?;
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

/// Warnings about questions without a prediction, and predictions without a question.
fn squad_notes(scores: &SquadScores) -> Vec<String> {
    let mut notes = Vec::new();
    if scores.n_missing > 0 {
        notes.push(format!(
            "note: {} of the {} questions have no prediction and count as wrong; the first is {}",
            scores.n_missing,
            scores.total,
            scores.first_missing.as_deref().unwrap_or("unknown")
        ));
    }
    if scores.n_unknown > 0 {
        let n = scores.n_unknown;
        notes.push(format!("note: {n} predictions are for questions that are not in the data set"));
    }
    notes
}

/// A table of the scores under the official names, as in the JSON.
fn squad_text(scores: &SquadScores) -> Result<String> {
    let scores_json = serde_json::to_value(scores)
        .map_err(|error| Error::internal("cannot write the scores as JSON").because(error))?;
    let with_interval = scores.interval.is_some();
    let interval = |key: &str| match (key, scores.interval) {
        ("exact", Some(interval)) => interval_text(interval.exact, true),
        ("f1", Some(interval)) => interval_text(interval.f1, true),
        _ => String::new(),
    };
    let numbers_json = scores_json.as_object().into_iter().flatten().filter(|(_, value)| value.is_number());
    let rows: Vec<[String; 3]> = numbers_json
        .map(|(key, value)| {
            let shown = if value.is_u64() || key.ends_with("_thresh") {
                value.to_string()
            } else {
                format!("{:.2}", value.as_f64().unwrap_or(f64::NAN))
            };
            [key.clone(), shown, interval(key)]
        })
        .collect();
    Ok(table(&[words("score"), numbers("value"), words(interval_heading(with_interval))], &rows))
}

fn pairs(PairsArguments { file, json }: &PairsArguments) -> Result<u8> {
    let all = score_minimal_pairs(file)?;
    match json {
        true => output::json(&pairs_json(&all))?,
        false => output::data(&pairs_text(&all))?,
    }
    Ok(exit::OK)
}

fn pairs_json(all: &[PairAccuracies]) -> Value {
    let one = |one: &PairAccuracy| {
        let PairAccuracy { accuracy, standard_error, per_token, n, ties } = one;
        json!({ "accuracy": accuracy, "standard_error": standard_error, "per_token": per_token, "n": n, "ties": ties })
    };
    let groups = |groups: &BTreeMap<String, PairAccuracy>| -> Map<String, Value> {
        groups.iter().map(|(name, accuracy)| (name.clone(), one(accuracy))).collect()
    };
    let of_scorer = |PairAccuracies { set, scorer, summary }: &PairAccuracies| {
        let (mean, error) = summary.macro_average;
        json!({
            "set": set,
            "scorer": scorer,
            "all": one(&summary.all),
            "macro": { "accuracy": mean, "standard_error": error, "n_paradigms": summary.paradigms.len() },
            "phenomena": groups(&summary.phenomena),
            "paradigms": groups(&summary.paradigms),
        })
    };
    json!({ "scores": all.iter().map(of_scorer).collect::<Vec<_>>() })
}

fn pairs_text(all: &[PairAccuracies]) -> String {
    let percent = |share: f64| format!("{:.2}", 100.0 * share);
    let mut rows: Vec<[String; 8]> = Vec::new();
    for PairAccuracies { set, scorer, summary } in all {
        let row = |over: String, one: &PairAccuracy| {
            [
                set.clone(),
                scorer.clone(),
                over,
                percent(one.accuracy),
                percent(one.standard_error),
                or_dash(one.per_token.map(percent)),
                one.ties.to_string(),
                one.n.to_string(),
            ]
        };
        rows.push(row("all pairs".into(), &summary.all));
        let (accuracy, standard_error) = summary.macro_average;
        let mean = PairAccuracy { accuracy, standard_error, per_token: None, ..summary.all };
        rows.push(row(format!("mean of {} paradigms", summary.paradigms.len()), &mean));
        for (kind, groups) in [("phenomenon", &summary.phenomena), ("paradigm", &summary.paradigms)] {
            rows.extend(groups.iter().map(|(name, one)| row(format!("{kind} {name}"), one)));
        }
    }
    let columns = [
        words("set"),
        words("scorer"),
        words("over"),
        numbers("accuracy × 100"),
        numbers("standard error"),
        numbers("per token × 100"),
        numbers("ties"),
        numbers("n"),
    ];
    table(&columns, &rows)
}

/// Without intervals the last column is empty, and the table trims it off the ends of its lines.
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
    use crate::tasks::{Metric, PairSummary, SquadIntervals};

    fn glue_scores() -> GlueScores {
        let one = |metric, value, interval| MetricValue { metric, value, interval };
        let metrics =
            vec![one(Metric::Accuracy, Some(0.884_313), Some([0.85, 0.9137])), one(Metric::F1, None, None)];
        GlueScores { task: "mrpc", n: 408, metrics }
    }

    #[test]
    fn glue_scores_are_a_table_or_json() {
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
    fn pairs_are_a_table_or_json() {
        let one = |accuracy, per_token, n, ties| PairAccuracy {
            accuracy,
            standard_error: 0.012_34,
            per_token,
            n,
            ties,
        };
        let summary = PairSummary {
            all: one(0.625, Some(0.5), 40, 2),
            macro_average: (0.65, 0.0123),
            phenomena: BTreeMap::from([("binding".into(), one(0.625, Some(0.5), 40, 2))]),
            paradigms: BTreeMap::from([
                ("principle_A_c_command".into(), one(0.5, Some(0.25), 10, 2)),
                ("principle_A_case".into(), one(0.8, None, 30, 0)),
            ]),
        };
        let all = [PairAccuracies { set: "blimp".into(), scorer: "pll".into(), summary }];
        insta::assert_snapshot!(pairs_text(&all), @r"
        set    scorer  over                            accuracy × 100  standard error  per token × 100  ties   n
        blimp  pll     all pairs                                62.50            1.23            50.00     2  40
        blimp  pll     mean of 2 paradigms                      65.00            1.23                -     2  40
        blimp  pll     phenomenon binding                       62.50            1.23            50.00     2  40
        blimp  pll     paradigm principle_A_c_command           50.00            1.23            25.00     2  10
        blimp  pll     paradigm principle_A_case                80.00            1.23                -     0  30
        ");
        insta::assert_snapshot!(pairs_json(&all), @r#"{"scores":[{"set":"blimp","scorer":"pll","all":{"accuracy":0.625,"standard_error":0.01234,"per_token":0.5,"n":40,"ties":2},"macro":{"accuracy":0.65,"standard_error":0.0123,"n_paradigms":2},"phenomena":{"binding":{"accuracy":0.625,"standard_error":0.01234,"per_token":0.5,"n":40,"ties":2}},"paradigms":{"principle_A_c_command":{"accuracy":0.5,"standard_error":0.01234,"per_token":0.25,"n":10,"ties":2},"principle_A_case":{"accuracy":0.8,"standard_error":0.01234,"per_token":null,"n":30,"ties":0}}}]}"#);
    }

    #[test]
    fn squad_scores_are_a_table() {
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
        score                 value
        exact                 82.58
        f1                    85.49
        total                  6078
        NoAns_exact          100.00
        NoAns_f1             100.00
        NoAns_total            3168
        best_exact            83.90
        best_exact_thresh  -2.68521
        missing                   7
        unknown                   3
        ");
        insta::assert_snapshot!(squad_notes(&scores).join("\n"), @r"
        note: 7 of the 6078 questions have no prediction and count as wrong; the first is 56ddde6b
        note: 3 predictions are for questions that are not in the data set
        ");
        scores.interval = Some(SquadIntervals { exact: Some([81.5, 83.6]), f1: None });
        let text = squad_text(&scores).unwrap();
        insta::assert_snapshot!(text.lines().take(3).collect::<Vec<_>>().join("\n"), @r"
        score                 value  95 % interval
        exact                 82.58  81.50 to 83.60
        f1                    85.49  -
        ");
        assert!(squad_notes(&SquadScores::default()).is_empty());
    }
}
