//! Pre-training: the loop, one optimizer step, the learning-rate schedule and the checkpoints.

mod checkpoint;
mod optimizer;
mod pretrain;
mod schedule;
mod state;
mod step;

pub use checkpoint::Checkpoint;
#[cfg(test)]
pub(crate) use checkpoint::split;
pub use optimizer::{Optimizer, OptimizerSettings};
pub use pretrain::{BatchSource, Pretraining, TrainOutcome, VALIDATION_BATCH};
pub use schedule::Schedule;
pub use state::TrainState;
pub use step::Stepper;
