//! Checkpoints in the layout of Hugging Face's transformers, read and written.
//!
//! `config.rs` knows config.json, `names.rs` which of their tensors are which of ours, `weights.rs` the files of
//! weights, `read.rs` builds networks from a folder, `write.rs` writes one, `of_trial.rs` takes a trial's networks apart. Must never: run pickled code, or take
//! a tensor by position.

mod config;
#[cfg(test)]
pub(crate) mod fixture;
mod legacy;
mod names;
mod of_trial;
#[cfg(test)]
mod parity;
mod read;
mod weights;
mod write;

pub use config::{Config, Family};
pub use of_trial::{TrainedNetwork, TrainedNetworks};
pub use read::Published;
pub use write::Role;
