//! A trial: one point of the sweep with one seed, all values resolved. A hash of its content is its id.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::experiment::format::controls::{Control, ControlsSpec};
use crate::experiment::format::data::DataSpec;
use crate::experiment::format::evaluate::EvaluateSpec;
use crate::experiment::format::init::InitSpec;
use crate::experiment::format::model::ModelSpec;
use crate::experiment::format::objective::ObjectiveSpec;
use crate::experiment::format::published::PublishedSpec;
use crate::experiment::format::train::{Budget, TrainSpec};
use crate::experiment::sweep_point::SweepPoint;

/// Raised whenever the same specification would give different numbers than before. Old results then belong
/// to a different trial id and are not mistaken for new ones.
const NUMERICS_VERSION: u32 = 2;

/// Everything that determines a trial's numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialSpec {
    /// Seed of initialisation, masks, samples, dropout, order and heads.
    pub seed: u64,
    /// Generator and discriminator.
    pub model: ModelSpec,
    /// Pre-training objective.
    pub objective: ObjectiveSpec,
    /// Text and tokenizer.
    pub data: DataSpec,
    /// Pre-training.
    pub train: TrainSpec,
    /// The published checkpoint that is evaluated in place of pre-training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedSpec>,
    /// The published checkpoints that pre-training starts from.
    #[serde(default, skip_serializing_if = "InitSpec::is_empty")]
    pub init: InitSpec,
    /// Downstream evaluation.
    pub evaluate: EvaluateSpec,
    /// What the trial is a control of, if it is one and not a point of the sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
}

/// Twelve hexadecimal digits: a hash of what changes numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrialId(pub String);

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One trial of an experiment's plan.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Name of its folder.
    pub id: TrialId,
    /// The swept paths and their values, in the sweep's order, without the seed.
    pub point: SweepPoint,
    /// Its configuration.
    pub spec: TrialSpec,
}

impl TrialSpec {
    /// The hash that names the trial. Left out of it is what changes no number but by rounding: how often the
    /// trial logs, validates and saves, the size of its micro-batches, and which files it keeps.
    pub fn id(&self) -> TrialId {
        TrialId(self.numbers().hash())
    }

    /// Names the pre-training: equal for trials that [pre-train alike](Self::pretrains_like), whatever their
    /// evaluation and wherever they stop on the schedule.
    pub fn pretraining_id(&self) -> String {
        let mut content = self.numbers();
        (content.evaluate, content.control) = Default::default();
        content.train.stop_at = TrainSpec::default().stop_at;
        content.hash()
    }

    /// The specification with a fixed value for everything that changes no number.
    fn numbers(&self) -> Self {
        let mut content = self.clone();
        content.train = content.train.without_bookkeeping();
        content.evaluate.finetune.keep_models = false;
        content.evaluate.predict_test = false;
        content.evaluate.controls = ControlsSpec::default();
        // The numbers that a named recipe filled in are hashed, its name is not.
        (content.evaluate.finetune.recipe, content.evaluate.finetune.recipe_size) = (None, None);
        if content.train.budget.unit().is_some() {
            content.train.steps = TrainSpec::default().steps;
        } else if content.objective.is_budget_reference() {
            // All remaining budgets then mean `steps` steps.
            content.train.budget = Budget::Steps;
        }
        if content.published.is_some() {
            (content.model, content.objective, content.train) = Default::default();
            if !content.evaluate.source.is_synthetic() {
                content.data = DataSpec::default();
            }
        }
        content
    }

    /// Twelve hexadecimal digits of a hash of all values.
    fn hash(&self) -> String {
        // Struct fields are serialised in the order of declaration, so the text is canonical.
        let text = serde_json::to_string(self).unwrap_or_default();
        let hash = blake3::hash(format!("{NUMERICS_VERSION}\n{text}").as_bytes());
        hash.to_hex()[..12].to_string()
    }

    /// The same trial with its budget counted in steps.
    pub fn with_steps(&self, steps: u64) -> Self {
        let train = TrainSpec { steps, budget: Budget::Steps, amount: None, ..self.train.clone() };
        Self { train, ..self.clone() }
    }

    /// Whether both have the same pre-training, up to where they stop on its schedule and how often they log,
    /// validate and save.
    pub fn pretrains_like(&self, other: &Self) -> bool {
        let stop_at = TrainSpec::default().stop_at;
        let own = |spec: &Self| TrainSpec { stop_at, ..spec.train.clone().without_bookkeeping() };
        self.published.is_none()
            && other.published.is_none()
            && (self.seed, &self.model, &self.objective) == (other.seed, &other.model, &other.objective)
            && (&self.data, own(self)) == (&other.data, own(other))
            && self.init == other.init
    }
}

impl Trial {
    /// The label that distinguishes trials for a reader: `model.generator_ratio=0.25 seed=1`.
    pub fn label(&self) -> String {
        let seed = format!("seed={}", self.spec.seed);
        let point = (!self.point.is_empty()).then(|| self.point.label());
        let control = self.spec.control.map(|control| control.label().to_string());
        control.into_iter().chain(point).chain([seed]).collect::<Vec<_>>().join(" ")
    }
}

/// A value as text: strings without quotes, a tagged mapping by its kind.
pub fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => match map.get("kind") {
            Some(Value::String(kind)) => kind.clone(),
            _ => value.to_string(),
        },
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::format::objective::choices::Masking;

    #[test]
    fn budgets_in_units_of_rtd_do_not_change_the_id_of_rtd() {
        let trial = |objective: ObjectiveSpec, budget| {
            let train = TrainSpec { budget, ..Default::default() };
            let (model, data, init, evaluate) = Default::default();
            TrialSpec {
                seed: 1,
                model,
                objective,
                data,
                train,
                published: None,
                init,
                evaluate,
                control: None,
            }
            .id()
        };
        let mlm = ObjectiveSpec::Mlm { mask_fraction: 0.15, masking: Masking::Paper };
        let rtd = ObjectiveSpec::default();
        assert_eq!(trial(rtd.clone(), Budget::Steps), trial(rtd, Budget::RtdFlops));
        assert_ne!(trial(mlm.clone(), Budget::Steps), trial(mlm, Budget::RtdFlops));
    }
}
