//! A trial for the tests of this module.

use crate::experiment::{ModelSpec, ObjectiveSpec, TrialSpec};

/// A trial with the default data, training and evaluation.
pub fn trial(objective: ObjectiveSpec, model: ModelSpec) -> TrialSpec {
    let (data, train, init, evaluate) = Default::default();
    TrialSpec { seed: 1, model, objective, data, train, published: None, init, evaluate, control: None }
}
