//! Checkpoints: everything that the next step depends on, in one safetensors file or in shards
//! (`formats/shards.rs`).
//!
//! `step-000000500.safetensors` holds parameters (`model.*`), moments (`first.*`, `second.*`) and, as
//! metadata, the state of the loop. `final.safetensors` holds the parameters and the state, and the moments
//! too if the schedule goes on. A file is written under a temporary name and renamed, and older ones are
//! removed afterwards, so that a killed process always leaves a complete checkpoint.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

use super::optimizer::Optimizer;
use super::state::TrainState;
use crate::disk::create_folder;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::shards::{self, Contents, damaged};
use crate::nn::Parameters;
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
    pub fn newest(folder: &Path) -> Result<Option<Self>> {
        let final_path = folder.join(FINAL);
        if Self::is_there(&final_path) {
            return Self::read(&final_path).map(Some);
        }
        steps(folder).last().map(|&step| Self::read(&folder.join(file_name(step)))).transpose()
    }

    /// Whether a checkpoint exists, in one file or in shards.
    pub fn is_there(path: &Path) -> bool {
        shards::exists(path)
    }

    /// Gives a checkpoint a second name, by calling `link` for each of its files.
    pub fn copy(from: &Path, to: &Path, link: impl Fn(&Path, &Path) -> Result<()>) -> Result<()> {
        shards::copy(from, to, link)
    }

    /// Reads a checkpoint.
    pub fn read(path: &Path) -> Result<Self> {
        let Contents { files, metadata } = shards::read(path)?;
        let damaged_state = |what: &str| {
            let hint = "run with --force to train anew";
            Error::new(ErrorKind::Storage, format!("the checkpoint {} {what}", path.display()), hint)
        };
        let text = metadata.get(STATE).ok_or_else(|| damaged_state("has no training state"))?;
        let state = serde_json::from_str(text)
            .map_err(|error| damaged_state("has an unreadable training state").because(error))?;
        let mut tensors = HashMap::new();
        for bytes in &files {
            let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(path).because(error))?;
            for (name, view) in file.tensors() {
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
                    Error::new(ErrorKind::Storage, what, "run with --force to train anew")
                })
            };
            Ok((find("first")?, find("second")?))
        })
    }

    /// Saves a checkpoint to continue from, in files of at most `max_bytes`, then removes older ones.
    pub fn save(
        folder: &Path,
        parameters: &Parameters,
        optimizer: &Optimizer,
        state: &TrainState,
        max_bytes: Option<u64>,
    ) -> Result<()> {
        let tensors = with_moments(parameters, optimizer);
        write(&folder.join(file_name(state.step)), tensors, state, max_bytes)?;
        for step in steps(folder) {
            if step < state.step {
                shards::remove(&folder.join(file_name(step)))?;
            }
        }
        Ok(())
    }

    /// Saves parameters alone, for example of a fine-tuned model.
    pub fn save_model(path: &Path, parameters: &Parameters) -> Result<()> {
        write(path, model_tensors(parameters), &TrainState::default(), None)
    }

    /// Saves the parameters after the last step, then removes the other checkpoints. With `to_continue` it
    /// also saves the moments, so that a longer run on the same schedule can continue from here.
    pub fn save_final(
        folder: &Path,
        parameters: &Parameters,
        to_continue: Option<&Optimizer>,
        state: &TrainState,
        max_bytes: Option<u64>,
    ) -> Result<()> {
        let tensors = match to_continue {
            Some(optimizer) => with_moments(parameters, optimizer),
            None => model_tensors(parameters),
        };
        write(&folder.join(FINAL), tensors, state, max_bytes)?;
        for step in steps(folder) {
            shards::remove(&folder.join(file_name(step)))?;
        }
        Ok(())
    }
}

fn model_tensors(parameters: &Parameters) -> Vec<(String, Tensor)> {
    parameters.iter().map(|p| (format!("model.{}", p.name), p.var.as_detached_tensor())).collect()
}

fn with_moments(parameters: &Parameters, optimizer: &Optimizer) -> Vec<(String, Tensor)> {
    let mut tensors = model_tensors(parameters);
    for (parameter, (first, second)) in parameters.iter().zip(optimizer.moments()) {
        tensors.push((format!("first.{}", parameter.name), first.as_detached_tensor()));
        tensors.push((format!("second.{}", parameter.name), second.as_detached_tensor()));
    }
    tensors
}

fn write(
    path: &Path,
    tensors: Vec<(String, Tensor)>,
    state: &TrainState,
    max_bytes: Option<u64>,
) -> Result<()> {
    let state =
        serde_json::to_string(state).map_err(|error| Error::storage(path, "write the checkpoint", error))?;
    create_folder(path.parent().unwrap_or(Path::new(".")))?;
    shards::write(path, tensors, (STATE, state), max_bytes)
}

/// Writes a checkpoint again, in shards of at most `max_bytes`.
#[cfg(test)]
pub fn split(path: &Path, max_bytes: u64) {
    let Checkpoint { tensors, state, .. } = Checkpoint::read(path).unwrap();
    write(path, tensors.into_iter().collect(), &state, Some(max_bytes)).unwrap();
}
