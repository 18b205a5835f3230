//! Traces of small trials against PyTorch's own numbers for the same weights, masks and samples.
//!
//! The golden files and how they are made: `tests/golden/README.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use safetensors::{Dtype, SafeTensors};

use super::*;
use crate::run::fixture::an_env;
use crate::spec::load;
use crate::track::Silent;

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

/// Compares everything that a golden file has with the trace of its experiment file.
fn agrees(name: &str) {
    let trial = golden_trial(name, &[]);
    let ours = numbers(&trace(&trial, STEPS, &Device::Cpu, &an_env(), &Silent).unwrap());
    let theirs = numbers(&std::fs::read(golden_file(name, "safetensors")).unwrap());
    let initial = ours.iter().filter(|(key, _)| key.starts_with("initial/"));
    let first: Vec<f64> = initial.map(|(_, values)| values[0]).collect();
    let same_start = "starts from other weights than when the golden file was made";
    let made_so = "if that is meant, make it again as tests/golden/README.md says";
    assert_eq!(first, theirs["initial_first"], "{name} {same_start}: {made_so}");
    let mut n_compared = [0; 3];
    for (key, golden) in theirs.iter().filter(|(key, _)| *key != "initial_first") {
        let (place, part) = key.split_once('/').unwrap();
        let traced = match place {
            "final" => &ours[&format!("step.{}/updated/{part}", STEPS - 1)],
            _ => &ours[key],
        };
        let kind = part.split('/').next().unwrap();
        match (place, kind) {
            ("final", _) => {
                let difference = largest_difference(traced, golden);
                assert!(
                    difference <= 1e-4,
                    "{name}: weights {part} differ by {difference:e} after {STEPS} steps"
                );
                n_compared[0] += 1;
            }
            (_, "gradient") => {
                let difference = relative_difference(traced, golden);
                assert!(difference <= 1e-4, "{name}: {key} differs by {difference:e} of its norm");
                n_compared[1] += 1;
            }
            // The golden file has the first slots only.
            (_, "generator_logits" | "discriminator_logits") => {
                let difference = largest_difference(traced, golden);
                assert!(difference <= 1e-4, "{name}: {key} differs by {difference:e}");
            }
            (_, "loss" | "mlm_loss" | "rtd_loss" | "gradient_norm") => {
                let difference = largest_difference(traced, golden);
                assert!(difference <= 1e-3, "{name}: {key} is {traced:?}, in PyTorch {golden:?}");
                n_compared[2] += 1;
            }
            _ => assert_eq!(
                traced, golden,
                "{name}: {key} is not what the golden file was made from: {made_so}"
            ),
        }
    }
    let n_parameters = first.len();
    let n_losses = if name.starts_with("rtd") { 4 } else { 3 };
    assert_eq!(n_compared, [n_parameters, n_parameters, n_losses * STEPS as usize], "{name} is not complete");
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
