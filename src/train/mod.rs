//! The training loop, the optimizer and its schedule, checkpoints.

mod checkpoint;
mod optimizer;
mod pretrain;
mod schedule;
mod shards;
mod step;

pub use checkpoint::{Checkpoint, FINAL, file_name};
pub use optimizer::{Norm, Optimizer, Settings};
pub use pretrain::{Ended, Pretraining, Source, State, VALIDATION_BATCH};
pub use schedule::Schedule;
pub use step::{Step, Stepper};
