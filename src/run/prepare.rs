//! Opens all data that a run's trials need, before the first of them starts.
//!
//! Missing or wrong data thus stops the run before anything is written.

use super::initial_weights::{InitialWeights, check_shapes, check_tokenizers};
use super::prepared_data::{PreparedData, PreparedText};
use super::published_model::PublishedModel;
use super::step_time::check_steps;
use super::tasks::PreparedTask;
use crate::error::{Error, Result};
use crate::experiment::{Control, DataSpec, TaskName, Trial, TrialSpec};
use crate::flops;
use crate::hub::DataEnv;
use crate::records::Sink;
use crate::tasks::{check_pairs_fit, open_pairs};
use crate::text::TextOpener;

/// Bytes of a parameter in a final checkpoint (f32).
const WEIGHT_BYTES: u64 = 4;
/// Bytes of a parameter in a checkpoint to resume from (with Adam's two moments).
const STATE_BYTES: u64 = 12;

/// The texts of some trials, each found and hashed at most once.
pub struct Texts<'a>(Vec<TextOpener<'a>>);

impl<'a> Texts<'a> {
    /// Opens nothing yet.
    pub fn new(trials: impl IntoIterator<Item = &'a Trial>, env: &'a DataEnv) -> Self {
        let mut openers: Vec<TextOpener> = Vec::new();
        for data in trials.into_iter().map(|trial| &trial.spec.data) {
            if openers.iter().all(|opener| opener.data() != data) {
                openers.push(TextOpener::new(data, env));
            }
        }
        Self(openers)
    }

    fn opener(&self, data: &DataSpec) -> Result<&TextOpener<'a>> {
        let found = self.0.iter().find(|opener| opener.data() == data);
        found.ok_or_else(|| Error::internal("a trial's data section is not among the run's"))
    }

    /// Size of the vocabulary of a trial's tokenizer.
    pub fn vocab_size(&self, spec: &TrialSpec, sink: &dyn Sink) -> Result<usize> {
        Ok(self.opener(&spec.data)?.tokenizer(sink)?.vocab_size())
    }
}

/// Opens each distinct text, task and published checkpoint once; with `pretrain_only` no task and no
/// checkpoint to evaluate.
///
/// # Errors
/// Some of the data cannot be had, a trial's budget buys too few steps, or a checkpoint does not fit the
/// trial that starts from it.
pub fn prepare(
    trials: &[&Trial],
    texts: &Texts,
    env: &DataEnv,
    pretrain_only: bool,
    sink: &dyn Sink,
) -> Result<PreparedData> {
    let mut prepared = PreparedData::default();
    let specs = || trials.iter().map(|trial| &trial.spec);
    specs().for_each(|spec| prepared.add_stamps(spec));
    // Tasks first: they are small, and a mistake in them shows before hours of tokenising.
    for spec in specs().filter(|_| !pretrain_only) {
        for task in spec.evaluate.tasks_to_read() {
            prepared.add_task(task, spec, || open_task(task, spec, env, sink))?;
        }
        for set in &spec.evaluate.minimal_pairs {
            prepared.add_pairs(set, &spec.data, || {
                sink.phase(&format!("opening the minimal pairs {}", set.word()));
                Ok(open_pairs(set, &spec.data, env)?.into())
            })?;
        }
    }
    for spec in specs().filter(|_| !pretrain_only) {
        let Some(published) = &spec.published else { continue };
        prepared.add_published(published, || {
            sink.phase(&format!("opening {}", published.model));
            PublishedModel::open(published, env)
        })?;
        let model = prepared.published(published)?;
        model.tokenizer()?;
        model.check_positions(&spec.evaluate)?;
    }
    prepare_init(specs(), &mut prepared, texts, env, sink)?;
    for spec in specs().filter(|spec| spec.published.is_none()) {
        if let Some(steps) = flops::resolved_steps(spec, texts.vocab_size(spec, sink)?) {
            check_steps(spec, steps)?;
        }
    }
    for spec in specs().filter(|spec| spec.published.is_none()) {
        prepared.add_text(spec, || {
            sink.phase("opening the pre-training text");
            PreparedText::open(texts.opener(&spec.data)?, spec.train.seq_len, sink)
        })?;
    }
    if !pretrain_only {
        check_pairs(specs(), &prepared)?;
    }
    Ok(prepared)
}

