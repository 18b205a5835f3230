//! A trial that starts from an exported one goes on where that one stopped.

use std::collections::HashMap;

use candle_core::{Device, Tensor};

use super::*;
use crate::experiment::{InitSpec, ModelSpec, PublishedSpec, Trial};
use crate::records::Outcome;
use crate::run::fixture::{a_context, a_trial, an_env, prepared};
use crate::run::{StopFlag, TrialRun, run_trial};

fn tiny(change: impl FnOnce(&mut TrialSpec)) -> Trial {
    let mut spec = a_trial(3).spec;
    spec.model = ModelSpec {
        hidden: Some(16),
        layers: Some(1),
        heads: Some(2),
        embedding: Some(8),
        positions: 32,
        generator_ratio: 0.5,
        ..Default::default()
    };
    (spec.train.seq_len, spec.train.batch, spec.train.steps, spec.train.warmup) = (32, 2, 2, 0);
    change(&mut spec);
    Trial { id: spec.id(), point: Default::default(), spec }
}

/// Runs a trial to its end, or to an error.
fn run(trial: &Trial, results: &Path) -> Result<Outcome> {
    let (data, stop) = (prepared(&[trial]), StopFlag::default());
    let folder = TrialFolder::new(results, "test", &trial.id);
    let _lock = folder.lock().unwrap();
    match run_trial(trial, &a_context(&folder, &data, &stop))? {
        TrialRun::Done(outcome) => Ok(outcome),
        other => panic!("{other:?}"),
    }
}

/// The parameters of the final checkpoint by name.
fn trained(trial: &Trial, results: &Path) -> HashMap<String, Vec<f32>> {
    let path = TrialFolder::new(results, "test", &trial.id).checkpoints().join(FINAL);
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let values = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
    tensors.into_iter().map(|(name, tensor)| (name, values(tensor))).collect()
}

#[test]
fn a_trial_continues_from_an_exported_one() {
    let folder = tempfile::tempdir().unwrap();
    let (results, exported) = (folder.path().join("results"), folder.path().join("exported"));
    let first = tiny(|_| {});
    let ended = run(&first, &results).unwrap();
    let trial = TrialFolder::new(&results, "test", &first.id).path().display().to_string();
    let options =
        ExportOptions { trial, results: results.clone(), to: exported.clone(), license: "mit".into() };
    export(&options, &an_env()).unwrap();
    let published =
        |folder: &Path| PublishedSpec { model: folder.display().to_string(), revision: "main".into() };
    let init = InitSpec {
        discriminator: Some(published(&exported)),
        generator: Some(published(&exported.join(GENERATOR_FOLDER))),
    };

    // Before its first step it has the parameters and the held-out metrics that the first one ended with.
    let at_once = tiny(|spec| (spec.init, spec.train.steps) = (init.clone(), 0));
    let begun = run(&at_once, &results).unwrap();
    assert!(begun.validation.len() > 5 && begun.steps == 0 && begun.flops == 0.0);
    assert_eq!(begun.validation, ended.validation);
    assert_eq!(trained(&at_once, &results), trained(&first, &results));
    let record = TrialFolder::new(&results, "test", &at_once.id).trial().unwrap().unwrap();
    let loaded: Vec<String> =
        record.provenance.init.values().map(|weights| weights.loaded.join(" ")).collect();
    let expected = ["embeddings encoder discriminator_head", "generator.encoder generator.mlm_head"];
    assert_eq!(loaded, expected);

    // Its steps count from zero, and it is another trial than one from random values.
    let further = tiny(|spec| spec.init = init.clone());
    let outcome = run(&further, &results).unwrap();
    assert_eq!((outcome.steps, outcome.tokens, outcome.flops), (ended.steps, ended.tokens, ended.flops));
    assert_ne!(outcome.validation, ended.validation);

    // It does not go on from other weights than it began with.
    let weights = exported.join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&weights, &Device::Cpu).unwrap();
    let changed = tensors["electra.embeddings.LayerNorm.weight"].affine(1.0, 0.5).unwrap();
    tensors.insert("electra.embeddings.LayerNorm.weight".into(), changed);
    candle_core::safetensors::save(&tensors, &weights).unwrap();
    let error = run(&further, &results).unwrap_err();
    assert!(error.message.contains("base.init.discriminator: the weights of"), "{error}");
    assert!(error.message.contains("changed since this trial began"), "{error}");
}

#[test]
fn nothing_of_an_earlier_export_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (results, exported) = (folder.path().join("results"), folder.path().join("exported"));
    let export_of = |trial: &Trial, to: &Path| {
        let trial = TrialFolder::new(&results, "test", &trial.id).path().display().to_string();
        let (results, to, license) = (results.clone(), to.to_path_buf(), "mit".into());
        export(&ExportOptions { trial, results, to, license }, &an_env())
    };
    let pair = tiny(|_| {});
    run(&pair, &results).unwrap();
    export_of(&pair, &exported).unwrap();
    let generator = exported.join(GENERATOR_FOLDER);
    let task = exported.join(TASKS_FOLDER).join("cola-1");
    std::fs::create_dir_all(&task).unwrap();
    std::fs::copy(generator.join("config.json"), task.join("config.json")).unwrap();
    std::fs::write(generator.join("notes.txt"), "mine").unwrap();

    // Checkpoints in shards are exported like others.
    let single = tiny(|spec| {
        spec.objective = crate::experiment::ObjectiveSpec::default_mlm();
        spec.train.checkpoint_mb = Some(1);
    });
    run(&single, &results).unwrap();
    let checkpoint = TrialFolder::new(&results, "test", &single.id).checkpoints().join(FINAL);
    split(&checkpoint);
    assert!(!checkpoint.exists());
    assert_eq!(export_of(&single, &exported).unwrap(), [exported.clone()]);
    assert!(!exported.join(TASKS_FOLDER).exists() && !generator.join("config.json").exists());
    assert!(generator.join("notes.txt").is_file(), "a file of somebody else");

    // Another program's generator is no earlier export.
    let other = folder.path().join("other");
    std::fs::create_dir_all(other.join(GENERATOR_FOLDER)).unwrap();
    std::fs::write(other.join(GENERATOR_FOLDER).join("config.json"), "{}").unwrap();
    let error = export_of(&single, &other).unwrap_err();
    assert!(error.message.ends_with("has a model that `export` did not write"), "{error}");
}

/// Writes a checkpoint again, in shards.
fn split(path: &Path) {
    let contents = crate::formats::shards::read(path).unwrap();
    let tensors = candle_core::safetensors::load_buffer(&contents.files[0], &Device::Cpu).unwrap();
    let tensors = tensors.into_iter().collect();
    let state = contents.metadata["state"].clone();
    crate::formats::shards::write(path, tensors, ("state", state), Some(1000)).unwrap();
}
