//! Checkpoints: everything that the next step depends on, in one safetensors file or in shards
//! (`formats/shards.rs`).
//!
//! `step-000000500.safetensors` holds parameters (`model.*`), moments (`first.*`, `second.*`) and, as
//! metadata, the state of the loop. `final.safetensors` holds the parameters and the state, and the moments
//! too if the schedule goes on. A file is written under a temporary name and renamed, and older ones are
//! removed afterwards, so that a killed process always leaves a complete checkpoint.
//!
//! The state is sealed: it names the pre-training or the fine-tuning run that it belongs to, with a checksum
//! of itself and of every tensor. Must never: load a file whose seal is broken or names another owner. Files
//! from before the seal are read without it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use super::optimizer::Optimizer;
use super::state::{Seal, TrainState};
use crate::disk::{create_folder, folder_of};
use crate::error::{Error, ErrorKind, Result};
use crate::formats::shards::{self, Contents, TRAIN_ANEW, damaged};
use crate::nn::{Parameter, Parameters};
use crate::records::checkpoints::{FINAL, file_name, steps};

const STATE: &str = "state";

/// A checkpoint in memory.
pub struct Checkpoint {
    path: PathBuf,
    tensors: HashMap<String, Tensor>,
    /// State of the loop.
    pub state: TrainState,
}

impl Checkpoint {
    /// The newest checkpoint of a folder: the final one if there is one. None if the folder has no
    /// checkpoint.
    pub fn newest(folder: &Path, owner: &str) -> Result<Option<Self>> {
        let final_path = folder.join(FINAL);
        if Self::is_there(&final_path) {
            return Self::read(&final_path, owner).map(Some);
        }
        steps(folder).last().map(|&step| Self::read(&folder.join(file_name(step)), owner)).transpose()
    }

    /// Whether a checkpoint exists, in one file or in shards.
    pub fn is_there(path: &Path) -> bool {
        shards::exists(path)
    }

    /// Gives a checkpoint a second name, by calling `link` for each of its files.
    pub fn copy(from: &Path, to: &Path, link: impl Fn(&Path, &Path) -> Result<()>) -> Result<()> {
        shards::copy(from, to, link)
    }

    /// Reads a checkpoint of `owner`.
    ///
    /// # Errors
    /// A file is missing or damaged, or belongs to another trial.
    pub fn read(path: &Path, owner: &str) -> Result<Self> {
        let Contents { files, checksums, metadata } = shards::read(path)?;
        let text = metadata.get(STATE).ok_or_else(|| damaged(path).because("it has no training state"))?;
        let mut state: TrainState = serde_json::from_str(text)
            .map_err(|error| damaged(path).because("its training state is unreadable").because(error))?;
        if let Some(seal) = state.seal.take() {
            check_seal(&seal, text, &checksums, path, owner)?;
        }
        let mut tensors = HashMap::new();
        for bytes in &files {
            let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(path).because(error))?;
            for (name, view) in file.tensors() {
                if view.dtype() != Dtype::F32 {
                    let what = format!("its tensor `{name}` has the type {:?}, not F32", view.dtype());
                    return Err(damaged(path).because(what));
                }
                let tensor = Tensor::from_raw_buffer(view.data(), DType::F32, view.shape(), &Device::Cpu)?;
                tensors.insert(name, tensor);
            }
        }
        Ok(Self { path: path.into(), tensors, state })
    }

    /// Loads the parameters that `wanted` accepts.
    pub fn load_parameters(&self, parameters: &Parameters, wanted: impl Fn(&str) -> bool) -> Result<()> {
        parameters.load(wanted, |name| self.tensors.get(&format!("model.{name}")).cloned())
    }

    /// Loads parameters and moments.
    pub fn load(&self, parameters: &Parameters, optimizer: &mut Optimizer) -> Result<()> {
        self.load_parameters(parameters, |_| true)?;
        optimizer.load(parameters, self.state.n_updates, |name| {
            let find = |kind: &str| {
                self.tensors.get(&format!("{kind}.{name}")).cloned().ok_or_else(|| {
                    let what =
                        format!("the checkpoint {} has no moment `{kind}.{name}`", self.path.display());
                    Error::new(ErrorKind::Storage, what, TRAIN_ANEW)
                })
            };
            Ok((find("first")?, find("second")?))
        })
    }

    /// Saves a checkpoint to continue from, in files of at most `max_bytes`, then removes older ones.
    pub fn save(
        folder: &Path,
        owner: &str,
        parameters: &Parameters,
        optimizer: &Optimizer,
        state: &TrainState,
        max_bytes: Option<u64>,
    ) -> Result<()> {
        let tensors = tensors_of(parameters, Some(optimizer));
        write(&folder.join(file_name(state.step)), owner, tensors, state, max_bytes)?;
        for step in steps(folder) {
            if step < state.step {
                shards::remove(&folder.join(file_name(step)))?;
            }
        }
        Ok(())
    }

    /// Saves parameters alone, for example of a fine-tuned model.
    pub fn save_model(path: &Path, owner: &str, parameters: &Parameters) -> Result<()> {
        Self::save_run(path, owner, parameters, None, &TrainState::default())
    }

    /// Saves the state of a run that has one file: its parameters, and the moments where steps follow.
    pub fn save_run(
        path: &Path,
        owner: &str,
        parameters: &Parameters,
        optimizer: Option<&Optimizer>,
        state: &TrainState,
    ) -> Result<()> {
        write(path, owner, tensors_of(parameters, optimizer), state, None)
    }

    /// Saves the parameters after the last step, then removes the other checkpoints. With `to_continue` it
    /// also saves the moments, so that a longer run on the same schedule can continue from here.
    pub fn save_final(
        folder: &Path,
        owner: &str,
        parameters: &Parameters,
        to_continue: Option<&Optimizer>,
        state: &TrainState,
        max_bytes: Option<u64>,
    ) -> Result<()> {
        write(&folder.join(FINAL), owner, tensors_of(parameters, to_continue), state, max_bytes)?;
        Self::remove_steps(folder)
    }

    /// Removes the checkpoints from before the final one, which a process may have been killed before.
    pub fn remove_steps(folder: &Path) -> Result<()> {
        steps(folder).into_iter().try_for_each(|step| shards::remove(&folder.join(file_name(step))))
    }
}

