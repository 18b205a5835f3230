//! One trial end to end: pre-training, fine-tuning, scores.
//!
//! It continues from what an earlier process left: a checkpoint, saved predictions. Must never: compute other
//! numbers because of where that process stopped. Next: `train/pretrain.rs` for the loop, `evaluate/` for the
//! tasks.

use std::time::Instant;

use super::context::{TrialContext, TrialRun};
use super::evaluate::{Evaluation, finetune_and_score, measure_pairs, measure_text_models, probe};
use super::initial_weights::InitialWeights;
use super::prepared_data::PreparedText;
use super::reuse::PretrainingSource;
use super::step_time::with_known_steps;
use super::tasks::Tasks;
use super::trial_record::{provenance, write_record};
use crate::error::{ErrorKind, Result};
use crate::experiment::{Control, PublishedSpec, Trial, TrialSpec};
use crate::flops;
use crate::model::{EncoderNetwork, is_encoder_parameter};
use crate::objective::{Vocabulary, build};
use crate::records::checkpoints::FINAL;
use crate::records::{Outcome, Provenance, RECORD_VERSION, Timing, resume_events};
use crate::tasks::Pretrained;
use crate::text::Batch;
use crate::train::{BatchSource, Checkpoint, Pretraining, TrainOutcome, TrainState, VALIDATION_BATCH};

/// Runs a trial from its beginning, or from where an earlier process left it, to its scores.
///
/// # Errors
/// The data, or weights that it starts from, changed since the trial began; training diverges; a file cannot
/// be read or written.
pub fn run_trial(trial: &Trial, context: &TrialContext) -> Result<TrialRun> {
    let is_text_models = trial.spec.control == Some(Control::TextModels);
    let has_pretraining = !is_text_models && trial.spec.published.is_none();
    if context.pretrain_only && !has_pretraining {
        return Ok(TrialRun::Pretrained);
    }
    let run = match &trial.spec.published {
        Some(published) => evaluate_published(trial, published, context),
        None if is_text_models => evaluate_text_models(trial, context),
        None => train_and_evaluate(trial, context),
    };
    match run {
        // The work below passes a request to stop upwards as an error.
        Err(error) if error.kind == ErrorKind::Interrupted => Ok(TrialRun::Interrupted),
        run => run,
    }
}

/// Fine-tunes a published checkpoint: there is nothing to pre-train.
fn evaluate_published(trial: &Trial, spec: &PublishedSpec, context: &TrialContext) -> Result<TrialRun> {
    let (model, tasks) = (context.data.published(spec)?, context.data.tasks(&trial.spec)?);
    let published = model.read()?;
    write_record(trial, context, provenance(context, model.provenance(&published)?, &tasks))?;
    let began = Instant::now();
    let (network, tokenizer) = (published.config.network, model.tokenizer()?);
    let pretrained = Pretrained { network, load: &|parameters| published.load_encoder(parameters) };
    let measures = probe(&trial.spec, context, tokenizer, &tasks, &pretrained)?;
    let scores = finetune_and_score(&trial.spec, context, tokenizer, &tasks, &pretrained)?;
    Ok(TrialRun::Done(Outcome {
        scores,
        measures,
        timing: Timing { pretrain_s: 0.0, finetune_s: began.elapsed().as_secs_f64() },
        ..without_pretraining(trial, published.n_encoder_parameters())
    }))
}

/// Evaluates models of word counts on the tasks, the pairs and the text of a trial.
fn evaluate_text_models(trial: &Trial, context: &TrialContext) -> Result<TrialRun> {
    let (text, tasks) = (context.data.text(&trial.spec)?, context.data.tasks(&trial.spec)?);
    write_record(trial, context, provenance(context, text.corpus.provenance(), &tasks))?;
    let began = Instant::now();
    let measures = measure_text_models(&trial.spec, context, text, &tasks)?;
    Ok(TrialRun::Done(Outcome {
        measures,
        timing: Timing { pretrain_s: 0.0, finetune_s: began.elapsed().as_secs_f64() },
        ..without_pretraining(trial, 0)
    }))
}

/// The outcome of a trial of `n_parameters` that is not pre-trained, before its evaluation.
fn without_pretraining(trial: &Trial, n_parameters: u64) -> Outcome {
    Outcome {
        record_version: RECORD_VERSION,
        id: trial.id.clone(),
        steps: 0,
        tokens: 0,
        flops: 0.0,
        flops_paper: Some(0.0),
        n_parameters,
        validation: Default::default(),
        scores: Vec::new(),
        measures: Vec::new(),
        timing: Timing::default(),
    }
}

