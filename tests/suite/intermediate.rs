//! Tasks that start from the encoder of another task, on the built-in language.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;

use crate::cli::{run_experiment, scores};

/// RTE takes one step at learning rate 0, so its weights stay those that it started from; the others take
/// several steps.
const EXPERIMENT: &str = "
name: intermediate
about: Does an intermediate task help?
base:
  model: { hidden: 32, layers: 1, heads: 2, embedding: 32, positions: 64, generator_ratio: 0.5 }
  data: { kind: language, documents: 200 }
  train: { steps: 4, warmup: 1, batch: 4, seq_len: 32, learning_rate: 1.0e-3, log_every: 2 }
evaluate:
  controls: { untrained: false, text_models: false }
  source: { kind: language, train_examples: 64, validation_examples: 20 }
  tasks: [rte, cola]
  intermediate: { task: qnli, for: [rte] }
  finetune: { epochs: 2, epochs_small_tasks: 0.01, warmup_fraction: 1.0, seq_len: 32 }
";

fn run_in(folder: &Path, sets: &[&str]) -> PathBuf {
    run_experiment(folder, "intermediate", EXPERIMENT, sets)
}

/// The tensors of an encoder, by name, as bytes.
fn encoder(path: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let of_encoder = |(name, view): (String, _)| (!name.contains("head")).then(|| (name, tensor_bytes(view)));
    let mut tensors: Vec<(String, Vec<u8>)> = file.tensors().into_iter().filter_map(of_encoder).collect();
    tensors.sort();
    tensors
}

fn tensor_bytes(view: safetensors::tensor::TensorView<'_>) -> Vec<u8> {
    view.data().to_vec()
}

#[test]
fn a_task_starts_from_the_encoder_of_the_intermediate_task() {
    let kept = tempfile::tempdir().unwrap();
    let trial = run_in(kept.path(), &["evaluate.finetune.keep_models=true"]);
    let weights = |name: &str| encoder(&trial.join(format!("finetuned/{name}-1.safetensors")));
    let (rte, qnli, cola) = (weights("rte"), weights("qnli"), weights("cola"));
    assert!(rte.len() > 10 && rte == qnli, "RTE did not start from QNLI's encoder");
    let same = rte.iter().zip(&cola).filter(|(one, other)| one == other).count();
    assert!(same < rte.len() / 2, "CoLA did not start from pre-training: {same} tensors are the same");
    let tasks: Vec<Value> =
        scores(&trial).as_array().unwrap().iter().map(|score| score["task"].clone()).collect();
    assert_eq!(tasks, ["rte", "cola"], "the intermediate task is not scored unless it is listed");

    // The weights are not kept unless they are wanted. After a stop, lost files are made again with the same
    // numbers.
    let dropped = tempfile::tempdir().unwrap();
    let again = run_in(dropped.path(), &[]);
    assert_eq!(again.file_name(), trial.file_name());
    assert!(!again.join("finetuned").exists());
    assert_eq!(scores(&again), scores(&trial));
    for lost in ["outcome.json", "predictions/rte-1.json"] {
        std::fs::remove_file(again.join(lost)).unwrap();
    }
    let predictions = |trial: &Path| std::fs::read_to_string(trial.join("predictions/rte-1.json")).unwrap();
    let continued = run_in(dropped.path(), &[]);
    assert_eq!(predictions(&continued), predictions(&trial));
    assert_eq!(scores(&continued), scores(&trial));
    assert!(!continued.join("finetuned").exists());
    // If it is also listed as a task, its run is scored too, in any order of the tasks.
    let listed = tempfile::tempdir().unwrap();
    let listed = run_in(listed.path(), &["evaluate.tasks=[rte, qnli, cola]"]);
    let rte = |scores: Value| scores.as_array().unwrap()[0].clone();
    assert_eq!(rte(scores(&listed)), rte(scores(&trial)));
}
