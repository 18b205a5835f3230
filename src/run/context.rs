//! What one trial gets from its run, and how it ends without an error.

use candle_core::Device;

use super::interrupt::StopFlag;
use super::prepared_data::PreparedData;
use crate::error::Result;
use crate::experiment::Trial;
use crate::records::folder::TrialFolder;
use crate::records::{Outcome, Sink};

/// The context of one trial. The folder is locked for this process while the trial runs.
pub struct TrialContext<'a> {
    /// `results/<experiment>/<trial-id>/`.
    pub folder: &'a TrialFolder,
    /// Receives metrics, phases and progress.
    pub sink: &'a dyn Sink,
    /// Once raised, pre-training or fine-tuning saves its state, and the trial returns
    /// [`TrialRun::Interrupted`].
    pub stop: &'a StopFlag,
    /// Where tensors live.
    pub device: Device,
    /// The data of all trials of the run.
    pub data: &'a PreparedData,
    /// Name of the experiment.
    pub experiment: &'a str,
    /// Name of its profile.
    pub profile: &'a str,
    /// Whether pre-training of other trials may be reused.
    pub reuse: bool,
    /// Whether to stop after pre-training; the tasks are then not prepared.
    pub pretrain_only: bool,
}

/// How a trial ended that met no error.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialRun {
    /// All is done; this goes into `outcome.json`.
    Done(Outcome),
    /// Pre-training is done, and the run asked for no more.
    Pretrained,
    /// The same command continues: pre-training from the checkpoint that was saved, and fine-tuning with the
    /// runs that have no predictions yet, each from the state that was saved.
    Interrupted,
}

/// Runs one trial from its beginning or its last checkpoint. It writes `trial.json` as soon as the provenance
/// of its data is known; the executor writes `outcome.json`.
pub type Runner<'a> = dyn Fn(&Trial, &TrialContext) -> Result<TrialRun> + Sync + 'a;
