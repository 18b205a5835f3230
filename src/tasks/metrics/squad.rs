//! The scores of the official SQuAD 2.0 script, under its names: exact match and F1, with and without an
//! answer, and the best threshold on the probabilities of no answer.
//!
//! A question without a prediction counts as wrong, with or without an answer. That is what the script of
//! SQuAD 1.1 does ("will receive score 0"); the script of 2.0 stops there with a KeyError.
//!
//! All are percentages. Sums are in the script's order, because the best threshold can depend on the last
//! bit. Next: `answers.rs` scores one answer, `tasks/squad/files.rs` reads the files.

use std::collections::BTreeMap;

use serde::Serialize;

use super::answers::{exact_match, normalize_answer, token_f1};
use super::bootstrap::bootstrap_interval;
use crate::error::{Error, ErrorKind, Result};
use crate::tasks::squad::SquadQuestion;

/// The predictions of a model for a data set.
pub struct SquadPredictions {
    /// The answer to each question, by its id; an empty text means that there is no answer.
    pub answers: BTreeMap<String, String>,
    /// The probability that a question has no answer, in the order of the file; any other scale is possible.
    pub no_answer: Option<Vec<(String, f64)>>,
    /// A question is predicted to have no answer if its `no_answer` is above this threshold.
    pub no_answer_threshold: f64,
}

/// The script's scores. Those of a kind of question are absent if the data set has none; those of the best
/// threshold are absent without `no_answer`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names are the official script's")]
pub struct SquadScores {
    pub exact: f64,
    pub f1: f64,
    pub total: usize,
    #[serde(rename = "HasAns_exact", skip_serializing_if = "Option::is_none")]
    pub has_answer_exact: Option<f64>,
    #[serde(rename = "HasAns_f1", skip_serializing_if = "Option::is_none")]
    pub has_answer_f1: Option<f64>,
    #[serde(rename = "HasAns_total", skip_serializing_if = "Option::is_none")]
    pub has_answer_total: Option<usize>,
    #[serde(rename = "NoAns_exact", skip_serializing_if = "Option::is_none")]
    pub no_answer_exact: Option<f64>,
    #[serde(rename = "NoAns_f1", skip_serializing_if = "Option::is_none")]
    pub no_answer_f1: Option<f64>,
    #[serde(rename = "NoAns_total", skip_serializing_if = "Option::is_none")]
    pub no_answer_total: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_exact: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_exact_thresh: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_f1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_f1_thresh: Option<f64>,
    /// Not in the script: 95 % bootstrap intervals over questions, if they are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<SquadIntervals>,
    /// Not in the script: number of questions without a prediction, which count as wrong.
    #[serde(rename = "missing", skip_serializing_if = "is_zero")]
    pub n_missing: usize,
    /// The id of the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_missing: Option<String>,
    /// Number of predictions for questions that the data set does not have; they are ignored, as in the
    /// script.
    #[serde(rename = "unknown", skip_serializing_if = "is_zero")]
    pub n_unknown: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Bootstrap intervals, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SquadIntervals {
    /// The interval of `exact`.
    pub exact: Option<[f64; 2]>,
    /// The interval of `f1`.
    pub f1: Option<[f64; 2]>,
}

/// A question, scored from 0 to 1.
struct ScoredQuestion<'a> {
    id: &'a str,
    has_answer: bool,
    /// Whether there is a prediction for it; without one both scores are 0.
    is_predicted: bool,
    /// Whether the prediction is not empty, before normalisation.
    is_answered: bool,
    raw: AnswerScore,
    /// After the threshold.
    thresholded: AnswerScore,
}

#[derive(Clone, Copy, Default)]
struct AnswerScore {
    exact: f64,
    f1: f64,
}

/// Scores predictions as the official script does; with `n_resamples`, adds intervals. A question without a
/// prediction is wrong and is counted in `n_missing`.
///
/// # Errors
/// No question has a prediction, or one with a prediction lacks its probability of no answer.
pub fn squad_scores(
    questions: &[SquadQuestion],
    predictions: &SquadPredictions,
    n_resamples: Option<usize>,
) -> Result<SquadScores> {
    let scored = scored(questions, predictions)?;
    let n_predicted = scored.iter().filter(|one| one.is_predicted).count();
    let means = (mean(&scored, |score| score.exact), mean(&scored, |score| score.f1));
    let (1.., (Some(exact), Some(f1))) = (n_predicted, means) else {
        let what = format!("none of the {} questions of the data set has a prediction", questions.len());
        return Err(Error::new(ErrorKind::Data, what, "write predictions by the ids of this data set"));
    };
    let (with, without): (Vec<&ScoredQuestion>, Vec<&ScoredQuestion>) =
        scored.iter().partition(|one| one.has_answer);
    let best = |metric: fn(&AnswerScore) -> f64| {
        predictions.no_answer.as_deref().map(|order| best_threshold(&scored, order, metric))
    };
    let first_missing = questions.iter().find(|question| !predictions.answers.contains_key(&question.id));
    let (best_exact, best_f1) = (best(|score| score.exact), best(|score| score.f1));
    Ok(SquadScores {
        exact,
        f1,
        total: scored.len(),
        has_answer_exact: mean(with.iter().copied(), |score| score.exact),
        has_answer_f1: mean(with.iter().copied(), |score| score.f1),
        has_answer_total: (!with.is_empty()).then_some(with.len()),
        no_answer_exact: mean(without.iter().copied(), |score| score.exact),
        no_answer_f1: mean(without.iter().copied(), |score| score.f1),
        no_answer_total: (!without.is_empty()).then_some(without.len()),
        best_exact: best_exact.map(|(score, _)| score),
        best_exact_thresh: best_exact.map(|(_, threshold)| threshold),
        best_f1: best_f1.map(|(score, _)| score),
        best_f1_thresh: best_f1.map(|(_, threshold)| threshold),
        interval: n_resamples.map(|n| intervals(&scored, n)),
        n_missing: scored.len() - n_predicted,
        first_missing: first_missing.map(|question| question.id.clone()),
        n_unknown: predictions.answers.len() - n_predicted,
    })
}

