//! What a trial costs and how large it is, from shapes alone: two FLOPs counters and the parameter count.
//!
//! [`exact`] counts the matrix products that this code runs; [`paper`] follows the rules behind the paper's
//! tables. A small model with a large vocabulary costs several times more by the second, which multiplies by one-hot
//! vectors, so every place that shows FLOPs says which counter they are from.
//! Time estimates use the exact counter, budgets either. Must never: look at a tensor or measure a time.
//! Next: `budget.rs` for what a budget buys, `parameters.rs` for the parameter count.

mod budget;
pub mod exact;
pub mod paper;
mod parameters;

pub use budget::resolved_steps;
pub use exact::{train_flops, train_flops_per_step};
pub use parameters::{encoder_parameters, n_parameters};

#[cfg(test)]
mod fixture {
    use crate::experiment::{ModelSpec, ObjectiveSpec, TrialSpec};

    /// A trial with the default data, training and evaluation.
    pub(crate) fn trial(objective: ObjectiveSpec, model: ModelSpec) -> TrialSpec {
        let (data, train, evaluate) = Default::default();
        TrialSpec { seed: 1, model, objective, data, train, published: None, evaluate }
    }
}
