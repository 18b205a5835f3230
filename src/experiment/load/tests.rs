//! Loads whole files and looks at the trials. `refusals.rs` looks at the messages about wrong files.

use super::*;
use crate::error::ErrorKind;
use crate::experiment::format::task_name::TaskName;
use crate::experiment::format::train::{Budget, TrainSpec};

/// Writes a file and loads it; errors show it as `a.yaml`.
pub(in crate::experiment) fn load_text(
    text: &str,
    profile: Option<&str>,
    sets: &[&str],
) -> Result<Experiment> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, text).unwrap();
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_string()).collect();
    load(&path, profile, &sets).map_err(|error| {
        assert_eq!(error.kind, ErrorKind::Spec);
        let folder = format!("{}/", folder.path().display());
        Error { message: error.message.replace(&folder, ""), hint: error.hint.replace(&folder, ""), ..error }
    })
}

fn labels(experiment: &Experiment) -> Vec<String> {
    experiment.trials.iter().map(Trial::label).collect()
}

pub(crate) const GEN_RATIO: &str = "\
# The specimen: a sweep, two profiles.
name: gen_ratio
about: Does a small generator work best?
expect: { shape: best at 0.25 to 0.5, best_at: [0.25, 1] }
base:
  model: { size: tiny }
  objective: { kind: rtd, disc_weight: 50, mask_fraction: 0.15 }
  train: { steps: 2000, batch: 32, seq_len: 128, learning_rate: 5.0e-4, warmup: 200 }
sweep: { model.generator_ratio: [0.25, 0.5, 1] }
seeds: [1, 2]
evaluate: { tasks: [cola, rte], finetune_seeds: 2 }
report: { x: model.generator_ratio, y: glue.mean }
profiles:
  quick:
    about: Minutes.
    base: { train: { steps: 100, warmup: 10 } }
  small:
    base:
      data: { kind: hub, repo: owner/text }
      train: { steps: 5000 }
    sweep: { model.generator_ratio: [0.25] }
    seeds: [7]
    evaluate: { source: { kind: hub } }
";

#[test]
fn the_first_profile_is_the_default() {
    let experiment = load_text(GEN_RATIO, None, &[]).unwrap();
    assert_eq!(
        (experiment.profile.as_str(), experiment.profiles.join(" ").as_str()),
        ("quick", "quick small")
    );
    insta::assert_snapshot!(labels(&experiment).join("\n"), @r"
        model.generator_ratio=0.25 seed=1
        model.generator_ratio=0.25 seed=2
        model.generator_ratio=0.5 seed=1
        model.generator_ratio=0.5 seed=2
        model.generator_ratio=1.0 seed=1
        model.generator_ratio=1.0 seed=2
    ");
    let train = &experiment.trials[0].spec.train;
    assert_eq!((train.steps, train.warmup, train.batch), (100, 10, 32));
    assert_eq!(experiment.spec.base.train, *train);
    assert_eq!(experiment.spec.profiles.len(), 2);
}

#[test]
fn another_profile_replaces_lists_and_kinds() {
    let experiment = load_text(GEN_RATIO, Some("small"), &[]).unwrap();
    assert_eq!(labels(&experiment), ["model.generator_ratio=0.25 seed=7"]);
    let spec = &experiment.trials[0].spec;
    assert_eq!((spec.train.steps, spec.train.warmup), (5000, 200));
    assert!(!spec.data.is_synthetic() && !spec.evaluate.source.is_synthetic());
    assert_eq!(spec.evaluate.tasks, [TaskName::Cola, TaskName::Rte]);
}

#[test]
fn overrides_change_the_profile() {
    let sets = ["sweep={model.generator_ratio: [0.25]}", "seeds=[1]", "train.steps=7", "base.train.warmup=0"];
    let experiment = load_text(GEN_RATIO, None, &sets).unwrap();
    assert_eq!(labels(&experiment), ["model.generator_ratio=0.25 seed=1"]);
    assert_eq!(experiment.trials[0].spec.train.steps, 7);
}

#[test]
fn integers_and_floats_of_a_ratio_are_the_same_value() {
    let experiment = load_text(GEN_RATIO, None, &[]).unwrap();
    let last = experiment.trials.last().unwrap();
    assert_eq!(last.point.iter().next().unwrap().1, serde_json::json!(1.0));
    assert_eq!(experiment.spec.expect.best_at, [serde_json::json!(0.25), serde_json::json!(1.0)]);
    let twice = load_text(GEN_RATIO, None, &["sweep.model.generator_ratio=[1, 1.0, 0.5]"]).unwrap();
    assert_eq!(twice.trials.len(), 4, "the same trial is planned once");
}

#[test]
fn joined_kinds_and_steps_vary_together() {
    let text = "\
name: objectives
about: MLM against RTD
base: { objective: { kind: rtd, disc_weight: 20, mask_fraction: 0.25 } }
sweep:
  objective.kind, train.steps: [[rtd, 500], [mlm, 800]]
  train.budget: [steps, rtd_flops]
report: { x: objective.kind, series: train.budget }
";
    let experiment = load_text(text, None, &[]).unwrap();
    insta::assert_snapshot!(labels(&experiment).join("\n"), @r"
        objective.kind=rtd train.steps=500 train.budget=steps seed=1
        objective.kind=rtd train.steps=500 train.budget=rtd_flops seed=1
        objective.kind=mlm train.steps=800 train.budget=steps seed=1
        objective.kind=mlm train.steps=800 train.budget=rtd_flops seed=1
    ");
    assert_eq!(experiment.profile, DEFAULT_PROFILE);
    let last = &experiment.trials[3].spec;
    assert_eq!((last.objective.kind(), last.objective.mask_fraction()), ("mlm", 0.25));
    assert_eq!((last.train.steps, last.train.budget), (800, Budget::RtdFlops));
}

/// Results are found by these ids: if one changes, every old result belongs to an unknown trial.
#[test]
fn ids_are_pinned_and_hash_only_what_changes_numbers() {
    let first = |sets: &[&str]| load_text(GEN_RATIO, None, sets).unwrap().trials[0].id.to_string();
    insta::assert_snapshot!(first(&[]), @"bb22b5a1f0a3");
    assert_eq!(
        first(&[]),
        first(&["about=another question", "train.log_every=3", "train.micro_batch=2", "report.log_x=true"])
    );
    assert_ne!(first(&[]), first(&["train.learning_rate=1e-3"]));
    assert_ne!(first(&[]), first(&["seeds=[2]"]));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

    #[test]
    fn the_id_ignores_how_often_a_trial_logs(log in 1u64..9999, validate in 1u64..9999, save in 1u64..9999) {
        let quiet = load_text(GEN_RATIO, None, &[]).unwrap().trials[0].spec.clone();
        let mut chatty = quiet.clone();
        chatty.train = TrainSpec { log_every: log, validate_every: validate, checkpoint_every: save, ..chatty.train };
        assert_eq!(quiet.id(), chatty.id());
        chatty.train.batch += 1;
        assert_ne!(quiet.id(), chatty.id());
    }

    /// Any text gives an error or an experiment, never a panic.
    #[test]
    fn a_damaged_file_never_panics(at in 0usize..900, cut in 0usize..40, put in "[-a-z0-9:{}\\[\\],.*&!|>'\"# \n\t]{0,6}") {
        let mut damaged: Vec<char> = GEN_RATIO.chars().collect();
        let at = at.min(damaged.len());
        damaged.splice(at..(at + cut).min(damaged.len()), put.chars());
        let _ = load_text(&damaged.into_iter().collect::<String>(), None, &[]);
    }
}
