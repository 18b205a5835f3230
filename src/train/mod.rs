//! The training loop, the optimizer and its schedule, checkpoints.

mod checkpoint;
mod optimizer;
mod pretrain;
mod schedule;
mod step;

pub use checkpoint::Checkpoint;
pub use optimizer::{Norm, Optimizer, Settings};
pub use pretrain::{Ended, Pretraining, Source, State, VALIDATION_BATCH};
pub use schedule::Schedule;
pub use step::{Step, Stepper};
