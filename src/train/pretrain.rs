//! The pre-training loop.
//!
//! The random numbers of batch, masks, samples and dropout of step k depend on (seed, k) only, never on how
//! the run got there. So a resumed run ends with the same bits as one that was never interrupted.

use std::path::Path;
use std::time::Instant;

use super::checkpoint::Checkpoint;
use super::optimizer::Optimizer;
use super::state::TrainState;
use super::step::{Stepper, diverged};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TrainSpec;
use crate::formats::shards::TRAIN_ANEW;
use crate::objective::{DeferredMetrics, Metrics, Objective, StepContext};
use crate::records::checkpoints::FINAL;
use crate::records::{Event, Sink, Split};
use crate::text::Batch;

/// Largest number of held-out batches in one evaluation. The text is the same for every `train.batch`.
const VALIDATION_BATCHES: usize = 16;
/// Largest number of steps whose metrics stay pending on a device.
const MAX_PENDING: usize = 100;
/// Sequences of a held-out batch.
pub const VALIDATION_BATCH: usize = 32;

/// Where the batches come from.
pub struct BatchSource<'a> {
    /// The batch of a training step.
    pub training: &'a dyn Fn(u64) -> Batch,
    /// The i-th held-out batch, of [`VALIDATION_BATCH`] sequences. None past the last one.
    pub held_out: &'a dyn Fn(usize) -> Option<Batch>,
    /// Training FLOPs of a step on a batch, by the exact counter.
    pub flops: &'a dyn Fn(u64, &Batch) -> f64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainOutcome {
    /// All steps are done and `final.safetensors` is written.
    Finished,
    /// The run was asked to stop, and a checkpoint is written.
    Stopped,
}

/// One pre-training run.
pub struct Pretraining<'a> {
    /// Seed of the trial.
    pub seed: u64,
    /// Learning rate, and how often the run reports, validates and saves.
    pub spec: &'a TrainSpec,
    /// Steps that the schedule is made for.
    pub n_steps: u64,
    /// The step to stop after, at most `n_steps`.
    pub last_step: u64,
    /// The objective that is trained.
    pub objective: &'a dyn Objective,
    /// The batches.
    pub source: BatchSource<'a>,
    /// Folder of the checkpoints.
    pub checkpoints: &'a Path,
    /// Whose checkpoints they are:
    /// [`TrialSpec::pretraining_id`](crate::experiment::TrialSpec::pretraining_id).
    pub owner: &'a str,
    /// Receives metrics and progress.
    pub sink: &'a dyn Sink,
    /// Whether to stop after the current step.
    pub stop: &'a dyn Fn() -> bool,
}

