//! Traces of small trials against PyTorch's own numbers for the same weights, masks and samples.
//!
//! The golden files and how they are made: `tests/golden/README.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::*;
use crate::experiment::{Stage, load};
use crate::records::Silent;
use crate::run::fixture::an_env;

/// Steps in every golden file.
const STEPS: u64 = 10;

/// The numbers of a safetensors file by name.
pub fn numbers(bytes: &[u8]) -> BTreeMap<String, Vec<f64>> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let values = |view: &TensorView<'_>| -> Vec<f64> {
        let data = view.data();
        match view.dtype() {
            Dtype::F32 => {
                data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
            }
            Dtype::I64 => {
                data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect()
            }
            Dtype::I16 => {
                data.chunks_exact(2).map(|b| f64::from(i16::from_le_bytes(b.try_into().unwrap()))).collect()
            }
            other => panic!("{other:?}"),
        }
    };
    file.tensors().iter().map(|(name, view)| (name.clone(), values(view))).collect()
}

/// The trial of an experiment file of `tests/golden/parity`, with overrides.
pub fn golden_trial(name: &str, sets: &[&str]) -> Trial {
    let path = golden_file(name, "yaml");
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    load(&path, None, &sets).unwrap().trials.remove(0)
}

fn golden_file(name: &str, extension: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parity");
    folder.join(format!("{name}.{extension}"))
}

fn largest_difference(ours: &[f64], theirs: &[f64]) -> f64 {
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn relative_difference(ours: &[f64], theirs: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b)) / norm(&mut theirs.iter().copied())
}

/// What a trial draws, and what follows from it without arithmetic. Unless these are equal the comparison is
/// void.
const EXACT: [&str; 11] = [
    "ids",
    "types",
    "offsets",
    "masked_positions",
    "generator_input",
    "samples",
    "discriminator_input",
    "labels",
    "restorer_input",
    "view_ids",
    "view_offsets",
];

/// Numbers of tokens and slots at the weights of a stage's first step.
const LOGITS: [&str; 6] =
    ["generator_logits", "discriminator_logits", "gate_logits", "rewards", "advantages", "log_q"];

/// Losses of each golden file's objective, without `loss`, and how many of them two stages have in each step.
fn n_losses(kind: &str) -> usize {
    let steps = STEPS as usize;
    match kind {
        "mlm" => steps,
        "rtd" | "electra_15" | "replace_mlm" | "all_tokens_mlm" | "electric" | "script" => 2 * steps,
        // Four of the ten steps train the generator and have no `rtd_loss`.
        "two_stage" => 2 * steps - 4,
        "adversarial" | "coco_lm" => 4 * steps,
        other => panic!("{other} has no golden file"),
    }
}

/// Compares everything that a golden file has with the trace of its experiment file.
fn agrees(name: &str) {
    let trial = golden_trial(name, &[]);
    let ours = numbers(&trace(&trial, STEPS, &Device::Cpu, &an_env(), &Silent).unwrap());
    let mut theirs = numbers(&std::fs::read(golden_file(name, "safetensors")).unwrap());
    let initial = ours.iter().filter(|(key, _)| key.starts_with("initial/"));
    let first: Vec<f64> = initial.map(|(_, values)| values[0]).collect();
    let is_same_start = theirs.remove("initial_first").unwrap() == first;
    let remake = "if that is intended, make the file again as tests/golden/README.md describes";
    assert!(is_same_start, "{name} starts from other weights than its golden file: {remake}");
    let step_and_kind = |key: &str| {
        let (place, part) = key.split_once('/').unwrap();
        (place.to_string(), part.split('/').next().unwrap().to_string())
    };
    let (exact, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
        theirs.into_iter().partition(|(key, _)| EXACT.contains(&step_and_kind(key).1.as_str()));
    for (key, golden) in &exact {
        assert!(ours[key] == *golden, "{name}: {key} is not that of its golden file: {remake}");
    }
    let (mut n_weights, mut n_gradients, mut n_found) = (0, 0, 0);
    for (key, golden) in &rest {
        let (place, kind) = step_and_kind(key);
        let traced = match key.strip_prefix("final/") {
            Some(parameter) => &ours[&format!("step.{}/updated/{parameter}", STEPS - 1)],
            None => &ours[key],
        };
        let is_complete = traced.len() == golden.len();
        let difference = largest_difference(traced, golden);
        match kind.as_str() {
            _ if place == "final" => {
                assert!(is_complete && difference <= 1e-4, "{name}: {key} differs by {difference:e}");
                n_weights += 1;
            }
            "gradient" => {
                let difference = relative_difference(traced, golden);
                assert!(
                    is_complete && difference <= 1e-4,
                    "{name}: {key} differs by {difference:e} of its norm"
                );
                n_gradients += 1;
            }
            // The golden file holds the generator's logits of the first slots only.
            logits if LOGITS.contains(&logits) => {
                assert!(difference <= 1e-4, "{name}: {key} differs by {difference:e}");
            }
            _ => {
                assert!(
                    is_complete && difference <= 1e-3,
                    "{name}: {key} is {traced:?}, in PyTorch {golden:?}"
                );
                n_found += 1;
            }
        }
    }
    // With `loss` and `gradient_norm` of every step.
    let expected = n_losses(trial.spec.objective.kind()) + 2 * STEPS as usize;
    // A joint second stage trains the generator of the first stage again.
    let is_joint = trial.spec.objective.has_stages()
        && trial.spec.objective.stage(STEPS - 1, trial.spec.train.steps) == Stage::Joint;
    let n_trained_again = match is_joint {
        true => ours.keys().filter(|key| key.starts_with("initial/generator.")).count(),
        false => 0,
    };
    let gradients_expected = first.len() + n_trained_again;
    assert_eq!((n_weights, n_gradients, n_found), (first.len(), gradients_expected, expected), "{name}");
}

#[test]
fn shared_embeddings() {
    agrees("rtd_shared");
}

#[test]
fn untied_embeddings() {
    agrees("rtd_untied");
}

#[test]
fn one_encoder_for_both() {
    agrees("rtd_all");
}

#[test]
fn gradient_disentangled_embeddings() {
    agrees("rtd_gdes");
}

#[test]
fn the_released_codes_masking() {
    agrees("rtd_released_code");
}

#[test]
fn another_temperature_and_adamw() {
    agrees("rtd_temperature_adamw");
}

#[test]
fn masked_language_modelling() {
    agrees("mlm_paper");
}

#[test]
fn masked_language_modelling_with_the_released_codes_masking() {
    agrees("mlm_released_code");
}

#[test]
fn electra_15_percent() {
    agrees("electra_15");
}

#[test]
fn replace_mlm() {
    agrees("replace_mlm");
}

#[test]
fn all_tokens_mlm() {
    agrees("all_tokens_mlm");
}

#[test]
fn two_stages_and_what_happens_between_them() {
    agrees("two_stage");
}

#[test]
fn a_joint_second_stage_and_a_falling_temperature() {
    agrees("two_stage_joint");
}

#[test]
fn script() {
    agrees("script");
}

#[test]
fn an_adversarial_generator() {
    agrees("adversarial");
}

#[test]
fn coco_lm() {
    agrees("coco_lm");
}

#[test]
fn coco_lm_with_the_released_codes_correction() {
    agrees("coco_lm_released_code");
}

#[test]
fn electric() {
    agrees("electric");
}
