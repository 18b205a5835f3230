//! Stops, resumptions and smaller parts of a batch: the same numbers.

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
    let (objective, data, evaluate) = Default::default();
    TrialSpec { seed: 1, model, objective, data, train, published: None, evaluate }
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

/// Trains up to `limit` steps of ten in `folder`; returns how it ended and every parameter's values.
fn train(folder: &Path, limit: u64) -> (Ended, State, Vec<Vec<f32>>) {
    train_spec(spec(), folder, limit)
}

fn train_spec(spec: TrialSpec, folder: &Path, limit: u64) -> (Ended, State, Vec<Vec<f32>>) {
    let vocabulary = Vocabulary { size: 30, mask: 4, never_masked: vec![0, 2, 3, 4], counts: Vec::new() };
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
        source: Source {
            training: &batch,
            held_out: &|i| (i < 2).then(|| batch(100 + i as u64)),
            flops: &|_, _| 1.0,
        },
        checkpoints: folder,
        sink: &Silent,
        stop: &stop,
    };
    let (ended, mut state) = run.run(|_| Ok(())).unwrap();
    state.elapsed_s = 0.0;
    let values = |p: &crate::nn::Parameter| p.var.flatten_all().unwrap().to_vec1().unwrap();
    (ended, state, objective.parameters().iter().map(values).collect())
}

/// Facts, trap 38: whole against stopped and continued, to the bit, at any step.
#[test]
fn a_stop_at_any_step_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(&folder.path().join("whole"), 99);
    assert_eq!((whole.0, whole.1.step, whole.1.tokens), (Ended::Finished, 10, 360));
    for stop_at in [1, 4, 7, 10] {
        let part = folder.path().join(format!("part-{stop_at}"));
        assert_eq!(train(&part, stop_at).0, Ended::Stopped);
        assert_eq!(train(&part, 99), whole, "stopped after {stop_at} steps");
        // Once more: nothing is left to do, and the same numbers come back.
        assert_eq!(train(&part, 99), whole);
    }
}

/// What an objective draws beside masks and samples depends on (seed, step) alone.
#[test]
fn a_stop_changes_nothing_with_crops_or_noise() {
    for kind in ["coco_lm", "electric"] {
        let mut spec = spec();
        spec.objective = serde_json::from_str(&format!(r#"{{"kind": "{kind}"}}"#)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let train = |name: &str, limit| train_spec(spec.clone(), &folder.path().join(name), limit);
        let whole = train("whole", 99);
        assert_eq!((whole.0, train("part", 3).0), (Ended::Finished, Ended::Stopped));
        assert_eq!(train("part", 99), whole, "{kind}");
    }
}

/// One encoder trained by two losses, and tables that are differences from others.
#[test]
fn a_stop_changes_nothing_where_weights_are_shared() {
    use crate::experiment::Sharing;
    let folder = tempfile::tempdir().unwrap();
    for sharing in [Sharing::All, Sharing::Gdes] {
        let mut spec = spec();
        (spec.model.generator_ratio, spec.model.sharing) = (1.0, sharing);
        let folder = folder.path().join(format!("{sharing:?}"));
        let whole = train_spec(spec.clone(), &folder.join("whole"), 99);
        assert_eq!(whole.0, Ended::Finished);
        for stop_at in [1, 4, 7] {
            let part = folder.join(format!("part-{stop_at}"));
            assert_eq!(train_spec(spec.clone(), &part, stop_at).0, Ended::Stopped);
            assert_eq!(train_spec(spec.clone(), &part, 99), whole, "{sharing:?} stopped after {stop_at}");
        }
    }
}

/// The stages change after five steps: a checkpoint before, at and after that goes on alike. The copy is made once:
/// after the first step of the second stage the discriminator is no longer the generator.
#[test]
fn a_stop_around_the_second_stage_changes_nothing() {
    let mut spec = spec();
    (spec.model.generator_ratio, spec.model.sharing) = (1.0, crate::experiment::Sharing::None);
    spec.train.optimizer = crate::experiment::OptimizerKind::Adamw;
    spec.objective = serde_json::from_str(r#"{"kind": "two_stage"}"#).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let train = |name: &str, limit| train_spec(spec.clone(), &folder.path().join(name), limit);
    let whole = train("whole", 99);
    assert_eq!((whole.0, whole.1.n_updates), (Ended::Finished, 5));
    for stop_at in [4, 5, 6] {
        let name = format!("part-{stop_at}");
        let stopped = train(&name, stop_at);
        assert_eq!((stopped.0, stopped.1.step), (Ended::Stopped, stop_at));
        assert_eq!(train(&name, 99), whole, "stopped after {stop_at} steps");
    }
    let every_step = folder.path().join("every-step");
    for _ in 0..10 {
        train_spec(spec.clone(), &every_step, 1);
    }
    assert_eq!(train_spec(spec.clone(), &every_step, 99), whole);
}

/// What a run that stops at 40 % leaves is what the whole run goes on from, to the bit.
#[test]
fn a_whole_run_goes_on_from_a_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(&folder.path().join("whole"), 99);
    let mut part = spec();
    part.train.stop_at = 0.4;
    let (from, to) = (folder.path().join("part"), folder.path().join("longer"));
    let (ended, state, values) = train_spec(part, &from, 99);
    assert_eq!((ended, state.step), (Ended::Finished, 4));
    assert_ne!(values, whole.2);
    std::fs::create_dir(&to).unwrap();
    std::fs::copy(from.join(FINAL), to.join(file_name(4))).unwrap();
    assert_eq!(train(&to, 99), whole);
}

/// What a trial does that ran out of memory: the same numbers but for rounding, whatever was trained before.
#[test]
fn a_run_goes_on_in_smaller_parts() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(&folder.path().join("whole"), 99);
    let part = folder.path().join("part");
    assert_eq!(train(&part, 4).0, Ended::Stopped);
    let mut smaller = spec();
    smaller.train.micro_batch = Some(2);
    assert_eq!(smaller.id(), spec().id());
    let (ended, state, values) = train_spec(smaller, &part, 99);
    assert_eq!((ended, state.step, state.tokens), (Ended::Finished, 10, 360));
    let (loss, other) = (whole.1.validation.value("loss").unwrap(), state.validation.value("loss").unwrap());
    assert!((loss - other).abs() < 1e-4 * loss, "{loss} and {other}");
    for (one, other) in whole.2.concat().iter().zip(values.concat()) {
        assert!((one - other).abs() < 1e-3, "{one} and {other}");
    }
}

#[test]
fn a_checkpoint_in_shards_goes_on_alike() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(&folder.path().join("whole"), 99);
    let part = folder.path().join("part");
    assert_eq!(train(&part, 4).0, Ended::Stopped);
    crate::train::checkpoint::split(&part.join(file_name(4)), 2000);
    let names = || -> Vec<_> { std::fs::read_dir(&part).unwrap().map(|f| f.unwrap().file_name()).collect() };
    assert!(names().len() > 3, "{:?}", names());
    assert_eq!(train(&part, 99), whole);
    assert_eq!(names(), [FINAL]);
}

#[test]
fn only_the_final_checkpoint_stays() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), 99);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(names, [FINAL]);
}

#[test]
fn a_cut_checkpoint_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), 3);
    let path = folder.path().join("step-000000003.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = Checkpoint::newest(folder.path()).err().unwrap();
    assert!(error.message.contains("step-000000003.safetensors is damaged"), "{error}");
}