impl Pretraining<'_> {
    /// Trains from the newest checkpoint, or from the start, until the last step or until asked to stop.
    /// `resumed` gets the state that training continues from, before anything is reported, and returns how
    /// many lines of metrics belong to it.
    ///
    /// # Errors
    /// Training diverges; a checkpoint is damaged or of a step that the trial does not have; a file cannot be
    /// written.
    pub fn run(
        &self,
        resumed: impl FnOnce(&TrainState) -> Result<u64>,
    ) -> Result<(TrainOutcome, TrainState)> {
        if let Some(state) = self.load_finished()? {
            resumed(&state)?;
            return Ok((TrainOutcome::Finished, state));
        }
        let mut optimizer = Optimizer::new(self.spec.into(), self.objective.parameters())?;
        let mut state = self.load_newest(&mut optimizer)?;
        state.n_events = Some(resumed(&state)?);
        let (start, elapsed_before) = (Instant::now(), state.elapsed_s);
        let elapsed = || elapsed_before + start.elapsed().as_secs_f64();
        let mut pending = Vec::new();
        self.sink.progress(state.step, self.last_step);
        if self.last_step == 0 {
            state.validation = self.validate()?;
            let metrics = state.validation.clone();
            self.event(Split::Validation, &mut state, &metrics);
        }

        while state.step < self.last_step {
            pending.push(self.step(&mut optimizer, &mut state)?);
            let stop = (self.stop)();
            let save = stop || state.step.is_multiple_of(self.spec.checkpoint_every);
            if save || self.must_resolve(&pending, state.step) {
                for metrics in DeferredMetrics::resolve_all(std::mem::take(&mut pending))? {
                    state.window.merge(&metrics);
                }
            }
            state.elapsed_s = elapsed();
            self.report(&mut state)?;
            if save {
                self.save(&optimizer, &state)?;
            }
            if stop {
                return Ok((TrainOutcome::Stopped, state));
            }
        }
        state.elapsed_s = elapsed();
        self.save_final(&optimizer, &state)?;
        Ok((TrainOutcome::Finished, state))
    }

    /// Loads the parameters of a run that is finished already; None if it is not.
    fn load_finished(&self) -> Result<Option<TrainState>> {
        let path = self.checkpoints.join(FINAL);
        if !Checkpoint::is_there(&path) {
            return Ok(None);
        }
        let checkpoint = Checkpoint::read(&path, self.owner)?;
        if checkpoint.state.step != self.last_step {
            return Err(self.other_step(&path, &checkpoint.state));
        }
        checkpoint.load_parameters(self.objective.parameters(), |_| true)?;
        Checkpoint::remove_steps(self.checkpoints)?;
        Ok(Some(checkpoint.state))
    }

    /// Loads parameters and moments of the newest checkpoint; a new state if there is none.
    fn load_newest(&self, optimizer: &mut Optimizer) -> Result<TrainState> {
        let Some(checkpoint) = Checkpoint::newest(self.checkpoints, self.owner)? else {
            return Ok(TrainState::default());
        };
        if checkpoint.state.step > self.last_step {
            return Err(self.other_step(self.checkpoints, &checkpoint.state));
        }
        checkpoint.load(self.objective.parameters(), optimizer)?;
        Ok(checkpoint.state)
    }

    /// The error of a checkpoint of a step that it cannot have.
    fn other_step(&self, path: &Path, state: &TrainState) -> Error {
        let (step, last) = (state.step, self.last_step);
        let what = format!("{} is of step {step}, and the trial ends after step {last}", path.display());
        let hint = format!("put the trial's own checkpoint back, or {TRAIN_ANEW}");
        Error::new(ErrorKind::Storage, what, hint)
    }

    /// Takes a step and returns its metrics.
    fn step(&self, optimizer: &mut Optimizer, state: &mut TrainState) -> Result<DeferredMetrics> {
        let batch = (self.source.training)(state.step);
        let (flops, n_tokens) = ((self.source.flops)(state.step, &batch), batch.n_tokens() as u64);
        let Self { seed, spec, n_steps, objective, .. } = *self;
        let stepper = Stepper { seed, spec, n_steps, objective, trace: false };
        let step = stepper.step(optimizer, state.step, batch)?;
        state.flops += flops;
        state.step += 1;
        state.n_updates = optimizer.n_updates();
        state.tokens += n_tokens;
        step.metrics()
    }

    /// Whether the metrics of the last steps must be resolved after step `step`. Metrics in host memory
    /// already are; others can wait until they are reported.
    fn must_resolve(&self, pending: &[DeferredMetrics], step: u64) -> bool {
        let reports = [self.spec.log_every, self.spec.validate_every];
        pending.iter().all(DeferredMetrics::is_resolved)
            || pending.len() >= MAX_PENDING
            || step == self.last_step
            || reports.into_iter().any(|every| step.is_multiple_of(every))
    }

    /// Reports what is due after a step.
    fn report(&self, state: &mut TrainState) -> Result<()> {
        let last = state.step == self.last_step;
        if last || state.step.is_multiple_of(self.spec.log_every) {
            let window = std::mem::take(&mut state.window);
            self.event(Split::Train, state, &window);
        }
        if last || state.step.is_multiple_of(self.spec.validate_every) {
            let metrics = self.validate()?;
            self.event(Split::Validation, state, &metrics);
            if last {
                state.validation = metrics;
            }
        }
        self.sink.progress(state.step, self.last_step);
        Ok(())
    }

    /// Reports a line of metrics.
    fn event(&self, split: Split, state: &mut TrainState, metrics: &Metrics) {
        self.sink.event(&Event {
            split,
            step: state.step,
            tokens: state.tokens,
            flops: state.flops,
            elapsed_s: state.elapsed_s,
            values: metrics.values(),
        });
        state.n_events = state.n_events.map(|n| n + 1);
    }

    /// Metrics on held-out text, without dropout and with the same masks and samples each time.
    fn validate(&self) -> Result<Metrics> {
        let mut pending = Vec::new();
        for index in 0..VALIDATION_BATCHES {
            let Some(batch) = (self.source.held_out)(index) else { break };
            let context = StepContext { seed: self.seed, step: index as u64, training: false, trace: false };
            pending.push(self.objective.losses(&batch, context)?.metrics);
        }
        let mut all = Metrics::default();
        for metrics in DeferredMetrics::resolve_all(pending)? {
            all.merge(&metrics);
        }
        if let Some((name, _)) = all.values().into_iter().find(|(_, value)| !value.is_finite()) {
            return Err(diverged(&format!("the held-out {name}")));
        }
        Ok(all)
    }

    /// Saves a checkpoint to continue from, after the metrics up to it.
    fn save(&self, optimizer: &Optimizer, state: &TrainState) -> Result<()> {
        self.sink.flush()?;
        let max_bytes = self.spec.checkpoint_bytes();
        Checkpoint::save(
            self.checkpoints,
            self.owner,
            self.objective.parameters(),
            optimizer,
            state,
            max_bytes,
        )
    }

    /// Saves the parameters after the last step. If the schedule goes on after it, the moments are saved too,
    /// so that a longer run can continue.
    fn save_final(&self, optimizer: &Optimizer, state: &TrainState) -> Result<()> {
        self.sink.flush()?;
        let to_continue = (self.last_step < self.n_steps).then_some(optimizer);
        let (parameters, max_bytes) = (self.objective.parameters(), self.spec.checkpoint_bytes());
        Checkpoint::save_final(self.checkpoints, self.owner, parameters, to_continue, state, max_bytes)
    }
}

#[cfg(test)]
mod tests;
