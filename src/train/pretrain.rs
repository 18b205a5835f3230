//! The pre-training loop.
//!
//! The batch, the masks, the samples and the dropout of step k depend on (seed, k) only, never on how the run
//! got there: that is what makes a resumed run end in the same bits as one that was never interrupted.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::optimizer::Optimizer;
use super::step::{Step, Stepper, diverged};
use crate::error::Result;
use crate::experiment::TrainSpec;
use crate::objective::{DeferredMetrics, Metrics, Objective, StepContext, exact};
use crate::records::checkpoints::FINAL;
use crate::records::{Event, Sink, Split};
use crate::text::Batch;

/// Held-out batches of one evaluation, at most, and their sequences: the same text for every `train.batch`.
const VALIDATION_BATCHES: usize = 16;
/// Steps whose metrics may lie unread on a device.
const MOST_UNREAD: usize = 100;
/// Sequences of a held-out batch.
pub const VALIDATION_BATCH: usize = 32;

/// Where the batches come from.
pub struct Source<'a> {
    /// The batch of a training step.
    pub training: &'a dyn Fn(u64) -> Batch,
    /// The i-th held-out batch, of [`VALIDATION_BATCH`] sequences; None past the last.
    pub held_out: &'a dyn Fn(usize) -> Option<Batch>,
    /// Training FLOPs of a step on a batch, by the exact counter.
    pub flops: &'a dyn Fn(u64, &Batch) -> f64,
}

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Optimizer updates since its moments were zero.
    pub n_updates: u64,
    /// Real tokens seen.
    pub tokens: u64,
    /// Training FLOPs spent.
    #[serde(with = "exact")]
    pub flops: f64,
    /// Seconds of training, over all resumptions.
    #[serde(with = "exact")]
    pub elapsed_s: f64,
    /// Metrics since the last line of metrics.
    pub window: Metrics,
    /// Held-out metrics after the last step, once it is done.
    pub validation: Metrics,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done and `final.safetensors` is written.
    Finished,
    /// Asked to stop; a checkpoint is written.
    Stopped,
}

/// One pre-training run.
pub struct Pretraining<'a> {
    /// Seed of the trial.
    pub seed: u64,
    /// Rates, cadences.
    pub spec: &'a TrainSpec,
    /// Steps that the schedule is made for.
    pub n_steps: u64,
    /// The step to stop after, at most `n_steps`.
    pub last_step: u64,
    /// What is trained.
    pub objective: &'a dyn Objective,
    /// Batches.
    pub source: Source<'a>,
    /// Folder of the checkpoints.
    pub checkpoints: &'a Path,
    /// Who listens.
    pub sink: &'a dyn Sink,
    /// Whether to stop after the step in progress.
    pub stop: &'a dyn Fn() -> bool,
}

