//! Tests that every objective must pass: which loss trains which parameter.
//!
//! Next: `tests/learning.rs` for what it must learn of the built-in language, `tests/sharing.rs` for
//! parameters that generator and discriminator share, `tests/micro_batch.rs` for batches that are cut.

mod learning;
mod micro_batch;
mod sharing;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use crate::checkpoint::TrainedNetworks;
use crate::experiment::{
    Budget, DataSpec, MainTask, ModelSpec, ObjectiveSpec, Sharing, TrainSpec, TrialSpec,
};
use crate::flops;
use crate::hub::DataEnv;
use crate::nn::{Mode, Parameter, Parameters};
use crate::records::Silent;
use crate::text::{BigramCounts, Corpus, open_corpus, open_tokenizer};
use crate::train::{Optimizer, Stepper};

use super::step::StepTrace;
use super::*;

const SEQ_LEN: usize = 16;

/// Every objective, in its shortest form.
const KINDS: [&str; 17] = [
    r#"{"kind": "rtd"}"#,
    r#"{"kind": "rtd", "generator": "unigram"}"#,
    r#"{"kind": "rtd", "generator": "uniform", "disallow_correct": true}"#,
    r#"{"kind": "rtd", "generator": "bigram", "temperature": 2}"#,
    r#"{"kind": "rtd", "temperature": 2, "final_temperature": 1}"#,
    r#"{"kind": "electra_15"}"#,
    r#"{"kind": "replace_mlm"}"#,
    r#"{"kind": "all_tokens_mlm"}"#,
    r#"{"kind": "two_stage"}"#,
    r#"{"kind": "two_stage", "second_stage": "joint"}"#,
    r#"{"kind": "adversarial"}"#,
    r#"{"kind": "coco_lm"}"#,
    r#"{"kind": "coco_lm", "correction": "released_code", "scl_weight": 0}"#,
    r#"{"kind": "coco_lm", "clm_weight": 0}"#,
    r#"{"kind": "electric"}"#,
    r#"{"kind": "script"}"#,
    r#"{"kind": "mlm"}"#,
];

fn trial(objective: &str, n_steps: u64) -> TrialSpec {
    let objective: ObjectiveSpec = serde_json::from_str(objective).unwrap();
    let stages = objective.generator_steps(10) > 0;
    let model = ModelSpec {
        hidden: Some(32),
        layers: Some(1),
        heads: Some(2),
        embedding: Some(24),
        positions: SEQ_LEN,
        dropout: 0.0,
        attention_dropout: 0.0,
        generator_ratio: if stages { 1.0 } else { 0.5 },
        sharing: if stages { Sharing::None } else { Sharing::Embeddings },
        ..Default::default()
    };
    let train = TrainSpec {
        steps: n_steps,
        batch: 16,
        seq_len: SEQ_LEN,
        learning_rate: 1e-3,
        warmup: 5,
        budget: Budget::Steps,
        ..Default::default()
    };
    let data = DataSpec::Language { documents: 2000, seed: 0 };
    TrialSpec {
        seed: 1,
        model,
        objective,
        data,
        train,
        published: None,
        init: Default::default(),
        evaluate: Default::default(),
        control: None,
    }
}

/// The built-in language, and what an objective knows about it.
fn language() -> (Corpus, Vocabulary) {
    let cache = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-cache");
    let env = DataEnv { cache, ..DataEnv::new(true).unwrap() };
    let data = trial(KINDS[0], 1).data;
    let tokenizer = open_tokenizer(&data, &env, &Silent).unwrap();
    let corpus = open_corpus(&data, SEQ_LEN, &env, &Silent).unwrap();
    let special = tokenizer.special();
    let vocabulary = Vocabulary {
        size: tokenizer.vocab_size(),
        mask: special.mask,
        never_masked: vec![special.pad, special.cls, special.sep, special.mask],
        counts: corpus.token_counts(tokenizer.vocab_size()),
        bigrams: Some(BigramCounts::of_corpus(&corpus).into()),
    };
    (corpus, vocabulary)
}

