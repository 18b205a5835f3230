//! A trial gives the same numbers when it is stopped, killed, or run on other threads or in parallel with
//! others.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One trial on the built-in language, with one task.
const EXPERIMENT: &str = "
name: resume
about: Does a stop change a number?
base:
  model: { hidden: 32, layers: 1, heads: 2, embedding: 32, positions: 64, generator_ratio: 0.5 }
  data: { kind: language, documents: 300 }
  train: { steps: 300, warmup: 10, batch: 4, seq_len: 32, learning_rate: 1.0e-3, log_every: 5,
           validate_every: 100, checkpoint_every: 7 }
seeds: [1, 2]
evaluate:
  source: { kind: language, train_examples: 64, validation_examples: 40 }
  tasks: [cola, stsb]
  finetune: { epochs: 2, seq_len: 32 }
  controls: { untrained: false, text_models: false }
  minimal_pairs: [{ kind: language, pairs: 60 }]
  probe: { tasks: [cola] }
";

fn command(folder: &Path, threads: usize, jobs: usize) -> Command {
    std::fs::write(folder.join("resume.yaml"), EXPERIMENT).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra-lab"));
    command
        .current_dir(folder)
        .args(["run", "resume.yaml", "--jobs", &jobs.to_string()])
        .env("ELECTRA_LAB_CACHE", folder.join("cache"))
        .env("HF_HUB_OFFLINE", "1")
        .env("RAYON_NUM_THREADS", threads.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn trials(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("results/resume")).into_iter().flatten().flatten();
    let mut trials: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    trials.sort();
    trials
}

/// All numbers that the trials left: outcomes without their seconds, metrics and predictions.
fn numbers(folder: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    for trial in trials(folder) {
        let read = |name: &str| std::fs::read_to_string(trial.join(name)).unwrap();
        let mut outcome: Value = serde_json::from_str(&read("outcome.json")).unwrap();
        outcome.as_object_mut().unwrap().remove("timing").unwrap();
        all.push(outcome);
        for line in read("metrics.jsonl").lines() {
            let mut event: Value = serde_json::from_str(line).unwrap();
            event.as_object_mut().unwrap().remove("elapsed_s").unwrap();
            all.push(event);
        }
        for task in ["cola", "stsb"] {
            all.push(serde_json::from_str(&read(&format!("predictions/{task}-1.json"))).unwrap());
        }
    }
    all
}

/// Waits until the file of some trial has at least `lines` lines.
fn wait_for(folder: &Path, file: &str, lines: usize, child: &mut Child) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let seen = trials(folder).iter().any(|trial| {
            std::fs::read_to_string(trial.join(file)).is_ok_and(|text| text.lines().count() >= lines)
        });
        if seen {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be stopped");
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("no {lines} lines of {file} after a minute");
}

#[cfg(unix)]
#[test]
fn stops_threads_and_jobs_change_no_number() {
    let whole = tempfile::tempdir().unwrap();
    assert!(command(whole.path(), 2, 1).status().unwrap().success());
    let expected = numbers(whole.path());
    assert_eq!(expected.iter().filter(|value| value.get("scores").is_some()).count(), 2);

    let threads = tempfile::tempdir().unwrap();
    assert!(command(threads.path(), 3, 2).status().unwrap().success());
    assert_eq!(numbers(threads.path()), expected, "three threads, two trials at a time");

    let [here, there] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    assert!(command(here.path(), 2, 1).arg("--pretrain-only").status().unwrap().success());
    let read = |trial: &PathBuf| -> Value {
        serde_json::from_str(&std::fs::read_to_string(trial.join("trial.json")).unwrap()).unwrap()
    };
    for trial in trials(here.path()) {
        assert!(trial.join("checkpoints/final.safetensors").exists() && !trial.join("outcome.json").exists());
        assert_eq!(read(&trial)["provenance"]["tasks_revision"], "");
    }
    std::fs::rename(here.path().join("results"), there.path().join("results")).unwrap();
    assert!(command(there.path(), 2, 1).status().unwrap().success());
    assert_eq!(numbers(there.path()), expected, "pre-trained in one place, fine-tuned in another");
    assert!(
        trials(there.path()).iter().all(|trial| read(trial)["provenance"]["tasks_revision"] == "built-in")
    );

    let stopped = tempfile::tempdir().unwrap();
    let stops = [
        ("metrics.jsonl", 4, libc::SIGKILL),
        ("metrics.jsonl", 20, libc::SIGINT),
        ("metrics.jsonl", 30, libc::SIGUSR1),
        ("metrics.jsonl", 40, libc::SIGKILL),
        ("predictions/cola-1.json", 1, libc::SIGKILL),
    ];
    for (file, lines, signal) in stops {
        let mut child = command(stopped.path(), 1, 1).spawn().unwrap();
        wait_for(stopped.path(), file, lines, &mut child);
        // SAFETY: the process is a child that was not waited for yet, so its number is still its own.
        assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
        let code = child.wait().unwrap().code();
        assert_eq!(code, (signal != libc::SIGKILL).then_some(130), "signal {signal}");
    }
    assert!(trials(stopped.path()).iter().any(|trial| !trial.join("outcome.json").exists()));
    assert!(command(stopped.path(), 1, 1).status().unwrap().success());
    assert_eq!(numbers(stopped.path()), expected, "killed, stopped twice and killed twice more, one thread");
}
