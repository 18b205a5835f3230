//! Stopping, resuming and smaller micro-batches do not change the numbers.

use std::cell::Cell;

use candle_core::Device;

use super::*;
use crate::experiment::{ModelSpec, TrialSpec};
use crate::objective::{Vocabulary, build};
use crate::records::Silent;
use crate::records::checkpoints::file_name;

fn spec() -> TrialSpec {
    let model = ModelSpec {
        hidden: Some(16),
        layers: Some(1),
        heads: Some(2),
        embedding: Some(8),
        positions: 16,
        generator_ratio: 0.5,
        ..Default::default()
    };
    let train =
        TrainSpec { steps: 10, warmup: 2, learning_rate: 1e-2, checkpoint_every: 4, ..Default::default() };
    let (objective, data, init, evaluate) = Default::default();
    TrialSpec { seed: 1, model, objective, data, train, published: None, init, evaluate, control: None }
}

fn batch(step: u64) -> Batch {
    let mut batch = Batch::new();
    for sequence in 0..3u32 {
        let mut ids = vec![2];
        ids.extend((0..10).map(|i| 5 + (step as u32 + sequence * 5 + i * i) % 20));
        ids.push(3);
        batch.push(&ids, &[0; 12]);
    }
    batch
}

/// Trains at most `limit` of ten steps in `folder`. Returns the outcome, the state and every parameter's
/// values.
fn train(folder: &Path, limit: u64) -> (TrainOutcome, TrainState, Vec<Vec<f32>>) {
    train_spec(spec(), folder, limit)
}

fn train_spec(spec: TrialSpec, folder: &Path, limit: u64) -> (TrainOutcome, TrainState, Vec<Vec<f32>>) {
    let vocabulary =
        Vocabulary { size: 30, mask: 4, never_masked: vec![0, 2, 3, 4], counts: Vec::new(), bigrams: None };
    assert_eq!(spec.train.budget, crate::experiment::Budget::Steps);
    let objective = build(&spec, &vocabulary, &Device::Cpu).unwrap();
    let steps = Cell::new(0);
    let stop = || {
        steps.set(steps.get() + 1);
        steps.get() == limit
    };
    let run = Pretraining {
        seed: spec.seed,
        spec: &spec.train,
        n_steps: spec.train.steps,
        last_step: spec.train.last_step(spec.train.steps),
        objective: objective.as_ref(),
        source: BatchSource {
            training: &batch,
            held_out: &|i| (i < 2).then(|| batch(100 + i as u64)),
            flops: &|_, _| 1.0,
        },
        checkpoints: folder,
        owner: &spec.pretraining_id(),
        sink: &Silent,
        stop: &stop,
    };
    let (ended, mut state) = run.run(|state| Ok(state.n_events.unwrap_or(0))).unwrap();
    // A run that continues a shorter one has a line more, where that one ended.
    (state.elapsed_s, state.n_events) = (0.0, None);
    let values = |p: &crate::nn::Parameter| p.var.flatten_all().unwrap().to_vec1().unwrap();
    (ended, state, objective.parameters().iter().map(values).collect())
}

/// Trap 38 of `tests/suite/traps.rs`: an uninterrupted run equals one that was stopped at any step and
/// resumed, to the bit.
#[test]
fn a_stop_at_any_step_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let full = train(&folder.path().join("full"), 99);
    assert_eq!((full.0, full.1.step, full.1.tokens), (TrainOutcome::Finished, 10, 360));
    for stop_at in [1, 4, 7, 10] {
        let resumed = folder.path().join(format!("resumed-{stop_at}"));
        assert_eq!(train(&resumed, stop_at).0, TrainOutcome::Stopped);
        assert_eq!(train(&resumed, 99), full, "stopped after {stop_at} steps");
        // A finished run trains no more and returns the same numbers.
        assert_eq!(train(&resumed, 99), full);
    }
}

