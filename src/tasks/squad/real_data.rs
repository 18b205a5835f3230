//! Real questions, with Unicode and long contexts, are tokenised to windows and decoded to their answers.

use super::data::open_squad;
use super::decode::{NullScore, SpanCandidate, WindowPrediction, decode};
use super::features::tokenize_questions;
use crate::experiment::{DataSpec, EvaluateSpec, SquadSpec, TaskName, TaskSource, TokenizerSpec};
use crate::hub::{DataEnv, Hub, HubConfig};
use crate::records::Silent;
use crate::tasks::metrics::exact_match;
use crate::text::{Tokenizer, open_tokenizer};

fn bert() -> (DataEnv, DataSpec, Tokenizer) {
    let cache = crate::hub::test_hub();
    let config = HubConfig { cache: Some(cache.clone()), offline: true, ..HubConfig::default() };
    let env = DataEnv { hub: Hub::new(config), cache };
    let data = DataSpec::Files {
        paths: vec!["local.txt".into()],
        column: "text".into(),
        max_documents: None,
        sentences: Default::default(),
        tokenizer: TokenizerSpec::default(),
    };
    let tokenizer = open_tokenizer(&data, &env, &Silent).unwrap();
    (env, data, tokenizer)
}

/// The only candidate is the gold answer, in every window that has it. Fewer than one answer in a hundred
/// differs: one that is a part of a token, such as "six" of "sixth".
#[test]
#[ignore = "needs ELECTRA_LAB_TEST_HUB: a hub cache with real data"]
fn real_gold_scores_decode_to_the_gold_answers() {
    let (env, data, tokenizer) = bert();
    let squad = SquadSpec {
        repo: "rajpurkar/squad-subset".into(),
        repo_v2: "rajpurkar/squad_v2-subset".into(),
        // Short windows, so that nearly every context has several.
        seq_len: 128,
        stride: 32,
        ..Default::default()
    };
    let source = TaskSource::Hub { repo: "nyu-mll/glue".into(), revision: "main".into() };
    let evaluate = EvaluateSpec { source, squad, ..Default::default() };
    for task in [TaskName::Squad, TaskName::Squad2] {
        let opened = open_squad(&evaluate, task, &data, &env).unwrap();
        let spec = &evaluate.squad;
        let (mut n, mut n_correct, mut n_windows) = (0, 0, 0);
        for part in [&opened.train, &opened.validation] {
            for (example, question) in part.iter().zip(tokenize_questions(part, &tokenizer, spec).unwrap()) {
                n_windows += question.n_windows();
                let windows = (0..question.n_windows()).map(|window| {
                    let input = question.input(window, tokenizer.special());
                    let gold = SpanCandidate {
                        start: input.start,
                        end: input.end,
                        start_score: 9.0,
                        end_score: 9.0,
                    };
                    WindowPrediction { candidates: vec![gold], null: Some(NullScore::Classifier(0.0)) }
                });
                let answered = decode(
                    &question,
                    &example.context,
                    &windows.collect::<Vec<_>>(),
                    &SquadSpec { answer_len: 128, ..spec.clone() },
                );
                let gold = example.answers.first().map_or("", |answer| answer.text.as_str());
                n += 1;
                n_correct += usize::from(exact_match(gold, answered.text()));
                let text = answered.text();
                assert!(text.contains(gold.trim()), "{}: \"{gold}\" was decoded as \"{text}\"", example.id);
            }
        }
        eprintln!("{task}: {n_correct} of {n} questions in {n_windows} windows");
        assert!(n > 2000 && n_correct as f64 > 0.99 * n as f64, "{task}: {n_correct} of {n}");
    }
}
