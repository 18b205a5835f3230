//! Pre-training that one trial reuses from another gives the numbers of a trial that did all of it itself.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::run;

const EXPERIMENT: &str = "
name: parts
about: How much pre-training is enough?
base:
  model: { hidden: 32, layers: 1, heads: 2, embedding: 32, positions: 64, generator_ratio: 0.5 }
  data: { kind: language, documents: 200 }
  train: { steps: 8, warmup: 2, batch: 4, seq_len: 32, learning_rate: 1.0e-3, log_every: 2 }
sweep:
  train.stop_at: [1.0, 0.5]
evaluate:
  controls: { untrained: false, text_models: false }
  source: { kind: language, train_examples: 64, validation_examples: 20 }
  tasks: [cola]
  finetune: { epochs: 1, seq_len: 32 }
";

/// Runs an experiment file; returns stderr and the trials' folders, ordered by their share of the steps.
fn run_file(folder: &Path, text: &str, words: &[&str]) -> (String, Vec<PathBuf>) {
    std::fs::write(folder.join("test.yaml"), text).unwrap();
    let (code, _, stderr) = run(folder, &[&["run", "test.yaml"], words].concat());
    assert_eq!(code, 0, "{stderr}");
    let name = text.lines().find_map(|line| line.strip_prefix("name: ")).unwrap();
    let entries = std::fs::read_dir(folder.join("results").join(name)).unwrap();
    let mut trials: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    let share =
        |trial: &PathBuf| read(trial, "trial.json")["spec"]["train"]["stop_at"].as_f64().unwrap_or(1.0);
    trials.sort_by(|a, b| share(a).total_cmp(&share(b)));
    (stderr, trials)
}

fn read(trial: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(trial.join(name)).unwrap()).unwrap()
}

/// The outcome of a trial without its seconds.
fn numbers(trial: &Path) -> Value {
    let mut outcome = read(trial, "outcome.json");
    outcome.as_object_mut().unwrap().remove("timing");
    outcome
}

fn reused_from(trial: &Path) -> Option<String> {
    read(trial, "trial.json")["provenance"]["reused_from"].as_str().map(String::from)
}

#[test]
fn a_longer_trial_continues_from_a_shorter_one() {
    let folder = tempfile::tempdir().unwrap();
    let (_, trials) = run_file(folder.path(), EXPERIMENT, &[]);
    let [half, whole] = &trials[..] else { panic!("two trials") };
    let half_id = half.file_name().unwrap().to_str().unwrap();
    assert_eq!((reused_from(half), reused_from(whole)), (None, Some(format!("parts/{half_id}"))));
    assert_eq!((&numbers(half)["steps"], &numbers(whole)["steps"]), (&4.into(), &8.into()));
    assert_ne!(numbers(half)["validation"], numbers(whole)["validation"]);
    // The longer trial's metrics begin at the first step.
    let metrics = std::fs::read_to_string(whole.join("metrics.jsonl")).unwrap();
    let steps: Vec<u64> = metrics
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["split"] == "train")
        .map(|event| event["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [2, 4, 6, 8]);

    // Alone, without a trial to reuse, the longer one gives the same numbers.
    let alone = tempfile::tempdir().unwrap();
    let (_, trials) = run_file(alone.path(), &EXPERIMENT.replace("[1.0, 0.5]", "[1.0]"), &[]);
    assert_eq!(reused_from(&trials[0]), None);
    assert_eq!(numbers(&trials[0]), numbers(whole));
}

#[test]
fn a_damaged_checkpoint_is_not_reused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, trials) = run_file(folder.path(), &EXPERIMENT.replace("[1.0, 0.5]", "[0.5]"), &[]);
    let checkpoint = trials[0].join("checkpoints/final.safetensors");
    let bytes = std::fs::read(&checkpoint).unwrap();
    std::fs::remove_file(&checkpoint).unwrap();
    std::fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    let (_, trials) = run_file(folder.path(), EXPERIMENT, &[]);
    assert_eq!((trials.len(), reused_from(&trials[1])), (2, None));
}

#[test]
fn a_trial_of_two_experiments_is_trained_once() {
    let folder = tempfile::tempdir().unwrap();
    let (_, first) = run_file(folder.path(), EXPERIMENT, &[]);
    let other = EXPERIMENT.replace("name: parts", "name: again");
    let (stderr, second) = run_file(folder.path(), &other, &[]);
    assert!(stderr.contains("reusing the pre-training of parts/"), "{stderr}");
    for (first, second) in first.iter().zip(&second) {
        assert!(reused_from(second).unwrap().starts_with("parts/"));
        assert_eq!(read(first, "outcome.json"), read(second, "outcome.json"), "its seconds too");
        let predictions = |trial: &PathBuf| std::fs::read(trial.join("predictions/cola-1.json")).unwrap();
        assert_eq!(predictions(first), predictions(second));
    }
    // Of another evaluation of the same pre-training only the evaluation is computed.
    let sets = ["--set", "evaluate.finetune_seeds=2"];
    let (_, third) = run_file(folder.path(), &EXPERIMENT.replace("name: parts", "name: more"), &sets);
    assert_eq!(numbers(&third[1])["scores"].as_array().unwrap().len(), 2);
    assert_eq!(numbers(&third[1])["scores"][0], numbers(&first[1])["scores"][0]);
    // --force reuses nothing.
    let (_, forced) = run_file(folder.path(), &other, &["--force"]);
    assert_eq!(reused_from(&forced[0]), None);
    assert_eq!(numbers(&forced[0]), numbers(&first[0]));
}

#[test]
fn a_budget_in_seconds_is_kept_as_steps() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "--set",
        "base.train.budget=seconds",
        "--set",
        "base.train.amount=0.2",
        "--set",
        "base.train.warmup=0",
    ];
    let (_, trials) = run_file(folder.path(), EXPERIMENT, &sets);
    for (trial, share) in trials.iter().zip([0.5, 1.0]) {
        let steps = read(trial, "throughput.json")["steps"].as_f64().unwrap();
        assert_eq!(numbers(trial)["steps"].as_f64().unwrap(), (steps * share).round());
        assert_eq!(reused_from(trial), None, "another step time gives another schedule");
    }
}