/// Gradients of one training step by parameter. Parameters without one are absent.
fn gradients(spec: &TrialSpec, step: u64) -> BTreeMap<String, Vec<f32>> {
    let (corpus, vocabulary) = language();
    let objective = build(spec, &vocabulary, &Device::Cpu).unwrap();
    let batch = corpus.batch_at(1, 0, 4);
    let context = StepContext { seed: 1, step, training: true, trace: true };
    let grads = objective.parameters().gradients(&objective.losses(&batch, context).unwrap().total);
    let of = |parameter: &Parameter| {
        let gradient = grads.get(&parameter.name)?.flatten_all().unwrap().to_vec1().unwrap();
        Some((parameter.name.clone(), gradient))
    };
    let found: BTreeMap<String, Vec<f32>> = objective.parameters().iter().filter_map(of).collect();
    for parameter in objective.parameters().iter() {
        let gradient = found.get(&parameter.name);
        let some = gradient.is_some_and(|values| values.iter().any(|&value| value != 0.0));
        let none = gradient.is_none_or(|values| values.iter().all(|&value| value == 0.0));
        let trained = objective.trains(step, &parameter.name);
        assert!(if trained { some } else { none }, "{}: {}", spec.objective.kind(), parameter.name);
    }
    found
}

/// The guard against silently dropped gradients, and against training a network that a stage freezes.
#[test]
fn exactly_the_trained_parameters_get_gradients() {
    for kind in KINDS {
        for step in [0, 9] {
            gradients(&trial(kind, 10), step);
        }
    }
}

/// The parameter count matches the parameters, and an export makes the same ones and knows every name.
#[test]
fn every_objective_is_counted_and_exported() {
    let (_, vocabulary) = language();
    for kind in KINDS {
        for sharing in [Sharing::None, Sharing::Embeddings, Sharing::All, Sharing::Gdes] {
            let mut spec = trial(kind, 10);
            (spec.model.sharing, spec.model.generator_ratio) = (sharing, 1.0);
            let restores = spec.objective.has_generator() && spec.objective.main_task() != MainTask::Detect;
            let towers = spec.objective.has_two_towers();
            // The checks of a trial refuse these.
            if (restores && sharing == Sharing::Gdes) || (towers && sharing == Sharing::All) {
                continue;
            }
            let objective = build(&spec, &vocabulary, &Device::Cpu).unwrap();
            assert_eq!(flops::n_parameters(&spec, vocabulary.size), objective.parameters().count(), "{kind}");
            let trained = |parameters: &Parameters| -> Vec<(String, Vec<usize>)> {
                parameters.iter().map(|p| (p.name.clone(), p.var.dims().to_vec())).collect()
            };
            let networks = TrainedNetworks::new(&spec, vocabulary.size, |made| {
                assert_eq!(trained(made), trained(objective.parameters()), "{kind}");
                Ok(())
            });
            let (networks, folder) = (networks.unwrap(), tempfile::tempdir().unwrap());
            networks.main.write(&folder.path().join("main"), 0).unwrap();
            let is_exported = spec.objective.has_generator() && !spec.objective.has_two_towers();
            assert_eq!(networks.generator.is_some(), is_exported);
            if let Some(generator) = networks.generator {
                generator.write(&folder.path().join("generator"), 0).unwrap();
            }
        }
    }
}

/// First parts of the names of the parameters whose gradients differ between two objectives.
fn changed(one: &str, other: &str, sharing: Sharing) -> Vec<String> {
    let of = |text: &str| {
        let mut spec = trial(text, 10);
        spec.model.sharing = sharing;
        gradients(&spec, 9)
    };
    let (one, other) = (of(one), of(other));
    assert_eq!(one.len(), other.len());
    let differ = one.iter().filter(|(name, values)| other[*name] != **values);
    let mut parts: Vec<String> = differ.map(|(name, _)| name.split('.').next().unwrap().into()).collect();
    parts.sort();
    parts.dedup();
    parts
}

