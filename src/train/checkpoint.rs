//! Checkpoints: everything that the next step depends on, in one safetensors file.
//!
//! `step-000000500.safetensors` holds parameters (`model.*`), moments (`first.*`, `second.*`) and, as metadata,
//! the loop's state; `final.safetensors` the parameters alone, or all of it where the schedule goes on. Each is written beside its place and renamed,
//! and older ones are removed afterwards, so that a killed process always leaves a whole one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

use super::{Optimizer, State};
use crate::disk::{create_folder, write_whole};
use crate::fault::{Fault, FaultKind, Result};
use crate::nn::Parameters;
use crate::tensor_file::TensorFile;

/// File name of the parameters after the last step.
pub const FINAL: &str = "final.safetensors";

const STATE: &str = "state";

/// A checkpoint that was read.
pub struct Checkpoint {
    path: PathBuf,
    tensors: HashMap<String, Tensor>,
    /// Where the loop was.
    pub state: State,
}

/// File name of the checkpoint after `step` steps.
pub fn file_name(step: u64) -> String {
    format!("step-{step:09}.safetensors")
}

/// The steps of the checkpoints in a folder, ascending.
fn steps(folder: &Path) -> Vec<u64> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut steps: Vec<u64> = names
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
        })
        .collect();
    steps.sort_unstable();
    steps
}

impl Checkpoint {
    /// The newest checkpoint of a folder; None if there is none.
    pub fn newest(folder: &Path) -> Result<Option<Self>> {
        let last = folder.join(FINAL);
        if last.exists() {
            return Self::read(&last).map(Some);
        }
        steps(folder).last().map(|&step| Self::read(&folder.join(file_name(step)))).transpose()
    }

    /// Reads a checkpoint.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|error| Fault::storage(path, "read the checkpoint", error))?;
        let damaged = |what: &str| {
            let hint = "run with --force to begin the trial anew";
            Fault::new(FaultKind::Storage, format!("the checkpoint {} {what}", path.display()), hint)
        };
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged("is damaged").because(error))?;
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| damaged("is damaged").because(error))?;
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(STATE));
        let text = text.ok_or_else(|| damaged("has no training state"))?;
        let state = serde_json::from_str(text)
            .map_err(|error| damaged("has an unreadable training state").because(error))?;
        let mut tensors = HashMap::new();
        for (name, view) in file.tensors() {
            let tensor = Tensor::from_raw_buffer(view.data(), DType::F32, view.shape(), &Device::Cpu)?;
            tensors.insert(name, tensor);
        }
        Ok(Self { path: path.into(), tensors, state })
    }

    /// Puts the parameters that `wanted` accepts into place.
    pub fn load_parameters(&self, parameters: &Parameters, wanted: impl Fn(&str) -> bool) -> Result<()> {
        parameters.load(wanted, |name| self.tensors.get(&format!("model.{name}")).cloned())
    }

    /// Puts parameters and moments into place.
    pub fn load(&self, parameters: &Parameters, optimizer: &mut Optimizer) -> Result<()> {
        self.load_parameters(parameters, |_| true)?;
        optimizer.load(parameters, self.state.n_updates, |name| {
            let find = |kind: &str| {
                self.tensors.get(&format!("{kind}.{name}")).cloned().ok_or_else(|| {
                    let what = format!("{} has no moment `{kind}.{name}`", self.path.display());
                    Fault::new(FaultKind::Storage, what, "run with --force to train anew")
                })
            };
            Ok((find("first")?, find("second")?))
        })
    }

    /// Saves a checkpoint to continue from, then removes older ones.
    pub fn save(folder: &Path, parameters: &Parameters, optimizer: &Optimizer, state: &State) -> Result<()> {
        let tensors = with_moments(parameters, optimizer);
        write(&folder.join(file_name(state.step)), tensors, state)?;
        for step in steps(folder) {
            if step < state.step {
                remove(&folder.join(file_name(step)))?;
            }
        }
        Ok(())
    }

    /// Saves parameters alone, of a fine-tuned model say.
    pub fn save_model(path: &Path, parameters: &Parameters) -> Result<()> {
        write(path, model_tensors(parameters), &State::default())
    }

    /// Saves the parameters after the last step, then removes what only a continuation needs. `to_continue` keeps the
    /// moments: a longer run on the same schedule can begin where this one stopped.
    pub fn save_final(
        folder: &Path,
        parameters: &Parameters,
        to_continue: Option<&Optimizer>,
        state: &State,
    ) -> Result<()> {
        let tensors = match to_continue {
            Some(optimizer) => with_moments(parameters, optimizer),
            None => model_tensors(parameters),
        };
        write(&folder.join(FINAL), tensors, state)?;
        for step in steps(folder) {
            remove(&folder.join(file_name(step)))?;
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

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|error| Fault::storage(path, "remove the older checkpoint", error))
}

fn write(path: &Path, tensors: Vec<(String, Tensor)>, state: &State) -> Result<()> {
    let mut file = TensorFile::default();
    for (name, tensor) in tensors {
        file.add(name, &tensor)?;
    }
    let state =
        serde_json::to_string(state).map_err(|error| Fault::storage(path, "write the checkpoint", error))?;
    create_folder(path.parent().unwrap_or(Path::new(".")))?;
    write_whole(path, &file.into_bytes(STATE, state)?)
}
