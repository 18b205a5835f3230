//! Decodes the answer to a question from the span candidates of its windows, by the rules of the released
//! code (google-research/electra, finetune/qa/qa_metrics.py).
//!
//! A span must not start at `[CLS]`, be outside the context, start where another window shows more of the
//! context, end before it starts, or be longer than allowed. Must never: see a tensor. Next: `score.rs`.

use super::features::TokenizedQuestion;
use crate::experiment::SquadSpec;

/// A span of a window that may be the answer. Positions are those of the window's input; scores are logits
/// (simple head) or log probabilities (paper's head).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpanCandidate {
    /// Position of the first token.
    pub start: usize,
    /// Position of the last token.
    pub end: usize,
    /// Score of the start.
    pub start_score: f32,
    /// Score of the end.
    pub end_score: f32,
}

/// The prediction of a head for one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowPrediction {
    /// Span candidates, in any order.
    pub candidates: Vec<SpanCandidate>,
    /// The score of no answer; None if the head does not predict it.
    pub null: Option<NullScore>,
}

/// The score of no answer in a window. The score of a question is the smallest of its windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NullScore {
    /// The logit of a classifier, which is the question's score of no answer.
    Classifier(f32),
    /// The score of the span `[CLS]`; the question's score of no answer is this minus the score of its best
    /// answer.
    ClsSpan(f32),
}

/// One of the best answers to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedAnswer {
    /// The text, as in the context.
    pub text: String,
    /// Softmax of the scores over the answers in `n_best`.
    pub probability: f64,
    /// Score of its start.
    pub start_score: f64,
    /// Score of its end.
    pub end_score: f64,
}

/// The decoded answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedAnswer {
    /// The best answers, with different texts, the best first. If there is no valid span, the only answer is
    /// the empty text (the released code has "empty" there).
    pub n_best: Vec<RankedAnswer>,
    /// The score of no answer; None if the head does not predict it.
    pub no_answer: Option<f64>,
}

impl DecodedAnswer {
    /// The best answer, before the threshold on `no_answer`.
    pub fn text(&self) -> &str {
        self.n_best.first().map_or("", |span| span.text.as_str())
    }
}

/// Decodes the answer from the predictions for a question's windows, in order.
pub fn decode(
    question: &TokenizedQuestion,
    context: &str,
    windows: &[WindowPrediction],
    spec: &SquadSpec,
) -> DecodedAnswer {
    let mut valid: Vec<(f64, SpanCandidate, &str)> = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        let each = window.candidates.iter();
        valid.extend(each.filter_map(|one| {
            let text = span_text(question, context, index, one, spec.answer_len)?;
            Some((f64::from(one.start_score) + f64::from(one.end_score), *one, text))
        }));
    }
    // A stable sort: of equal scores, the first candidate of the first window wins.
    valid.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut n_best: Vec<RankedAnswer> = Vec::new();
    for (_, one, text) in valid {
        if n_best.len() == spec.n_best {
            break;
        }
        if !n_best.iter().any(|other| other.text == text) {
            n_best.push(RankedAnswer {
                text: text.to_string(),
                probability: 0.0,
                start_score: f64::from(one.start_score),
                end_score: f64::from(one.end_score),
            });
        }
    }
    if n_best.is_empty() {
        n_best.push(RankedAnswer { text: String::new(), probability: 0.0, start_score: 0.0, end_score: 0.0 });
    }
    set_probabilities(&mut n_best);
    let best = n_best.first().map_or(0.0, |span| span.start_score + span.end_score);
    let no_answer = windows.iter().filter_map(|window| window.null).map(|null| match null {
        NullScore::Classifier(logit) => f64::from(logit),
        NullScore::ClsSpan(score) => f64::from(score) - best,
    });
    DecodedAnswer { no_answer: no_answer.reduce(f64::min), n_best }
}

/// The text of a candidate, if it is a valid span.
fn span_text<'a>(
    question: &TokenizedQuestion,
    context: &'a str,
    window: usize,
    one: &SpanCandidate,
    max_length: usize,
) -> Option<&'a str> {
    let start = question.token_at(window, one.start)?;
    let end = question.token_at(window, one.end)?;
    let is_valid = start <= end && end - start < max_length && question.is_best_window(window, start);
    if is_valid { question.text_between(context, start, end) } else { None }
}

fn set_probabilities(spans: &mut [RankedAnswer]) {
    let score = |span: &RankedAnswer| span.start_score + span.end_score;
    let largest = spans.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = spans.iter().map(|span| (score(span) - largest).exp()).sum();
    for span in spans {
        span.probability = (score(span) - largest).exp() / sum;
    }
}

#[cfg(test)]
mod tests;
