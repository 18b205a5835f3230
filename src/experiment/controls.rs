//! The control trials of an experiment: untrained encoders, and models of word counts.
//!
//! A control's specification keeps only what its numbers depend on, so that all points of a sweep with the
//! same encoder share one, within an experiment and between experiments. Next: `run/trial.rs` runs them.

use serde_json::Value;

use super::format::controls::{Control, ControlsSpec};
use super::format::evaluate::EvaluateSpec;
use super::format::finetune::FinetuneSpec;
use super::format::init::InitSpec;
use super::format::model::ModelSpec;
use super::format::objective::ObjectiveSpec;
use super::format::task_name::TaskName;
use super::format::train::TrainSpec;
use super::sweep_point::SweepPoint;
use super::trial::{Trial, TrialSpec};

impl TrialSpec {
    /// The specification of the control of this trial. None where it has none: a published checkpoint has no
    /// initial values here, and a trial without an evaluation nothing to compare.
    pub fn control(&self, control: Control) -> Option<Self> {
        if self.published.is_some() || self.control.is_some() {
            return None;
        }
        let ControlsSpec { untrained, text_models } = self.evaluate.controls;
        let train = TrainSpec {
            steps: 0,
            warmup: 0,
            seq_len: self.train.seq_len,
            precision: self.train.precision,
            ..TrainSpec::default()
        };
        // The untrained network has random values, also where pre-training started from a checkpoint.
        let common = Self { train, init: InitSpec::default(), control: Some(control), ..self.clone() };
        match control {
            Control::Untrained if untrained && self.evaluate.has_measures() => {
                let objective = ObjectiveSpec::default();
                Some(Self { objective, model: self.model.untrained(), ..common })
            }
            Control::TextModels if text_models => {
                let (model, objective) = (ModelSpec::default(), ObjectiveSpec::default());
                let train = TrainSpec { precision: TrainSpec::default().precision, ..common.train };
                let evaluate = self.evaluate.for_text_models();
                Some(Self { seed: 0, model, objective, train, evaluate, ..common })
            }
            _ => None,
        }
    }
}

/// The distinct control trials of an experiment's trials, in their order, models of word counts first.
pub fn controls(trials: &[Trial]) -> Vec<Trial> {
    let mut controls: Vec<Trial> = Vec::new();
    for control in [Control::TextModels, Control::Untrained] {
        let first = controls.len();
        for trial in trials {
            let Some(spec) = trial.spec.control(control) else { continue };
            let id = spec.id();
            if !controls.iter().any(|known| known.id == id) {
                controls.push(Trial { id, point: settings_of_controls(&trial.point), spec });
            }
        }
        keep_what_differs(&mut controls[first..]);
    }
    controls
}

/// The swept settings that a control may depend on.
fn settings_of_controls(point: &SweepPoint) -> SweepPoint {
    let is_idle =
        |path: &str| ["objective", "model.generator", "init"].iter().any(|key| path.starts_with(key));
    let depends = |path: &str| !is_idle(path);
    point.iter().filter(|(path, _)| depends(path)).cloned().collect()
}

/// The settings of training that a control keeps.
const OF_TRAINING: [&str; 2] = ["train.seq_len", "train.precision"];

/// Removes from the points of controls the settings in which no two differ, and those of training that no
/// control has.
fn keep_what_differs(controls: &mut [Trial]) {
    let Some(first) = controls.first().map(|control| control.point.clone()) else { return };
    let differs = |path: &str, value: &Value| {
        controls.iter().any(|control| control.point.value(path).is_none_or(|other| other != value))
    };
    let kept: Vec<String> = first
        .iter()
        .filter(|(path, value)| {
            differs(path, value) && (!path.starts_with("train.") || OF_TRAINING.contains(&path.as_str()))
        })
        .map(|(path, _)| path.clone())
        .collect();
    for control in controls {
        control.point = control.point.iter().filter(|(path, _)| kept.contains(path)).cloned().collect();
    }
}

impl EvaluateSpec {
    /// Whether anything is measured on the encoder after pre-training.
    pub fn has_measures(&self) -> bool {
        !self.tasks.is_empty() || !self.minimal_pairs.is_empty() || !self.probe.is_empty()
    }

