//! The state of a fine-tuning run that is not finished: written when the run is asked to stop, and every few
//! minutes against a kill, so that a short run writes nothing.
//!
//! A file that is damaged, or of another run, is left aside: the run begins again and gives the same numbers.
//! Next: `train/checkpoint.rs`, which writes and checks the file.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::disk::{folder_of, storage_error};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::Parameters;
use crate::train::{Checkpoint, Optimizer, TrainState};

/// Time between two saved states.
const SAVE_EVERY: Duration = Duration::from_secs(600);

/// Where a fine-tuning run keeps its state.
pub struct Unfinished {
    file: PathBuf,
    owner: String,
    saved_at: Cell<Instant>,
}

impl Unfinished {
    /// In this file, whose owner it names.
    pub fn new(file: PathBuf, owner: String) -> Self {
        Self { file, owner, saved_at: Cell::new(Instant::now()) }
    }

    /// Loads what an earlier process left and returns the number of its steps; 0 if there is nothing that can
    /// be used. After the last step there are no moments.
    ///
    /// # Errors
    /// The tensors of a whole file do not fit the network.
    pub fn load(&self, parameters: &Parameters, optimizer: &mut Optimizer, n_steps: u64) -> Result<u64> {
        if !self.file.is_file() {
            return Ok(0);
        }
        let Ok(checkpoint) = Checkpoint::read(&self.file, &self.owner) else { return Ok(0) };
        let step = checkpoint.state.step;
        if step > n_steps {
            return Ok(0);
        }
        if step < n_steps {
            checkpoint.load(parameters, optimizer)?;
        } else {
            checkpoint.load_parameters(parameters, |_| true)?;
        }
        Ok(step)
    }

    /// Whether the last state is old enough for another one.
    pub fn is_due(&self) -> bool {
        self.saved_at.get().elapsed() >= SAVE_EVERY
    }

    /// Saves the state after `step` steps; without the moments if no step follows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, parameters: &Parameters, optimizer: Option<&Optimizer>, step: u64) -> Result<()> {
        let n_updates = optimizer.map_or(step, Optimizer::n_updates);
        let state = TrainState { step, n_updates, ..TrainState::default() };
        Checkpoint::save_run(&self.file, &self.owner, parameters, optimizer, &state)?;
        self.saved_at.set(Instant::now());
        Ok(())
    }

    /// Passes on the result of work with the trained network, such as predictions. If it was stopped, saves
    /// the network first.
    pub fn or_save<T>(&self, result: Result<T>, parameters: &Parameters, n_steps: u64) -> Result<T> {
        if matches!(&result, Err(Error { kind: ErrorKind::Interrupted, .. })) {
            self.save(parameters, None, n_steps)?;
        }
        result
    }

    /// Removes the state of a run whose result is saved.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self) -> Result<()> {
        if !self.file.exists() {
            return Ok(());
        }
        std::fs::remove_file(&self.file).map_err(|error| storage_error(&self.file, "delete", &error))?;
        // Fails, as it should, if the folder has other weights.
        let _ = std::fs::remove_dir(folder_of(&self.file));
        Ok(())
    }
}