fn train_and_evaluate(trial: &Trial, context: &TrialContext) -> Result<TrialRun> {
    let spec = &trial.spec;
    let text = context.data.text(spec)?;
    let tasks = if context.pretrain_only { Tasks::default() } else { context.data.tasks(spec)? };
    let vocabulary = text.vocabulary(&spec.objective);
    let known = with_known_steps(spec, context, &vocabulary, &text.corpus)?;
    let n_steps = known.train.steps;
    let initial = InitialWeights::read(spec, &context.data.init(spec)?)?;
    let provenance =
        Provenance { init: initial.provenance(), ..provenance(context, text.corpus.provenance(), &tasks) };
    let source = PretrainingSource::find(spec, n_steps, &provenance, context);
    write_record(trial, context, provenance)?;
    if let Some(source) = source
        && let Some(outcome) = reuse(&source, spec, n_steps, context)?
    {
        return Ok(TrialRun::Done(outcome));
    }
    let owner = spec.pretraining_id();
    let Some(state) = pretrain(&known, &owner, context, &vocabulary, text, initial)? else {
        return Ok(TrialRun::Interrupted);
    };
    if context.pretrain_only && spec.evaluate.has_measures() {
        return Ok(TrialRun::Pretrained);
    }
    let began = Instant::now();
    let Evaluation { scores, measures } = evaluate(&known, &owner, context, text, &tasks)?;
    Ok(TrialRun::Done(Outcome {
        record_version: RECORD_VERSION,
        id: trial.id.clone(),
        steps: state.step,
        tokens: state.tokens,
        flops: state.flops,
        flops_paper: Some(flops::paper::train_flops_until(spec, vocabulary.size, state.step, n_steps)),
        n_parameters: flops::n_parameters(spec, vocabulary.size),
        validation: state.validation.values(),
        scores,
        measures,
        timing: Timing { pretrain_s: state.elapsed_s, finetune_s: began.elapsed().as_secs_f64() },
    }))
}

/// Copies the pre-training of another trial; the outcome too, where the other trial is identical and done.
fn reuse(
    source: &PretrainingSource,
    spec: &TrialSpec,
    n_steps: u64,
    context: &TrialContext,
) -> Result<Option<Outcome>> {
    context.sink.phase(&format!("reusing the pre-training of {}", source.name));
    source.copy_into(spec, n_steps, context)?;
    if let Some(mut record) = context.folder.trial()? {
        record.provenance.reused_from = Some(source.name.clone());
        context.folder.write_trial(&record)?;
    }
    source.copy_outcome(context)
}

/// Pre-trains a trial whose number of steps is known; None where it was asked to stop.
fn pretrain(
    spec: &TrialSpec,
    owner: &str,
    context: &TrialContext,
    vocabulary: &Vocabulary,
    text: &PreparedText,
    initial: InitialWeights,
) -> Result<Option<TrainState>> {
    let objective = build(spec, vocabulary, &context.device)?;
    // In place of random initial values; where there is a checkpoint to resume from, it overwrites both.
    initial.load(objective.as_ref())?;
    drop(initial);
    context.sink.phase("pre-training");
    let (corpus, batch, n_steps) = (&text.corpus, spec.train.batch, spec.train.steps);
    let run = Pretraining {
        seed: spec.seed,
        spec: &spec.train,
        n_steps,
        last_step: spec.train.last_step(n_steps),
        objective: objective.as_ref(),
        source: BatchSource {
            training: &|step| corpus.batch_at(spec.seed, step, batch),
            held_out: &|index| corpus.validation_batch(index, VALIDATION_BATCH),
            flops: &|step, batch: &Batch| {
                let stage = spec.objective.stage(step, n_steps);
                flops::train_flops(spec, vocabulary.size, stage, &batch.lengths())
            },
        },
        checkpoints: &context.folder.checkpoints(),
        owner,
        sink: context.sink,
        stop: &|| context.stop.is_raised(),
    };
    let resumed = |state: &TrainState| {
        resume_events(&context.folder.metrics(), state.step, state.n_events, context.folder.id())
    };
    match run.run(resumed)? {
        (TrainOutcome::Finished, state) => Ok(Some(state)),
        (TrainOutcome::Stopped, _) => Ok(None),
    }
}

/// Evaluates the networks of the final checkpoint: minimal pairs, then fine-tuning on every task.
fn evaluate(
    spec: &TrialSpec,
    owner: &str,
    context: &TrialContext,
    text: &PreparedText,
    tasks: &Tasks,
) -> Result<Evaluation> {
    if tasks.is_empty() {
        return Ok(Evaluation::default());
    }
    let checkpoint = Checkpoint::read(&context.folder.checkpoints().join(FINAL), owner)?;
    let load = |parameters: &_| checkpoint.load_parameters(parameters, is_encoder_parameter);
    let network = EncoderNetwork::of_spec(&spec.model, text.tokenizer.vocab_size());
    let pretrained = Pretrained { network, load: &load };
    let mut measures = measure_pairs(spec, context, text, tasks, &checkpoint)?;
    measures.extend(probe(spec, context, &text.tokenizer, tasks, &pretrained)?);
    let scores = finetune_and_score(spec, context, &text.tokenizer, tasks, &pretrained)?;
    Ok(Evaluation { scores, measures })
}