fn scored<'a>(
    questions: &'a [SquadQuestion],
    predictions: &SquadPredictions,
) -> Result<Vec<ScoredQuestion<'a>>> {
    let no_answer: Option<BTreeMap<&str, f64>> = predictions
        .no_answer
        .as_ref()
        .map(|all| all.iter().map(|(id, probability)| (id.as_str(), *probability)).collect());
    let mut scored = Vec::with_capacity(questions.len());
    for question in questions {
        let has_answer = !question.answers.is_empty();
        let Some(prediction) = predictions.answers.get(&question.id) else {
            let zero = AnswerScore::default();
            scored.push(ScoredQuestion {
                id: &question.id,
                has_answer,
                is_predicted: false,
                is_answered: true,
                raw: zero,
                thresholded: zero,
            });
            continue;
        };
        let raw = raw_scores(question, prediction);
        let probability = match &no_answer {
            Some(all) => *all.get(question.id.as_str()).ok_or_else(|| {
                let what =
                    format!("question {} has a prediction but no probability of no answer", question.id);
                Error::new(ErrorKind::Data, what, "list every predicted question in the file of --na-probs")
            })?,
            None => 0.0,
        };
        let thresholded = if probability > predictions.no_answer_threshold {
            let correct = f64::from(u8::from(!has_answer));
            AnswerScore { exact: correct, f1: correct }
        } else {
            raw
        };
        let is_answered = !prediction.is_empty();
        scored.push(ScoredQuestion {
            id: &question.id,
            has_answer,
            is_predicted: true,
            is_answered,
            raw,
            thresholded,
        });
    }
    Ok(scored)
}

/// The best score over the gold answers. A gold answer that is empty after normalisation is ignored; if none
/// is left, the correct answer is the empty text.
fn raw_scores(question: &SquadQuestion, prediction: &str) -> AnswerScore {
    let mut golds: Vec<&str> = question.answers.iter().map(String::as_str).collect();
    golds.retain(|gold| !normalize_answer(gold).is_empty());
    if golds.is_empty() {
        golds.push("");
    }
    golds.iter().fold(AnswerScore::default(), |best, gold| AnswerScore {
        exact: best.exact.max(f64::from(u8::from(exact_match(gold, prediction)))),
        f1: best.f1.max(token_f1(gold, prediction)),
    })
}

/// The mean in percent; None without questions.
fn mean<'a>(
    scored: impl IntoIterator<Item = &'a ScoredQuestion<'a>>,
    metric: fn(&AnswerScore) -> f64,
) -> Option<f64> {
    let (sum, n) = scored.into_iter().fold((0.0, 0), |(sum, n), one| (sum + metric(&one.thresholded), n + 1));
    (n > 0).then(|| 100.0 * sum / f64::from(n))
}

/// The highest score, in percent, that any threshold reaches, and the threshold.
///
/// First no question is answered, which is correct for those without an answer, and the threshold is 0. Then
/// questions are answered one after another, in the order of their probability of no answer, equal ones in
/// the order of the file. The threshold is updated whenever the score exceeds all scores before.
fn best_threshold(
    scored: &[ScoredQuestion],
    no_answer: &[(String, f64)],
    metric: fn(&AnswerScore) -> f64,
) -> (f64, f64) {
    let by_id: BTreeMap<&str, &ScoredQuestion> = scored.iter().map(|one| (one.id, one)).collect();
    let mut order: Vec<&(String, f64)> = no_answer.iter().collect();
    order.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap_or(std::cmp::Ordering::Equal));
    let mut score = scored.iter().filter(|one| !one.has_answer && one.is_predicted).count() as f64;
    let (mut best, mut threshold) = (score, 0.0);
    for (id, probability) in order {
        let Some(one) = by_id.get(id.as_str()).filter(|one| one.is_predicted) else { continue };
        score += match (one.has_answer, one.is_answered) {
            (true, _) => metric(&one.raw),
            (false, true) => -1.0,
            (false, false) => 0.0,
        };
        if score > best {
            (best, threshold) = (score, *probability);
        }
    }
    (100.0 * best / scored.len() as f64, threshold)
}

