//! MNLI with every split, on examples in memory: the test hub has no MNLI.

use super::*;
use crate::experiment::{ModelSpec, TaskName};
use crate::model::EncoderNetwork;
use crate::nn::Parameters;
use crate::records::Silent;
use crate::records::folder::TrialFolder;
use crate::run::fixture::{a_context, a_trial, an_env};
use crate::run::interrupt::StopFlag;
use crate::run::prepared_data::PreparedData;
use crate::tasks::fixture::{load_encoder, random_encoder};
use crate::tasks::{ExtraSplit, GlueExample, HIDDEN_LABEL, TaskData};
use crate::text::open_tokenizer;

fn examples(n: i64, label: impl Fn(i64) -> f32) -> Vec<GlueExample> {
    let texts = ["the cat sat", "a dog ran", "the bird"];
    let text = |at: i64| texts[(at % 3) as usize].to_string();
    let example =
        |idx| GlueExample { idx: 2 * idx, text_a: text(idx), text_b: Some(text(idx + 1)), label: label(idx) };
    (0..n).map(example).collect()
}

fn mnli() -> TaskData {
    let labelled = |n| examples(n, |idx| (idx % 3) as f32);
    let hidden = |name| ExtraSplit { name, examples: examples(5, |_| HIDDEN_LABEL) };
    TaskData {
        task: TaskName::Mnli,
        train: labelled(12),
        validation: labelled(6),
        revision: "main".into(),
        synthetic: false,
        n_left_out: 0,
        splits: vec![
            ExtraSplit { name: MISMATCHED, examples: labelled(9) },
            hidden("test_matched"),
            hidden("test_mismatched"),
            hidden("ax"),
        ],
    }
}

#[test]
fn every_split_is_predicted_and_a_resumed_trial_predicts_the_same() {
    let mut trial = a_trial(1);
    let model = ModelSpec { hidden: Some(16), layers: Some(1), embedding: Some(16), ..Default::default() };
    trial.spec.evaluate.tasks = vec![TaskName::Mnli];
    trial.spec.evaluate.finetune.batch = 4;
    let tokenizer = open_tokenizer(&trial.spec.data, &an_env(), &Silent).unwrap();
    let network = EncoderNetwork::of_spec(&model, tokenizer.vocab_size());
    let random = random_encoder(&network);
    let load = |parameters: &Parameters| load_encoder(parameters, &random);
    let pretrained = Pretrained { network, load: &load };
    let results = tempfile::tempdir().unwrap();
    let folder = TrialFolder::new(results.path(), "test", &trial.id);
    let _lock = folder.lock().unwrap();
    let (data, stop) = (PreparedData::default(), StopFlag::default());
    let context = a_context(&folder, &data, &stop);
    let tasks: Tasks = [mnli().into()].into_iter().collect();
    let scores =
        |spec: &TrialSpec| finetune_and_score(spec, &context, &tokenizer, &tasks, &pretrained).unwrap();
    let first = scores(&trial.spec);
    assert_eq!((first.len(), first[0].n_examples), (1, 6));
    let mismatched = first[0].others["accuracy_mismatched"];
    assert!((0.0..=100.0).contains(&mismatched) && first[0].others.len() == 1, "{mismatched}");
    let read = |split| folder.split_predictions(TaskName::Mnli, 1, split).unwrap().unwrap();
    for split in ["test_matched", "test_mismatched", "ax"] {
        let saved = read(split);
        let indices: Vec<i64> = saved.examples.iter().map(|example| example.idx).collect();
        assert_eq!((indices, saved.examples[0].label), (vec![0, 2, 4, 6, 8], -1.0));
    }

    // A split that was lost is predicted again by the same model, trained again or read from its saved
    // weights.
    let ax = read("ax");
    let lose = |split| std::fs::remove_file(folder.split_predictions_path(TaskName::Mnli, 1, split)).unwrap();
    lose("ax");
    assert_eq!(scores(&trial.spec), first);
    assert_eq!(read("ax"), ax);
    trial.spec.evaluate.finetune.keep_models = true;
    assert_eq!(scores(&trial.spec), first);
    assert!(folder.finetuned(TaskName::Mnli, 1).is_file());
    lose("ax");
    assert_eq!(scores(&trial.spec), first);
    assert_eq!(read("ax"), ax);
}
