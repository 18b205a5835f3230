//! Answers from given scores, compared with answers that were computed by hand (trap 35).

use std::collections::BTreeMap;

use super::*;
use crate::tasks::metrics::{SquadPredictions, squad_scores};
use crate::tasks::squad::data::{GoldAnswer, SquadExample};
use crate::tasks::squad::{SquadQuestion, tokenize_questions};
use crate::text::Tokenizer;

const CONTEXT: &str = "a b C d A b";

/// The question has four tokens, so the context begins at position 6.
fn question(spec: &SquadSpec) -> TokenizedQuestion {
    let words = "[PAD] [UNK] [CLS] [SEP] [MASK] who is it ? a b c d";
    let words: Vec<String> = words.split(' ').map(String::from).collect();
    let tokenizer = Tokenizer::from_vocabulary(&words, "a test").unwrap();
    let example = SquadExample {
        id: "q".into(),
        context: CONTEXT.into(),
        question: "Who is it?".into(),
        answers: vec![GoldAnswer { text: "b".into(), start: 2 }],
    };
    tokenize_questions(&[example], &tokenizer, spec).unwrap().remove(0)
}

fn span(start: usize, end: usize, score: f32) -> SpanCandidate {
    SpanCandidate { start, end, start_score: score, end_score: 0.5 }
}

fn texts(answered: &DecodedAnswer) -> Vec<&str> {
    answered.n_best.iter().map(|span| span.text.as_str()).collect()
}

#[test]
fn invalid_spans_are_left_out() {
    let spec = SquadSpec { answer_len: 2, ..Default::default() };
    let question = question(&spec);
    let candidates = vec![
        span(0, 0, 9.0),   // [CLS]
        span(0, 6, 8.9),   // from [CLS] into the context
        span(1, 1, 8.0),   // the question
        span(4, 6, 7.9),   // from the question into the context
        span(11, 12, 7.0), // the last [SEP]
        span(8, 7, 6.0),   // backwards
        span(6, 8, 5.0),   // too long
        span(6, 7, 4.0),
        span(10, 11, 3.0), // "A b": another text than "a b"
        span(7, 7, 2.0),
        span(11, 11, 1.0), // "b" again
    ];
    let answered = decode(&question, CONTEXT, &[WindowPrediction { candidates, null: None }], &spec);
    assert_eq!(texts(&answered), ["a b", "A b", "b"]);
    assert_eq!((answered.n_best[2].start_score, answered.no_answer), (2.0, None));
    // Softmax of 4.5, 3.5 and 2.5.
    let sum = 1.0 + (-1f64).exp() + (-2f64).exp();
    for (span, power) in answered.n_best.iter().zip([0.0, -1.0, -2.0f64]) {
        assert!((span.probability - power.exp() / sum).abs() < 1e-12);
    }
    let few = SquadSpec { n_best: 1, ..spec };
    let two = WindowPrediction { candidates: vec![span(7, 7, 1.0), span(6, 6, 2.0)], null: None };
    assert_eq!(texts(&decode(&question, CONTEXT, &[two], &few)), ["a"]);
}

/// Windows a b C d | C d A b. An answer may start at "C" only in the first and at "d" only in the second,
/// with any scores.
#[test]
fn an_answer_starts_in_the_window_that_shows_most_around_it() {
    let spec = SquadSpec { seq_len: 11, query_len: 4, stride: 2, ..Default::default() };
    let question = question(&spec);
    assert_eq!(question.n_windows(), 2);
    let window = |candidates: &[SpanCandidate], null| WindowPrediction {
        candidates: candidates.to_vec(),
        null: Some(null),
    };
    let windows = [
        window(&[span(8, 8, 1.0), span(9, 9, 9.0)], NullScore::Classifier(-1.5)),
        window(&[span(6, 6, 9.0), span(7, 8, 0.0)], NullScore::Classifier(-4.0)),
    ];
    let answered = decode(&question, CONTEXT, &windows, &spec);
    assert_eq!(texts(&answered), ["C", "d A"]);
    assert_eq!(answered.no_answer, Some(-4.0), "the smallest of the windows");
    let windows = [
        window(&[span(8, 8, 1.0)], NullScore::ClsSpan(5.0)),
        window(&[span(7, 8, 2.0)], NullScore::ClsSpan(3.0)),
    ];
    assert_eq!(decode(&question, CONTEXT, &windows, &spec).no_answer, Some(3.0 - 2.5));
}

#[test]
fn a_question_without_a_valid_span_has_an_empty_answer() {
    let spec = SquadSpec::default();
    let windows =
        [WindowPrediction { candidates: vec![span(0, 0, 9.0)], null: Some(NullScore::Classifier(-7.0)) }];
    let answered = decode(&question(&spec), CONTEXT, &windows, &spec);
    assert_eq!((answered.text(), answered.no_answer, answered.n_best[0].probability), ("", Some(-7.0), 1.0));
    let windows = [WindowPrediction { candidates: Vec::new(), null: Some(NullScore::ClsSpan(2.0)) }];
    assert_eq!(decode(&question(&spec), CONTEXT, &windows, &spec).no_answer, Some(2.0));
}

/// The official scores of three questions, of which the last has no answer.
///
/// The answer to q1 is correct, the one to q2 is "C d" instead of "d", and q3 is answered although it has no
/// answer.
#[test]
fn scores_of_given_predictions_by_hand() {
    let spec = SquadSpec::default();
    let question = question(&spec);
    let predicted = |start, end, logit| {
        let candidates = vec![span(start, end, 1.0)];
        decode(
            &question,
            CONTEXT,
            &[WindowPrediction { candidates, null: Some(NullScore::Classifier(logit)) }],
            &spec,
        )
    };
    let answered =
        [("q1", predicted(7, 7, -5.0)), ("q2", predicted(8, 9, -2.0)), ("q3", predicted(6, 7, -3.0))];
    let gold = |id: &str, answers: &[&str]| SquadQuestion {
        id: id.into(),
        answers: answers.iter().map(|text| text.to_string()).collect(),
    };
    let questions = [gold("q1", &["b"]), gold("q2", &["d"]), gold("q3", &[])];
    let answers: BTreeMap<String, String> =
        answered.iter().map(|(id, one)| (id.to_string(), one.text().to_string())).collect();
    let no_answer = answered.iter().map(|(id, one)| (id.to_string(), one.no_answer.unwrap())).collect();
    let predictions =
        SquadPredictions { answers, no_answer: Some(no_answer), no_answer_threshold: spec.threshold() };
    let scores = squad_scores(&questions, &predictions, None).unwrap();
    // q1 is kept and correct; q2 is above the threshold of -2.75, so it counts as unanswered; q3 is kept.
    assert_eq!((scores.exact, scores.f1), (100.0 / 3.0, 100.0 / 3.0));
    assert_eq!((scores.has_answer_f1, scores.no_answer_f1), (Some(50.0), Some(0.0)));
    // Answering q1 alone is best: q1 and the unanswered q3 are correct. "C d" for "d" has F1 2/3, less than
    // q3 loses.
    assert_eq!((scores.best_f1, scores.best_f1_thresh), (Some(200.0 / 3.0), Some(-5.0)));
    assert_eq!((scores.best_exact, scores.best_exact_thresh), (Some(200.0 / 3.0), Some(-5.0)));
}
