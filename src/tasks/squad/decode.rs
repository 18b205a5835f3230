//! From the spans that a question's windows offer to its answer, by the rules of the released code
//! (google-research/electra, finetune/qa/qa_metrics.py).
//!
//! No span may start at [CLS], lie outside the context, start where another window shows more of the context, end
//! before it starts, or be longer than allowed. Must never: see a tensor. Next: `score.rs`.

use super::features::TokenQuestion;
use crate::experiment::SquadSpec;

/// A span that a window offers. Positions are those of the window's input; scores are logits (simple head) or log
/// probabilities (paper's head).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Position of the first token.
    pub start: usize,
    /// Of the last.
    pub end: usize,
    /// Score of the start.
    pub start_score: f32,
    /// Score of the end.
    pub end_score: f32,
}

/// What a head says of one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowAnswers {
    /// Spans, in any order.
    pub candidates: Vec<Candidate>,
    /// What speaks against an answer; None of a head without an opinion.
    pub null: Option<Null>,
}

/// What speaks against an answer in a window. The smallest of a question's windows counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Null {
    /// The logit of a classifier, which is the question's score of no answer.
    Classified(f32),
    /// The score of the span that is [CLS]; the question's score of no answer is that less its best answer's.
    Span(f32),
}

/// A possible answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// In the words of the context.
    pub text: String,
    /// Softmax of the scores over the question's possible answers.
    pub probability: f64,
    /// Score of its start.
    pub start_score: f64,
    /// Score of its end.
    pub end_score: f64,
}

/// What is said of one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// Possible answers with different texts, the best first. Of a question without a possible span, the empty text
    /// (the released code says "empty" there).
    pub n_best: Vec<Span>,
    /// How much speaks against any answer; None where the head has no opinion.
    pub no_answer: Option<f64>,
}

impl Answered {
    /// The best answer; whether it is given is the threshold's matter.
    pub fn text(&self) -> &str {
        self.n_best.first().map_or("", |span| span.text.as_str())
    }
}

/// Brings a question's windows together; `windows` has one entry a window, in order.
pub fn decode(
    question: &TokenQuestion,
    context: &str,
    windows: &[WindowAnswers],
    spec: &SquadSpec,
) -> Answered {
    let mut allowed: Vec<(f64, Candidate, &str)> = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        let each = window.candidates.iter();
        allowed.extend(each.filter_map(|one| {
            let text = allowed_text(question, context, index, one, spec.answer_len)?;
            Some((f64::from(one.start_score) + f64::from(one.end_score), *one, text))
        }));
    }
    // A stable sort: of equal scores the first window and its first candidate win.
    allowed.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut n_best: Vec<Span> = Vec::new();
    for (_, one, text) in allowed {
        if n_best.len() == spec.n_best {
            break;
        }
        if !n_best.iter().any(|other| other.text == text) {
            n_best.push(Span {
                text: text.to_string(),
                probability: 0.0,
                start_score: f64::from(one.start_score),
                end_score: f64::from(one.end_score),
            });
        }
    }
    if n_best.is_empty() {
        n_best.push(Span { text: String::new(), probability: 0.0, start_score: 0.0, end_score: 0.0 });
    }
    set_probabilities(&mut n_best);
    let best = n_best.first().map_or(0.0, |span| span.start_score + span.end_score);
    let no_answer = windows.iter().filter_map(|window| window.null).map(|null| match null {
        Null::Classified(logit) => f64::from(logit),
        Null::Span(score) => f64::from(score) - best,
    });
    Answered { no_answer: no_answer.reduce(f64::min), n_best }
}

/// The words of a candidate, if it is one that may be answered with.
fn allowed_text<'a>(
    question: &TokenQuestion,
    context: &'a str,
    window: usize,
    one: &Candidate,
    longest: usize,
) -> Option<&'a str> {
    let start = question.token_at(window, one.start)?;
    let end = question.token_at(window, one.end)?;
    let fits = start <= end && end - start < longest && question.is_best_window(window, start);
    if fits { question.words(context, start, end) } else { None }
}

fn set_probabilities(spans: &mut [Span]) {
    let score = |span: &Span| span.start_score + span.end_score;
    let largest = spans.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = spans.iter().map(|span| (score(span) - largest).exp()).sum();
    for span in spans {
        span.probability = (score(span) - largest).exp() / sum;
    }
}

#[cfg(test)]
mod tests;
