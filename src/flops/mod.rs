//! What a trial costs and how large it is, from shapes alone: two FLOPs counters and the parameter count.
//!
//! [`exact`] counts the matrix products that this code runs. [`paper`] follows the rules behind the paper's
//! tables: it counts look-ups as products with one-hot vectors, so a small model with a large vocabulary
//! costs several times more. Therefore FLOPs are always shown with the name of their counter. Time estimates
//! use the exact counter, budgets either one. Must never: look at a tensor or measure a time. Next:
//! `budget.rs` for the steps of a budget, `parameters.rs` for the parameter count.

mod budget;
pub mod exact;
#[cfg(test)]
mod fixture;
pub mod paper;
mod parameters;

pub use budget::resolved_steps;
pub use exact::{train_flops, train_flops_per_step};
pub use parameters::{encoder_parameters, n_parameters};
