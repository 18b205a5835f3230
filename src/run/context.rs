//! What a trial may touch: its folder, its listeners, the device, the data, and the request to stop.

use candle_core::Device;

use super::interrupt::StopFlag;
use crate::error::Result;
use crate::experiment::Trial;
use crate::hub::DataEnv;
use crate::records::folder::TrialFolder;
use crate::records::{Outcome, Sink};

/// The context of one trial. The folder is locked for this process while the trial runs.
pub struct TrialContext<'a> {
    /// `results/<experiment>/<trial-id>/`.
    pub folder: &'a TrialFolder,
    /// Events go to metrics.jsonl and to the person who watches.
    pub sink: &'a dyn Sink,
    /// Raised: save a checkpoint and return [`StopFlag::error`].
    pub stop: &'a StopFlag,
    /// Where tensors live.
    pub device: Device,
    /// Hub and caches.
    pub env: &'a DataEnv,
    /// Name of the experiment.
    pub experiment: &'a str,
    /// Name of its profile.
    pub profile: &'a str,
    /// Whether to take over what another trial has already trained.
    pub reuse: bool,
    /// Whether to return [`StopFlag::error`] after pre-training, of a trial with tasks: they need not be here.
    pub pretrain_only: bool,
}

/// Runs one trial to its end or from its last checkpoint on, and returns what `outcome.json` will hold.
/// It writes `trial.json` as soon as the provenance of its data is known; the executor writes the outcome.
pub type Runner<'a> = dyn Fn(&Trial, &TrialContext) -> Result<Outcome> + Sync + 'a;