/// Trap 9 of `tests/suite/traps.rs`, for every objective: the loss of the main network does not reach the
/// generator.
#[test]
fn the_main_loss_reaches_the_generator_in_no_objective() {
    let detect = ["discriminator_head", "embeddings", "encoder"];
    let restore = ["embeddings", "encoder", "mlm_head"];
    let gated = ["copy_gate", "embeddings", "encoder", "mlm_head"];
    for (kind, weight, parts) in [
        ("rtd", "disc_weight", detect.as_slice()),
        ("electra_15", "disc_weight", &detect),
        ("replace_mlm", "restore_weight", &restore),
        ("all_tokens_mlm", "restore_weight", &gated),
        ("adversarial", "disc_weight", &detect),
        ("electric", "disc_weight", &detect),
        ("script", "critic_weight", &restore),
        ("coco_lm", "clm_weight", &gated),
        ("coco_lm", "copy_weight", &["copy_gate", "embeddings", "encoder"]),
        ("coco_lm", "scl_weight", &["embeddings", "encoder"]),
    ] {
        let with = |value: f64| format!(r#"{{"kind": "{kind}", "{weight}": {value}}}"#);
        assert_eq!(changed(&with(1.0), &with(2.0), Sharing::None), parts, "{kind}");
    }
}

/// The policy gradient reaches the generator and neither the discriminator nor the baseline. The baseline's
/// loss reaches the baseline only.
#[test]
fn each_adversarial_loss_trains_its_network() {
    let with = |weight: &str, value: f64| format!(r#"{{"kind": "adversarial", "{weight}": {value}}}"#);
    let reached_by = |weight| changed(&with(weight, 1.0), &with(weight, 2.0), Sharing::None);
    assert_eq!(reached_by("policy_weight"), ["generator"]);
    assert_eq!(reached_by("baseline_weight"), ["baseline"]);
    assert_eq!(reached_by("mle_weight"), ["generator"]);
    assert_eq!(reached_by("entropy_bonus"), ["generator"]);
    let shared = changed(&with("policy_weight", 1.0), &with("policy_weight", 2.0), Sharing::Embeddings);
    assert_eq!(shared, ["embeddings", "generator"]);
}

/// Trains an objective.
fn learn(objective: &dyn Objective, spec: &TrialSpec, corpus: &Corpus) {
    let n_steps = spec.train.steps;
    let mut optimizer = Optimizer::new((&spec.train).into(), objective.parameters()).unwrap();
    let stepper = Stepper { seed: 1, spec: &spec.train, n_steps, objective, trace: false };
    for step in 0..n_steps {
        let batch = corpus.batch_at(1, step, spec.train.batch);
        stepper.step(&mut optimizer, step, batch).unwrap();
    }
}

/// Metrics on held-out text.
fn held_out(objective: &dyn Objective, corpus: &Corpus) -> Metrics {
    let batch = corpus.validation_batch(0, 64).unwrap();
    let context = StepContext { seed: 1, step: 0, training: false, trace: true };
    objective.losses(&batch, context).unwrap().metrics.resolve().unwrap()
}

/// Against a frozen discriminator the policy gradient alone raises the reward.
#[test]
fn the_adversarial_generator_raises_its_reward() {
    let (corpus, vocabulary) = language();
    let mut spec = trial(r#"{"kind": "adversarial"}"#, 80);
    (spec.model.sharing, spec.train.learning_rate) = (Sharing::None, 4e-3);
    (spec.model.dropout, spec.model.attention_dropout) = (0.1, 0.1);
    let objective = build(&spec, &vocabulary, &Device::Cpu).unwrap();
    learn(objective.as_ref(), &spec, &corpus);
    let before = held_out(objective.as_ref(), &corpus);
    let mut optimizer = Optimizer::new((&spec.train).into(), objective.parameters()).unwrap();
    let is_generator = |name: &str| name.starts_with("generator.") || name.starts_with("baseline.");
    for step in 0..80 {
        let batch = corpus.batch_at(1, 100 + step, spec.train.batch);
        let context = StepContext { seed: 1, step: 100 + step, training: true, trace: true };
        let loss = objective.losses(&batch, context).unwrap().total;
        let parameters = objective.parameters();
        optimizer.step_of(parameters, &loss, |parameter| is_generator(&parameter.name), |_| 4e-3).unwrap();
    }
    let after = held_out(objective.as_ref(), &corpus);
    let reward = |metrics: &Metrics| metrics.value("reward").unwrap();
    assert!(reward(&after) > 1.1 * reward(&before), "from {} to {}", reward(&before), reward(&after));
}

/// A table has an entropy and a sample accuracy, but no loss and no parameters.
#[test]
fn a_generator_without_a_network_has_metrics_but_no_loss() {
    let (corpus, vocabulary) = language();
    let objective = build(&trial(KINDS[2], 10), &vocabulary, &Device::Cpu).unwrap();
    let metrics = held_out(objective.as_ref(), &corpus);
    assert_eq!(metrics.value("sample_accuracy"), Some(0.0), "the original is never drawn");
    let uniform = (vocabulary.size as f64 - 4.0).ln();
    assert!((metrics.value("generator_entropy").unwrap() - uniform).abs() < 1e-9);
    assert_eq!((metrics.value("mlm_loss"), objective.parameters().iter().count() > 0), (None, true));
    assert!(objective.parameters().iter().all(|parameter| !parameter.name.starts_with("generator.")));
}

/// Losses [] of a training step on texts of unequal lengths by the traced name, `loss` among them, and the
/// mask with the number of tokens.
fn traced_losses(objective: &str) -> (BTreeMap<&'static str, Tensor>, Vec<u32>, usize) {
    let (corpus, vocabulary) = language();
    let objective = build(&trial(objective, 10), &vocabulary, &Device::Cpu).unwrap();
    let batch = corpus.batch_at(1, 3, 5);
    let context = StepContext { seed: 1, step: 3, training: true, trace: true };
    let Losses { total, trace, .. } = objective.losses(&batch, context).unwrap();
    let mut traced: BTreeMap<_, _> = trace.into_iter().collect();
    traced.insert("loss", total.detach());
    let positions = traced["masked_positions"].to_vec1().unwrap();
    (traced, positions, batch.n_tokens())
}

/// The discriminator's loss of ELECTRA 15 % from its logits: the sum over the masked positions, each once,
/// divided by their number or by that of all tokens.
#[test]
fn electra_15_is_normalised_as_it_says() {
    for (normalise, by_all) in [("masked", false), ("all_tokens", true)] {
        let spec = format!(
            r#"{{"kind": "electra_15", "disc_weight": 3, "masking": "released_code", "normalise": "{normalise}"}}"#
        );
        let (traced, mut positions, n_tokens) = traced_losses(&spec);
        let n_slots = positions.len();
        positions.dedup();
        assert!(positions.len() < n_slots, "the test needs a position that was drawn twice");
        let logits: Vec<f32> = traced["discriminator_logits"].to_vec1().unwrap();
        let labels: Vec<u32> = traced["labels"].to_vec1().unwrap();
        let each = positions.iter().map(|&position| {
            let p = 1.0 / (1.0 + (-f64::from(logits[position as usize])).exp());
            -(if labels[position as usize] == 1 { p } else { 1.0 - p }).ln()
        });
        let sum: f64 = each.sum();
        let divisor = if by_all { n_tokens } else { positions.len() } as f64;
        let number = |name: &str| f64::from(traced[name].to_scalar::<f32>().unwrap());
        let expected = number("mlm_loss") + 3.0 * sum / divisor;
        assert!((number("loss") - expected).abs() < 1e-5, "{normalise}: {} {expected}", number("loss"));
        // The metric is a mean over the masked positions by either choice.
        let mean = sum / positions.len() as f64;
        assert!((number("rtd_loss") - mean).abs() < 1e-6, "{normalise}: {} {mean}", number("rtd_loss"));
    }
}

/// The encoder's loss of All-Tokens MLM: the sum over all tokens, which is `restore_loss` times their number,
/// divided by that number or by that of the slots. As a mean over slots a token weighs as in Replace MLM.
#[test]
fn all_tokens_mlm_is_normalised_as_it_says() {
    for (normalise, by_slots) in [("all_tokens", false), ("masked", true)] {
        let spec =
            format!(r#"{{"kind": "all_tokens_mlm", "restore_weight": 3, "normalise": "{normalise}"}}"#);
        let (traced, positions, n_tokens) = traced_losses(&spec);
        let number = |name: &str| f64::from(traced[name].to_scalar::<f32>().unwrap());
        let sum = number("restore_loss") * n_tokens as f64;
        let divisor = if by_slots { positions.len() } else { n_tokens } as f64;
        let expected = number("mlm_loss") + 3.0 * sum / divisor;
        assert!((number("loss") / expected - 1.0).abs() < 1e-6, "{normalise}: {} {expected}", number("loss"));
    }
}
