//! SQuAD and a task of GLUE in one trial, on the built-in language: after a stop, lost files are made again
//! with the same answers.

use std::path::{Path, PathBuf};

use crate::cli::{run_experiment, scores};

const EXPERIMENT: &str = "
name: reading
about: Is an answer the same after a stop?
base:
  model: { hidden: 32, layers: 1, heads: 2, embedding: 32, positions: 96, generator_ratio: 0.5 }
  data: { kind: language, documents: 200 }
  train: { steps: 4, warmup: 1, batch: 4, seq_len: 32, learning_rate: 1.0e-3, log_every: 2 }
evaluate:
  controls: { untrained: false, text_models: false }
  source: { kind: language, train_examples: 48, validation_examples: 20 }
  tasks: [cola, squad2]
  finetune: { epochs: 1, seq_len: 32, head: huggingface }
  squad: { epochs: 1, seq_len: 96, query_len: 24, stride: 24, beam: 3, n_best: 3, head: simple }
";

fn run_in(folder: &Path, sets: &[&str]) -> PathBuf {
    run_experiment(folder, "reading", EXPERIMENT, sets)
}

fn text(trial: &Path, name: &str) -> String {
    std::fs::read_to_string(trial.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn answers_are_the_same_after_a_stop_and_are_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let trial = run_in(folder.path(), &["evaluate.finetune.keep_models=true"]);
    let files =
        ["predictions.json", "nbest.json", "na_prob.json"].map(|name| format!("predictions/squad2-1/{name}"));
    let (answers, before) = (files.clone().map(|name| text(&trial, &name)), scores(&trial));
    let tasks: Vec<&str> =
        before.as_array().unwrap().iter().map(|score| score["task"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["cola", "squad2"]);
    assert_eq!(before[1]["n_examples"], 20);

    // Without outcome.json it is scored again; without the record it is answered again; without the weights
    // it is trained again.
    let record = "predictions/squad2-1/record.json";
    for lost in [
        vec!["outcome.json"],
        vec!["outcome.json", record],
        vec!["outcome.json", "finetuned/squad2-1.safetensors"],
    ] {
        lost.iter().for_each(|name| std::fs::remove_file(trial.join(name)).unwrap());
        run_in(folder.path(), &["evaluate.finetune.keep_models=true"]);
        assert_eq!(scores(&trial), before, "without {lost:?}");
        assert_eq!(files.clone().map(|name| text(&trial, &name)), answers, "without {lost:?}");
        lost.iter().for_each(|name| assert!(trial.join(name).is_file(), "{name} was not made again"));
    }

    // Each row of the table has the head of its task.
    let reports = std::fs::read_dir(folder.path().join("reports/reading")).unwrap();
    let table = text(&reports.flatten().next().unwrap().path(), "table.csv");
    let header: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let cells = |line: &str| line.split(',').map(String::from).collect::<Vec<_>>();
    let heads: Vec<(String, String)> = table
        .lines()
        .skip(1)
        .map(|line| (cells(line)[column("task")].clone(), cells(line)[column("head")].clone()))
        .collect();
    let pair = |task: &str, head: &str| (task.to_string(), head.to_string());
    assert_eq!(heads, [pair("cola", "huggingface"), pair("squad2", "simple")]);
}