/// Crops and noise depend on (seed, step) alone, as masks and samples do.
#[test]
fn a_stop_changes_nothing_with_crops_or_noise() {
    for kind in ["coco_lm", "electric"] {
        let mut spec = spec();
        spec.objective = serde_json::from_str(&format!(r#"{{"kind": "{kind}"}}"#)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let train = |name: &str, limit| train_spec(spec.clone(), &folder.path().join(name), limit);
        let full = train("full", 99);
        assert_eq!((full.0, train("resumed", 3).0), (TrainOutcome::Finished, TrainOutcome::Stopped));
        assert_eq!(train("resumed", 99), full, "{kind}");
    }
}

/// One encoder trained by two losses, and tables that are differences from other tables.
#[test]
fn a_stop_changes_nothing_where_weights_are_shared() {
    use crate::experiment::Sharing;
    let folder = tempfile::tempdir().unwrap();
    for sharing in [Sharing::All, Sharing::Gdes] {
        let mut spec = spec();
        (spec.model.generator_ratio, spec.model.sharing) = (1.0, sharing);
        let folder = folder.path().join(format!("{sharing:?}"));
        let full = train_spec(spec.clone(), &folder.join("full"), 99);
        assert_eq!(full.0, TrainOutcome::Finished);
        for stop_at in [1, 4, 7] {
            let resumed = folder.join(format!("resumed-{stop_at}"));
            assert_eq!(train_spec(spec.clone(), &resumed, stop_at).0, TrainOutcome::Stopped);
            assert_eq!(train_spec(spec.clone(), &resumed, 99), full, "{sharing:?} stopped after {stop_at}");
        }
    }
}

/// The second stage begins after five steps. A run resumes from a checkpoint before, at and after that with
/// the same numbers. The discriminator is copied once: after the first step of the second stage it differs
/// from the generator.
#[test]
fn a_stop_around_the_second_stage_changes_nothing() {
    let mut spec = spec();
    (spec.model.generator_ratio, spec.model.sharing) = (1.0, crate::experiment::Sharing::None);
    spec.train.optimizer = crate::experiment::OptimizerKind::Adamw;
    spec.objective = serde_json::from_str(r#"{"kind": "two_stage"}"#).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let train = |name: &str, limit| train_spec(spec.clone(), &folder.path().join(name), limit);
    let full = train("full", 99);
    assert_eq!((full.0, full.1.n_updates), (TrainOutcome::Finished, 5));
    for stop_at in [4, 5, 6] {
        let name = format!("resumed-{stop_at}");
        let stopped = train(&name, stop_at);
        assert_eq!((stopped.0, stopped.1.step), (TrainOutcome::Stopped, stop_at));
        assert_eq!(train(&name, 99), full, "stopped after {stop_at} steps");
    }
    let every_step = folder.path().join("every-step");
    for _ in 0..10 {
        train_spec(spec.clone(), &every_step, 1);
    }
    assert_eq!(train_spec(spec.clone(), &every_step, 99), full);
}

/// A full run continues to the bit from the final checkpoint of a run that stopped at 40 %.
#[test]
fn a_full_run_continues_from_a_shorter_one() {
    let folder = tempfile::tempdir().unwrap();
    let full = train(&folder.path().join("full"), 99);
    let mut shorter = spec();
    shorter.train.stop_at = 0.4;
    let (from, to) = (folder.path().join("shorter"), folder.path().join("longer"));
    let (ended, state, values) = train_spec(shorter, &from, 99);
    assert_eq!((ended, state.step), (TrainOutcome::Finished, 4));
    assert_ne!(values, full.2);
    std::fs::create_dir(&to).unwrap();
    std::fs::copy(from.join(FINAL), to.join(file_name(4))).unwrap();
    assert_eq!(train(&to, 99), full);
}

/// A trial that ran out of memory resumes with smaller micro-batches. The numbers are the same except for
/// rounding.
#[test]
fn a_run_resumes_with_smaller_micro_batches() {
    let folder = tempfile::tempdir().unwrap();
    let full = train(&folder.path().join("full"), 99);
    let resumed = folder.path().join("resumed");
    assert_eq!(train(&resumed, 4).0, TrainOutcome::Stopped);
    let mut smaller = spec();
    smaller.train.micro_batch = Some(2);
    assert_eq!(smaller.id(), spec().id());
    let (ended, state, values) = train_spec(smaller, &resumed, 99);
    assert_eq!((ended, state.step, state.tokens), (TrainOutcome::Finished, 10, 360));
    let (loss, other) = (full.1.validation.value("loss").unwrap(), state.validation.value("loss").unwrap());
    assert!((loss - other).abs() < 1e-4 * loss, "{loss} and {other}");
    for (one, other) in full.2.concat().iter().zip(values.concat()) {
        assert!((one - other).abs() < 1e-3, "{one} and {other}");
    }
}

#[test]
fn a_run_resumes_from_a_checkpoint_in_shards() {
    let folder = tempfile::tempdir().unwrap();
    let full = train(&folder.path().join("full"), 99);
    let resumed = folder.path().join("resumed");
    assert_eq!(train(&resumed, 4).0, TrainOutcome::Stopped);
    crate::train::checkpoint::split(&resumed.join(file_name(4)), &spec().pretraining_id(), 2000);
    let names =
        || -> Vec<_> { std::fs::read_dir(&resumed).unwrap().map(|f| f.unwrap().file_name()).collect() };
    assert!(names().len() > 3, "{:?}", names());
    assert_eq!(train(&resumed, 99), full);
    assert_eq!(names(), [FINAL]);
}

#[test]
fn only_the_final_checkpoint_stays() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), 99);
    // As a process leaves it that is killed before it removes the others.
    std::fs::write(folder.path().join(file_name(8)), "older").unwrap();
    train(folder.path(), 99);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(names, [FINAL]);
}

#[test]
fn a_truncated_checkpoint_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), 3);
    let path = folder.path().join("step-000000003.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = Checkpoint::newest(folder.path(), "").err().unwrap();
    assert!(error.message.contains("step-000000003.safetensors is damaged"), "{error}");
}