/// Opens the checkpoints that pre-training starts from and compares them with the trials, each combination
/// once.
fn prepare_init<'s>(
    specs: impl Iterator<Item = &'s TrialSpec>,
    prepared: &mut PreparedData,
    texts: &Texts,
    env: &DataEnv,
    sink: &dyn Sink,
) -> Result<()> {
    let mut checked = Vec::new();
    for spec in specs.filter(|spec| !spec.init.is_empty()) {
        let key = (&spec.init, &spec.model, &spec.objective, &spec.data);
        if checked.contains(&key) {
            continue;
        }
        prepared.add_init(spec, env, sink)?;
        let models = prepared.init(spec)?;
        check_shapes(spec, &models)?;
        check_tokenizers(spec, &models, &*texts.opener(&spec.data)?.tokenizer(sink)?)?;
        // Read for the check of every tensor; a trial reads again, so that no run holds the weights of many.
        for note in InitialWeights::read(spec, &models)?.notes {
            sink.note(&note);
        }
        checked.push(key);
    }
    Ok(())
}

/// Refuses minimal pairs with a sentence that is too long for a trial's networks, each combination once.
fn check_pairs<'s>(specs: impl Iterator<Item = &'s TrialSpec>, prepared: &PreparedData) -> Result<()> {
    let is_scored = |spec: &&TrialSpec| {
        spec.published.is_none()
            && spec.control != Some(Control::TextModels)
            && !spec.evaluate.minimal_pairs.is_empty()
    };
    let mut checked = Vec::new();
    for spec in specs.filter(is_scored) {
        let key = (&spec.data, &spec.evaluate.minimal_pairs, spec.model.positions);
        if checked.contains(&key) {
            continue;
        }
        let tokenizer = &prepared.text(spec)?.tokenizer;
        for set in prepared.tasks(spec)?.pair_sets() {
            check_pairs_fit(set, tokenizer, spec.model.positions)?;
        }
        checked.push(key);
    }
    Ok(())
}

fn open_task(task: TaskName, spec: &TrialSpec, env: &DataEnv, sink: &dyn Sink) -> Result<PreparedTask> {
    sink.phase(&format!("opening {task}"));
    let opened = PreparedTask::open(task, &spec.evaluate, &spec.data, env)?;
    for note in opened.notes() {
        sink.note(&note);
    }
    Ok(opened)
}

/// About how many bytes the trials' checkpoints need: those that are being written and replaced, and the
/// weights that stay.
pub fn checkpoint_bytes(trials: &[&Trial], texts: &Texts, n_at_once: usize, sink: &dyn Sink) -> Result<u64> {
    let (mut counts, mut finals) = (Vec::with_capacity(trials.len()), 0);
    // A trial of a published checkpoint writes only the state of a fine-tuning run that is stopped.
    for spec in trials.iter().map(|trial| &trial.spec).filter(|spec| spec.published.is_none()) {
        let count = flops::n_parameters(spec, texts.vocab_size(spec, sink)?);
        counts.push(count);
        // A trial that stops early keeps its moments: a longer one may continue from them.
        finals += count * if spec.train.stop_at < 1.0 { STATE_BYTES } else { WEIGHT_BYTES };
    }
    counts.sort_unstable();
    let state: u64 = counts.iter().rev().take(n_at_once).map(|count| 2 * STATE_BYTES * count).sum();
    Ok(state + finals)
}

#[cfg(test)]
mod tests;