fn intervals(scored: &[ScoredQuestion], n_resamples: usize) -> SquadIntervals {
    let of = |metric: fn(&AnswerScore) -> f64| {
        bootstrap_interval(scored.len(), n_resamples, |drawn| {
            mean(drawn.iter().filter_map(|&index| scored.get(index)), metric)
        })
    };
    SquadIntervals { exact: of(|score| score.exact), f1: of(|score| score.f1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn questions(all: &[(&str, &[&str])]) -> Vec<SquadQuestion> {
        let texts = |answers: &[&str]| answers.iter().map(|text| text.to_string()).collect();
        all.iter()
            .map(|(id, answers)| SquadQuestion { id: id.to_string(), answers: texts(answers) })
            .collect()
    }

    fn predictions(all: &[(&str, &str, f64)]) -> SquadPredictions {
        SquadPredictions {
            answers: all.iter().map(|(id, text, _)| (id.to_string(), text.to_string())).collect(),
            no_answer: Some(all.iter().map(|(id, _, probability)| (id.to_string(), *probability)).collect()),
            no_answer_threshold: 1.0,
        }
    }

    /// Without answers the score is 2 of 4; answering q1 and q2 (half correct) adds 1.5, answering q3
    /// subtracts 1.
    #[test]
    fn the_best_threshold_by_hand() {
        let questions = questions(&[("q1", &["cat"]), ("q2", &["big dog"]), ("q3", &[]), ("q4", &[])]);
        let predicted = [("q3", "x", 0.7), ("q1", "the cat", 0.1), ("q2", "dog rex", 0.5), ("q4", "", 0.2)];
        let scores = squad_scores(&questions, &predictions(&predicted), None).unwrap();
        assert_eq!((scores.exact, scores.f1, scores.total), (50.0, 62.5, 4));
        assert_eq!((scores.has_answer_exact, scores.no_answer_f1), (Some(50.0), Some(50.0)));
        assert_eq!((scores.best_exact, scores.best_exact_thresh), (Some(75.0), Some(0.1)));
        assert_eq!((scores.best_f1, scores.best_f1_thresh), (Some(87.5), Some(0.5)));
    }

    /// On a scale below 0: the threshold stays at 0 if no answer improves the score.
    #[test]
    fn the_threshold_stays_at_zero_if_no_answer_improves_the_score() {
        let questions = questions(&[("q1", &["cat"]), ("q2", &[])]);
        let scores =
            squad_scores(&questions, &predictions(&[("q1", "dog", -5.0), ("q2", "x", -3.0)]), None).unwrap();
        assert_eq!((scores.best_exact, scores.best_exact_thresh), (Some(50.0), Some(0.0)));
    }

    #[test]
    fn questions_without_a_prediction_are_wrong_and_counted() {
        let questions = questions(&[("q1", &["cat"]), ("q2", &["dog"]), ("q3", &[]), ("q4", &[])]);
        let predicted =
            predictions(&[("q2", "dog", 0.0), ("q4", "", 0.0), ("q7", "x", 0.0), ("q8", "y", 0.0)]);
        let scores = squad_scores(&questions, &predicted, Some(100)).unwrap();
        assert_eq!((scores.exact, scores.f1, scores.total), (50.0, 50.0, 4));
        assert_eq!((scores.has_answer_exact, scores.no_answer_exact), (Some(50.0), Some(50.0)));
        assert_eq!((scores.best_exact, scores.best_exact_thresh), (Some(50.0), Some(0.0)));
        assert_eq!((scores.n_missing, scores.n_unknown), (2, 2));
        assert_eq!(scores.first_missing.as_deref(), Some("q1"));
        let json = serde_json::to_string(&scores).unwrap();
        assert!(json.contains(r#""missing":2,"first_missing":"q1","unknown":2"#), "{json}");
        let complete = squad_scores(&questions[1..2], &predictions(&[("q2", "dog", 0.0)]), None).unwrap();
        let json = serde_json::to_string(&complete).unwrap();
        assert!(!json.contains("missing") && !json.contains("unknown"), "{json}");
        let error = squad_scores(&questions, &predictions(&[("q9", "dog", 0.0)]), None).unwrap_err();
        insta::assert_snapshot!(error, @r"
        none of the 4 questions of the data set has a prediction
        hint: write predictions by the ids of this data set
        ");
        let mut without = predictions(&[("q1", "cat", 0.0)]);
        without.no_answer = Some(Vec::new());
        insta::assert_snapshot!(squad_scores(&questions, &without, None).unwrap_err(), @r"
        question q1 has a prediction but no probability of no answer
        hint: list every predicted question in the file of --na-probs
        ");
    }
}