impl Pretraining<'_> {
    /// Trains from the newest checkpoint (or the start) to the end, or until asked to stop. `resumed` is told
    /// the step that training continues from before anything is reported.
    pub fn run(&self, resumed: impl FnOnce(u64) -> Result<()>) -> Result<(Ended, State)> {
        let parameters = self.objective.parameters();
        let mut optimizer = Optimizer::new(self.spec.into(), parameters)?;
        let mut state = State::default();
        if let Some(checkpoint) = Checkpoint::newest(self.checkpoints)? {
            if Checkpoint::is_there(&self.checkpoints.join(FINAL)) {
                checkpoint.load_parameters(parameters, |_| true)?;
                return Ok((Ended::Finished, checkpoint.state));
            }
            checkpoint.load(parameters, &mut optimizer)?;
            state = checkpoint.state;
        }
        resumed(state.step)?;
        let (began, before) = (Instant::now(), state.elapsed_s);
        self.sink.progress(state.step, self.last_step);
        let mut unread = Vec::new();
        while state.step < self.last_step {
            unread.push(self.step(&mut optimizer, &mut state)?);
            let stop = (self.stop)();
            let saves = stop || state.step.is_multiple_of(self.spec.checkpoint_every);
            if saves || self.reads(&unread, state.step) {
                for metrics in DeferredMetrics::resolve_all(std::mem::take(&mut unread))? {
                    state.window.merge(&metrics);
                }
            }
            state.elapsed_s = before + began.elapsed().as_secs_f64();
            self.report(&mut state)?;
            if saves {
                Checkpoint::save(
                    self.checkpoints,
                    parameters,
                    &optimizer,
                    &state,
                    self.spec.checkpoint_bytes(),
                )?;
            }
            if stop {
                return Ok((Ended::Stopped, state));
            }
        }
        state.elapsed_s = before + began.elapsed().as_secs_f64();
        let to_continue = (self.last_step < self.n_steps).then_some(&optimizer);
        Checkpoint::save_final(
            self.checkpoints,
            parameters,
            to_continue,
            &state,
            self.spec.checkpoint_bytes(),
        )?;
        Ok((Ended::Finished, state))
    }

    /// Whether the metrics of the last steps are read after step `step`: at once where they are known, else when they are reported.
    fn reads(&self, unread: &[DeferredMetrics], step: u64) -> bool {
        let reports = [self.spec.log_every, self.spec.validate_every];
        unread.iter().all(DeferredMetrics::is_known)
            || unread.len() >= MOST_UNREAD
            || step == self.last_step
            || reports.into_iter().any(|every| step.is_multiple_of(every))
    }

    /// Takes a step, and returns what it measured.
    fn step(&self, optimizer: &mut Optimizer, state: &mut State) -> Result<DeferredMetrics> {
        let batch = (self.source.training)(state.step);
        let Self { seed, spec, n_steps, objective, .. } = *self;
        let (flops, n_tokens) = ((self.source.flops)(state.step, &batch), batch.n_tokens() as u64);
        let step: Step =
            Stepper { seed, spec, n_steps, objective, trace: false }.step(optimizer, state.step, batch)?;
        state.flops += flops;
        state.step += 1;
        state.n_updates = optimizer.n_updates();
        state.tokens += n_tokens;
        step.metrics()
    }

    /// Tells the sink what is due after a step.
    fn report(&self, state: &mut State) -> Result<()> {
        let last = state.step == self.last_step;
        if last || state.step.is_multiple_of(self.spec.log_every) {
            let window = std::mem::take(&mut state.window);
            self.sink.event(&event(Split::Train, state, &window));
        }
        if last || state.step.is_multiple_of(self.spec.validate_every) {
            let metrics = self.validate()?;
            self.sink.event(&event(Split::Validation, state, &metrics));
            if last {
                state.validation = metrics;
            }
        }
        self.sink.progress(state.step, self.last_step);
        Ok(())
    }

    /// Metrics on held-out text: no dropout, and the same masks and samples each time.
    fn validate(&self) -> Result<Metrics> {
        let mut unread = Vec::new();
        for index in 0..VALIDATION_BATCHES {
            let Some(batch) = (self.source.held_out)(index) else { break };
            let at = StepContext { seed: self.seed, step: index as u64, training: false, trace: false };
            unread.push(self.objective.losses(&batch, at)?.metrics);
        }
        let mut all = Metrics::default();
        for metrics in DeferredMetrics::resolve_all(unread)? {
            all.merge(&metrics);
        }
        if let Some((name, _)) = all.values().into_iter().find(|(_, value)| !value.is_finite()) {
            return Err(diverged(&format!("the held-out {name} is")));
        }
        Ok(all)
    }
}

fn event(split: Split, state: &State, metrics: &Metrics) -> Event {
    Event {
        split,
        step: state.step,
        tokens: state.tokens,
        flops: state.flops,
        elapsed_s: state.elapsed_s,
        values: metrics.values(),
    }
}

#[cfg(test)]
mod tests;
