//! Traces of small trials against PyTorch's own numbers for the same weights, masks and samples.
//!
//! The golden files and how they are made: `tests/golden/README.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::*;
use crate::experiment::load;
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
const EXACT: [&str; 8] = [
    "ids",
    "types",
    "offsets",
    "masked_positions",
    "generator_input",
    "samples",
    "discriminator_input",
    "labels",
];

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
    let (mut n_weights, mut n_gradients, mut n_losses) = (0, 0, 0);
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
            "generator_logits" | "discriminator_logits" => {
                assert!(difference <= 1e-4, "{name}: {key} differs by {difference:e}");
            }
            _ => {
                assert!(
                    is_complete && difference <= 1e-3,
                    "{name}: {key} is {traced:?}, in PyTorch {golden:?}"
                );
                n_losses += 1;
            }
        }
    }
    // `loss`, `mlm_loss` and `gradient_norm` of every step, `rtd_loss` where there is one.
    let n_names = if name.starts_with("rtd") { 4 } else { 3 };
    assert_eq!((n_weights, n_gradients, n_losses), (first.len(), first.len(), n_names * STEPS as usize));
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
