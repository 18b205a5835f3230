//! Checkpoints in the layout of Hugging Face's transformers, read and written.
//!
//! `config.rs` knows config.json, `names.rs` which of their tensors are which of ours, `weights.rs` the files of
//! weights, `read.rs` builds networks from a folder, `write.rs` writes one, `of_trial.rs` takes a trial's networks apart. Must never: run pickled code, or take
//! a tensor by position.

pub mod config;
#[cfg(test)]
pub(crate) mod fixture;
pub mod legacy;
pub mod names;
pub mod of_trial;
#[cfg(test)]
mod parity;
pub mod read;
pub mod weights;
pub mod write;

pub use config::{Config, Family};
pub use of_trial::{TrainedNetwork, TrainedNetworks};
pub use read::Published;
pub use write::Role;
