//! Compares the metrics with scikit-learn, SciPy and the official SQuAD script, by
//! `tests/golden/metrics.json` and `tests/golden/squad.json`, which `scripts/golden_metrics.py` and
//! `scripts/golden_squad.py` make.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::answers::{exact_match, normalize_answer, token_f1};
use super::python_text::is_word;
use super::{Metric, SquadPredictions, compute_metric, squad_scores};
use crate::tasks::squad::SquadQuestion;

const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct MetricsGolden {
    classes: Vec<ClassCase>,
    scores: Vec<ScoreCase>,
}

#[derive(Deserialize)]
struct ClassCase {
    name: String,
    labels: String,
    predictions: String,
    accuracy: Option<f64>,
    matthews: Option<f64>,
    /// Absent if there are classes other than 0 and 1.
    #[serde(default, deserialize_with = "present")]
    f1: Option<Option<f64>>,
}

#[derive(Deserialize)]
struct ScoreCase {
    name: String,
    labels: Vec<Option<f64>>,
    predictions: Vec<Option<f64>>,
    pearson: Option<f64>,
    spearman: Option<f64>,
}

fn present<'de, D: serde::Deserializer<'de>>(value: D) -> std::result::Result<Option<Option<f64>>, D::Error> {
    Option::deserialize(value).map(Some)
}

fn metrics() -> MetricsGolden {
    serde_json::from_str(include_str!("../../../tests/golden/metrics.json")).unwrap()
}

fn same(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= TOLERANCE,
        (found, expected) => found == expected,
    }
}

/// Collects every value that differs.
#[derive(Default)]
struct Differences {
    n_compared: usize,
    wrong: Vec<String>,
}

impl Differences {
    fn compare(&mut self, name: &str, what: &str, found: Option<f64>, expected: Option<f64>) {
        self.n_compared += 1;
        if !same(found, expected) {
            self.wrong.push(format!("{what} of \"{name}\": {found:?}, not {expected:?}"));
        }
    }

    fn assert_none(&self, at_least: usize) {
        assert!(self.n_compared >= at_least, "only {} values", self.n_compared);
        assert!(self.wrong.is_empty(), "{} differ:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

#[test]
fn classes_as_scikit_learn() {
    let mut differences = Differences::default();
    for case in metrics().classes {
        let digits = |text: &str| text.bytes().map(|digit| f64::from(digit - b'0')).collect::<Vec<_>>();
        let (predicted, gold) = (digits(&case.predictions), digits(&case.labels));
        let mut compare = |metric: Metric, expected| {
            differences.compare(
                &case.name,
                metric.as_str(),
                compute_metric(metric, &predicted, &gold),
                expected,
            );
        };
        compare(Metric::Accuracy, case.accuracy);
        compare(Metric::Matthews, case.matthews);
        if let Some(expected) = case.f1 {
            compare(Metric::F1, expected);
        }
    }
    differences.assert_none(400);
}

#[test]
fn correlations_as_scipy() {
    let mut differences = Differences::default();
    for case in metrics().scores {
        let numbers =
            |values: &[Option<f64>]| values.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<_>>();
        let (predicted, gold) = (numbers(&case.predictions), numbers(&case.labels));
        for (metric, expected) in [(Metric::Pearson, case.pearson), (Metric::Spearman, case.spearman)] {
            differences.compare(
                &case.name,
                metric.as_str(),
                compute_metric(metric, &predicted, &gold),
                expected,
            );
        }
    }
    differences.assert_none(270);
}

#[derive(Deserialize)]
struct SquadGolden {
    pairs: Vec<AnswerPair>,
    sets: Vec<DataSet>,
    signs: Vec<(u32, u32)>,
    letters: Vec<u32>,
}

#[derive(Deserialize)]
struct AnswerPair {
    gold: String,
    prediction: String,
    normal_gold: String,
    normal_prediction: String,
    exact: u8,
    f1: f64,
}

#[derive(Deserialize)]
struct DataSet {
    name: String,
    questions: Vec<GoldenQuestion>,
    predictions: BTreeMap<String, String>,
    no_answer: Option<serde_json::Map<String, Value>>,
    threshold: f64,
    scores: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct GoldenQuestion {
    id: String,
    answers: Vec<String>,
}

fn squad() -> SquadGolden {
    serde_json::from_str(include_str!("../../../tests/golden/squad.json")).unwrap()
}

#[test]
fn answers_as_the_official_script() {
    let mut differences = Differences::default();
    for pair in squad().pairs {
        assert_eq!(normalize_answer(&pair.gold), pair.normal_gold, "{:?}", pair.gold);
        assert_eq!(normalize_answer(&pair.prediction), pair.normal_prediction, "{:?}", pair.prediction);
        let name = format!("{:?} {:?}", pair.gold, pair.prediction);
        let exact = f64::from(u8::from(exact_match(&pair.gold, &pair.prediction)));
        differences.compare(&name, "exact", Some(exact), Some(f64::from(pair.exact)));
        differences.compare(&name, "f1", Some(token_f1(&pair.gold, &pair.prediction)), Some(pair.f1));
    }
    differences.assert_none(270);
}

#[test]
fn data_sets_as_the_official_script() {
    let mut differences = Differences::default();
    for set in squad().sets {
        let questions: Vec<SquadQuestion> = set
            .questions
            .into_iter()
            .map(|question| SquadQuestion { id: question.id, answers: question.answers })
            .collect();
        let number = |(id, value): (String, Value)| (id, value.as_f64().unwrap());
        let predictions = SquadPredictions {
            answers: set.predictions,
            no_answer: set.no_answer.map(|all| all.into_iter().map(number).collect()),
            no_answer_threshold: set.threshold,
        };
        let found = serde_json::to_value(squad_scores(&questions, &predictions, None).unwrap()).unwrap();
        let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(found.as_object().unwrap()), keys(&set.scores), "{}", set.name);
        for (key, expected) in &set.scores {
            differences.compare(&set.name, key, found[key].as_f64(), expected.as_f64());
        }
    }
    differences.assert_none(250);
}

/// All marks and symbols of Unicode 14, and a sample of letters and numbers from each of their categories.
#[test]
fn words_as_python() {
    let squad = squad();
    let is_word = |code: &u32| char::from_u32(*code).is_some_and(is_word);
    let mut signs = squad.signs.iter().flat_map(|(first, last)| *first..=*last);
    assert_eq!(signs.find(is_word), None);
    assert_eq!(squad.letters.iter().find(|code| !is_word(code)), None);
    assert!(squad.signs.len() > 300 && squad.letters.len() > 200);
}
