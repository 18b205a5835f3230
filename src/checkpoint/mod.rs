//! Checkpoints in the layout of Hugging Face's transformers, read and written.
//!
//! `config.rs` reads and writes config.json, `names.rs` maps their tensors to our parameters, `weights.rs`
//! reads the weight files (`pytorch.rs` with `pickle.rs` those of PyTorch), `read.rs` builds networks from a
//! folder, `write.rs` writes one, and `of_trial.rs` splits a trial's networks into published models. Must never: run pickled code, or identify a tensor by its
//! position.

mod config;
#[cfg(test)]
pub(crate) mod fixture;
mod names;
mod of_trial;
#[cfg(test)]
mod parity;
mod pickle;
mod pytorch;
mod read;
mod weights;
mod write;

pub use of_trial::{TrainedNetwork, TrainedNetworks};
pub use read::{PretrainingHead, Published};