/// Compares a checkpoint with what it says of itself; `text` is its state as it is in the file.
fn check_seal(seal: &Seal, text: &str, checksums: &[String], path: &Path, owner: &str) -> Result<()> {
    // The checksum was made of the state without it.
    if checksum(&text.replacen(&seal.checksum, "", 1), checksums) != seal.checksum {
        return Err(damaged(path).because("its content does not match its checksum"));
    }
    if seal.owner != owner {
        let what =
            format!("{} is the checkpoint of another trial ({}, not {owner})", path.display(), seal.owner);
        let hint = format!("put the trial's own checkpoint back, or {TRAIN_ANEW}");
        return Err(Error::new(ErrorKind::Storage, what, hint));
    }
    Ok(())
}

fn checksum(state: &str, checksums: &[String]) -> String {
    blake3::hash(format!("{state}\n{}", checksums.join(" ")).as_bytes()).to_hex().to_string()
}

/// The state as a file holds it, with its seal.
fn sealed(path: &Path, owner: &str, state: &TrainState, checksums: &[String]) -> Result<String> {
    let text = |checksum: String| {
        let seal = Some(Seal { owner: owner.into(), checksum });
        serde_json::to_string(&TrainState { seal, ..state.clone() })
            .map_err(|error| Error::storage(path, "write the checkpoint", error))
    };
    text(checksum(&text(String::new())?, checksums))
}

/// The parameters, with the moments if there is an optimizer.
fn tensors_of(parameters: &Parameters, optimizer: Option<&Optimizer>) -> Vec<(String, Tensor)> {
    let model = |p: &Parameter| (format!("model.{}", p.name), p.var.as_detached_tensor());
    let mut tensors: Vec<(String, Tensor)> = parameters.iter().map(model).collect();
    let moments = optimizer.map_or(&[][..], |optimizer| optimizer.moments());
    for (parameter, (first, second)) in parameters.iter().zip(moments) {
        tensors.push((format!("first.{}", parameter.name), first.as_detached_tensor()));
        tensors.push((format!("second.{}", parameter.name), second.as_detached_tensor()));
    }
    tensors
}

fn write(
    path: &Path,
    owner: &str,
    tensors: Vec<(String, Tensor)>,
    state: &TrainState,
    max_bytes: Option<u64>,
) -> Result<()> {
    create_folder(folder_of(path))?;
    let sealed = |checksums: &[String]| sealed(path, owner, state, checksums);
    shards::write(path, tensors, (STATE, sealed), max_bytes)
}

#[cfg(test)]
mod tests;

/// Writes a checkpoint again, in shards of at most `max_bytes`.
#[cfg(test)]
pub fn split(path: &Path, owner: &str, max_bytes: u64) {
    let Checkpoint { tensors, state, .. } = Checkpoint::read(path, owner).unwrap();
    write(path, owner, tensors.into_iter().collect(), &state, Some(max_bytes)).unwrap();
}