    /// The part of the evaluation that models of word counts take part in: the examples of the tasks and the
    /// pairs, without the settings of fine-tuning.
    fn for_text_models(&self) -> Self {
        let mut tasks: Vec<TaskName> = Vec::new();
        for task in self.tasks.iter().chain(&self.probe.tasks) {
            if !task.is_squad() && !tasks.contains(task) {
                tasks.push(*task);
            }
        }
        Self {
            source: self.source.clone(),
            tasks,
            minimal_pairs: self.minimal_pairs.clone(),
            finetune: FinetuneSpec {
                seq_len: self.finetune.seq_len,
                max_train_examples: self.finetune.max_train_examples,
                ..Default::default()
            },
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::experiment::load::load;
    use crate::experiment::{Control, Experiment};

    fn experiment(text: &str) -> Experiment {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controls.yaml");
        let common = "name: controls\nabout: What are the controls?\nseeds: [1, 2]\n";
        std::fs::write(&path, format!("{common}{text}")).unwrap();
        load(&path, None, &[]).unwrap()
    }

    fn labels(experiment: &Experiment) -> Vec<String> {
        experiment.controls.iter().map(|control| control.label()).collect()
    }

    #[test]
    fn points_with_the_same_encoder_share_their_controls() {
        let ratios = experiment(
            "sweep: { model.generator_ratio: [0.25, 0.5], objective.kind: [rtd, mlm], train.steps: [100, 200] }
evaluate: { tasks: [cola] }",
        );
        assert_eq!(labels(&ratios), ["text models seed=0", "untrained seed=1", "untrained seed=2"]);
        assert_eq!(ratios.all_trials().count(), 3 + 16);
        // A trial knows its controls: the report finds them by their ids.
        for trial in &ratios.trials {
            let own = trial.spec.control(Control::Untrained).unwrap();
            assert_eq!((own.train.steps, own.seed), (0, trial.spec.seed));
            assert!(ratios.controls.iter().any(|control| control.id == own.id()), "{}", trial.label());
        }
    }

    #[test]
    fn encoders_that_differ_have_their_own() {
        let sizes = experiment(
            "sweep: { model.hidden: [128, 256], objective.kind: [rtd, mlm] }\nevaluate: { tasks: [cola] }",
        );
        assert_eq!(
            labels(&sizes),
            [
                "text models seed=0",
                "untrained model.hidden=128 seed=1",
                "untrained model.hidden=128 seed=2",
                "untrained model.hidden=256 seed=1",
                "untrained model.hidden=256 seed=2",
            ]
        );
        // Both precisions are a setting of training, and the network before its first step has one too.
        let precisions = experiment("sweep: { train.precision: [f32, bf16] }\nevaluate: { tasks: [cola] }");
        assert_eq!(
            labels(&precisions)[1..],
            [
                "untrained train.precision=f32 seed=1",
                "untrained train.precision=f32 seed=2",
                "untrained train.precision=bf16 seed=1",
                "untrained train.precision=bf16 seed=2",
            ]
        );
    }

    #[test]
    fn controls_can_be_turned_off_and_change_no_id() {
        let with = experiment("evaluate: { tasks: [cola] }");
        let without =
            experiment("evaluate: { tasks: [cola], controls: { untrained: false, text_models: false } }");
        assert_eq!((with.controls.len(), without.controls.len()), (3, 0));
        assert_eq!(with.trials[0].id, without.trials[0].id);
        // Nothing is measured on an encoder, but the text's losses have anchors.
        assert_eq!(labels(&experiment("evaluate: { tasks: [] }")), ["text models seed=0"]);
        let published = experiment(
            "base: { published: { model: a/b } }\nevaluate: { tasks: [cola], source: { kind: hub } }",
        );
        assert!(published.controls.is_empty(), "a published checkpoint has no initial values here");
    }

    #[test]
    fn the_untrained_control_starts_at_random() {
        let from = |init: &str| experiment(&format!("base: {{ {init} }}\nevaluate: {{ tasks: [cola] }}"));
        let (random, published) = (from(""), from("init: { discriminator: { model: a/b } }"));
        assert_ne!(random.trials[0].id, published.trials[0].id);
        let ids =
            |of: &Experiment| -> Vec<_> { of.controls.iter().map(|control| control.id.clone()).collect() };
        assert_eq!(ids(&random), ids(&published));
        let swept =
            experiment("sweep: { init.discriminator: [null, { model: a/b }] }\nevaluate: { tasks: [cola] }");
        assert_eq!(labels(&swept), ["text models seed=0", "untrained seed=1", "untrained seed=2"]);
        assert_eq!(swept.trials.len(), 4);
        assert_eq!(swept.trials[0].id, random.trials[0].id);
    }

    #[test]
    fn the_recipe_of_fine_tuning_changes_no_model_of_word_counts() {
        let text_models = |rate: &str| {
            let text = format!("evaluate: {{ tasks: [cola], finetune: {{ learning_rate: {rate} }} }}");
            experiment(&text).controls[0].id.clone()
        };
        assert_eq!(text_models("1e-4"), text_models("2e-4"));
    }
}
