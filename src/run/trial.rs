//! One trial end to end: text, pre-training, fine-tuning, scores.
//!
//! Continues whatever an earlier process left: a checkpoint, predictions that were already saved. Nothing here
//! depends on where that process stopped.

use std::time::Instant;

use super::context::TrialContext;
use super::evaluate::evaluate;
use super::interrupt::StopFlag;
use super::opened_model::OpenedModel;
use super::provenance::collect;
use super::reuse::PretrainingSource;
use super::step_time::with_known_steps;
use super::tasks::Tasks;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{PublishedSpec, Trial, TrialSpec};
use crate::flops;
use crate::model::{EncoderNetwork, is_encoder_parameter};
use crate::objective::{Vocabulary, build};
use crate::records::checkpoints::FINAL;
use crate::records::{
    Continuation, DataProvenance, Outcome, Provenance, RECORD_VERSION, Timing, TrialRecord, truncate_after,
};
use crate::tasks::Pretrained;
use crate::text::{Batch, Corpus, Tokenizer, open_corpus, open_tokenizer};
use crate::train::{Checkpoint, Ended, Pretraining, Source, State, VALIDATION_BATCH};

/// Runs a trial from its beginning, or from where an earlier process left it, to its scores.
pub fn run_trial(trial: &Trial, context: &TrialContext) -> Result<Outcome> {
    match &trial.spec.published {
        Some(published) => evaluate_published(trial, published, context),
        None => train_and_evaluate(trial, context),
    }
}

/// Fine-tunes a published checkpoint: there is nothing to pre-train.
fn evaluate_published(trial: &Trial, spec: &PublishedSpec, context: &TrialContext) -> Result<Outcome> {
    if context.pretrain_only {
        return Err(StopFlag::error());
    }
    let opened = OpenedModel::open(spec, &trial.spec.evaluate, context.env)?;
    let tasks = Tasks::open(&trial.spec.evaluate, &trial.spec.data, context.env)?;
    record(trial, context, provenance(context, opened.provenance()?, &tasks))?;
    let began = Instant::now();
    let network = opened.published.config.network;
    let pretrained = Pretrained { network, load: &|parameters| opened.published.load_encoder(parameters) };
    let scores = evaluate(&trial.spec, context, &opened.tokenizer, &tasks, &pretrained)?;
    Ok(Outcome {
        record_version: RECORD_VERSION,
        id: trial.id.clone(),
        steps: 0,
        tokens: 0,
        flops: 0.0,
        flops_paper: Some(0.0),
        n_parameters: opened.published.n_encoder_parameters(),
        validation: Default::default(),
        scores,
        timing: Timing { pretrain_s: 0.0, finetune_s: began.elapsed().as_secs_f64() },
    })
}

fn train_and_evaluate(trial: &Trial, context: &TrialContext) -> Result<Outcome> {
    let spec = &trial.spec;
    let tokenizer = open_tokenizer(&spec.data, context.env, context.sink)?;
    let corpus = open_corpus(&spec.data, spec.train.seq_len, context.env, context.sink)?;
    let tasks = match context.pretrain_only {
        true => Tasks::none(),
        false => Tasks::open(&spec.evaluate, &spec.data, context.env)?,
    };
    let vocabulary = vocabulary(spec, &tokenizer, &corpus);
    let known = with_known_steps(spec, context, &vocabulary, &corpus)?;
    let n_steps = known.train.steps;
    let provenance = provenance(context, corpus.provenance(), &tasks);
    let source = PretrainingSource::find(spec, n_steps, &provenance, context);
    record(trial, context, provenance)?;
    if let Some(source) = source {
        context.sink.phase(&format!("taking over what {} has trained", source.name));
        source.copy_into(spec, n_steps, context)?;
        if let Some(mut record) = context.folder.trial()? {
            record.provenance.taken_from = Some(source.name.clone());
            context.folder.write_trial(&record)?;
        }
        if let Some(outcome) = source.give_outcome(context)? {
            return Ok(outcome);
        }
    }
    let state = pretrain(&known, context, &vocabulary, &corpus)?;
    if context.pretrain_only && !spec.evaluate.tasks.is_empty() {
        return Err(StopFlag::error());
    }
    let began = Instant::now();
    let checkpoint = match tasks.is_empty() {
        true => None,
        false => Some(Checkpoint::read(&context.folder.checkpoints().join(FINAL))?),
    };
    let load = |parameters: &_| match &checkpoint {
        Some(checkpoint) => checkpoint.load_parameters(parameters, is_encoder_parameter),
        None => Ok(()),
    };
    let network = EncoderNetwork::of_spec(&spec.model, tokenizer.vocab_size());
    let scores = evaluate(spec, context, &tokenizer, &tasks, &Pretrained { network, load: &load })?;
    Ok(Outcome {
        record_version: RECORD_VERSION,
        id: trial.id.clone(),
        steps: state.step,
        tokens: state.tokens,
        flops: state.flops,
        flops_paper: Some(flops::paper::train_flops_until(spec, vocabulary.size, state.step, n_steps)),
        n_parameters: flops::n_parameters(spec, tokenizer.vocab_size()),
        validation: state.validation.values(),
        scores,
        timing: Timing { pretrain_s: state.elapsed_s, finetune_s: began.elapsed().as_secs_f64() },
    })
}

/// What makes the trial's numbers.
fn provenance(context: &TrialContext, text: DataProvenance, tasks: &Tasks) -> Provenance {
    Provenance {
        corpus: text,
        tasks_revision: tasks.revision(),
        task_hashes: tasks.hashes(),
        ..collect(&context.device)
    }
}

/// Writes trial.json, after checking that a trial begun earlier saw the same text.
fn record(trial: &Trial, context: &TrialContext, provenance: Provenance) -> Result<()> {
    if let Some(mut earlier) = context.folder.trial()? {
        let (then, now) = (&earlier.provenance, &provenance);
        let changed = (then.corpus != now.corpus).then(|| differences(&then.corpus, &now.corpus));
        // A run that only pre-trains, then or now, has not seen the tasks.
        let saw_none = |seen: &Provenance| seen.tasks_revision.is_empty() && seen.task_hashes.is_empty();
        let first_look = saw_none(then) && !saw_none(now);
        let moved = then.tasks_revision != now.tasks_revision && !first_look && !saw_none(now);
        let tasks = changed_tasks(then, now)
            .map(|task| format!("the examples of {task} (revision {})", now.tasks_revision));
        if let Some(what) = changed.or_else(|| moved.then(|| "the tasks' revision".into())).or(tasks) {
            return Err(Error::new(
                ErrorKind::Data,
                format!("{}: {what} changed since this trial began", context.folder.path().display()),
                "pin the revision in the experiment file, or run with --force to begin anew",
            ));
        }
        // A continued trial keeps the record of the code and machine that began it, and names those that went on.
        if first_look {
            earlier.provenance.tasks_revision.clone_from(&provenance.tasks_revision);
            earlier.provenance.task_hashes.clone_from(&provenance.task_hashes);
        }
        let now = Continuation::of(&provenance, trial.spec.train.micro_batch);
        let goes_on = !earlier.parts().last().is_some_and(|last| now.is_like(last));
        if goes_on {
            earlier.continued.push(now);
        }
        return if first_look || goes_on { context.folder.write_trial(&earlier) } else { Ok(()) };
    }
    context.folder.write_trial(&TrialRecord {
        record_version: RECORD_VERSION,
        id: trial.id.clone(),
        experiment: context.experiment.into(),
        profile: context.profile.into(),
        point: trial.point.clone(),
        spec: trial.spec.clone(),
        provenance,
        continued: Vec::new(),
    })
}

/// The first task whose examples are others than before, though their revision is the same.
fn changed_tasks<'a>(then: &'a Provenance, now: &'a Provenance) -> Option<&'a String> {
    let changed =
        |(task, hash): &(&String, &String)| now.task_hashes.get(*task).is_some_and(|now| now != *hash);
    then.task_hashes.iter().find(changed).map(|(task, _)| task)
}

fn differences(then: &DataProvenance, now: &DataProvenance) -> String {
    if then.tokenizer_hash != now.tokenizer_hash {
        "the tokenizer".into()
    } else if then.revision != now.revision {
        format!("the revision of {} ({} to {})", now.source, then.revision, now.revision)
    } else {
        format!("the text of {}", now.source)
    }
}

/// What an objective needs to know of the tokenizer and of the text.
pub fn vocabulary(spec: &TrialSpec, tokenizer: &Tokenizer, corpus: &Corpus) -> Vocabulary {
    let special = tokenizer.special();
    let needs_counts = spec.objective.needs_token_counts();
    Vocabulary {
        size: tokenizer.vocab_size(),
        mask: special.mask,
        never_masked: vec![special.pad, special.cls, special.sep, special.mask],
        counts: if needs_counts { corpus.token_counts(tokenizer.vocab_size()) } else { Vec::new() },
    }
}

/// Pre-trains a trial whose number of steps is known.
fn pretrain(
    spec: &TrialSpec,
    context: &TrialContext,
    vocabulary: &Vocabulary,
    corpus: &Corpus,
) -> Result<State> {
    let objective = build(spec, vocabulary, &context.device)?;
    context.sink.phase("pre-training");
    let batch = spec.train.batch;
    let n_steps = spec.train.steps;
    let run = Pretraining {
        seed: spec.seed,
        spec: &spec.train,
        n_steps,
        last_step: spec.train.last_step(n_steps),
        objective: objective.as_ref(),
        source: Source {
            training: &|step| corpus.batch_at(spec.seed, step, batch),
            held_out: &|index| corpus.validation_batch(index, VALIDATION_BATCH),
            flops: &|step, batch: &Batch| {
                let stage = spec.objective.stage(step, n_steps);
                flops::train_flops(spec, vocabulary.size, stage, &batch.lengths())
            },
        },
        checkpoints: &context.folder.checkpoints(),
        sink: context.sink,
        stop: &|| context.stop.is_raised(),
    };
    match run.run(|step| truncate_after(&context.folder.metrics(), step))? {
        (Ended::Finished, state) => Ok(state),
        (Ended::Stopped, _) => Err(StopFlag::error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::TaskName;
    use crate::records::folder::TrialFolder;
    use crate::run::fixture::{a_context, a_trial, an_env};
    use crate::tasks::{Example, TaskData};

    fn rte(text: &str) -> TaskData {
        let example = Example { idx: 0, text_a: text.into(), text_b: Some("b".into()), label: 1.0 };
        TaskData {
            task: TaskName::Rte,
            train: vec![example.clone()],
            validation: vec![example],
            revision: "main".into(),
            synthetic: false,
            n_left_out: 0,
            splits: Vec::new(),
        }
    }

    fn tasks(text: &str) -> Tasks {
        Tasks { glue: vec![rte(text)], squad: Vec::new() }
    }

    /// Another device, or other parts of a batch, are told; the same again is not.
    #[test]
    fn whoever_goes_on_with_a_trial_is_recorded() {
        let results = tempfile::tempdir().unwrap();
        let mut trial = a_trial(1);
        let folder = TrialFolder::new(results.path(), "test", &trial.id);
        let _lock = folder.lock().unwrap();
        let (env, stop) = (an_env(), StopFlag::default());
        let context = a_context(&folder, &env, &stop);
        let mut go_on = |device: &str, micro_batch, tasks: &Tasks| {
            trial.spec.train.micro_batch = micro_batch;
            let made = provenance(&context, DataProvenance::default(), tasks);
            record(&trial, &context, Provenance { device: device.into(), ..made }).unwrap();
            let record = context.folder.trial().unwrap().unwrap();
            (record.continued.len(), record.devices(), record.provenance.task_hashes.len())
        };
        assert_eq!(go_on("cuda:0", None, &Tasks::none()), (0, "cuda:0".into(), 0));
        assert_eq!(go_on("cuda:0", None, &Tasks::none()), (0, "cuda:0".into(), 0));
        assert_eq!(go_on("cuda:0", Some(4), &Tasks::none()), (1, "cuda:0".into(), 0));
        assert_eq!(go_on("cpu", Some(4), &tasks("a")), (2, "cuda:0, then cpu".into(), 1));
        assert_eq!(go_on("cpu", Some(4), &tasks("a")), (2, "cuda:0, then cpu".into(), 1));
    }

    /// The revision of the tasks is the same, their files are not.
    #[test]
    fn a_trial_goes_on_with_the_examples_that_it_began_with() {
        let results = tempfile::tempdir().unwrap();
        let trial = a_trial(1);
        let folder = TrialFolder::new(results.path(), "test", &trial.id);
        let _lock = folder.lock().unwrap();
        let (env, stop) = (an_env(), StopFlag::default());
        let context = a_context(&folder, &env, &stop);
        let recorded =
            |text| record(&trial, &context, provenance(&context, DataProvenance::default(), &tasks(text)));
        recorded("a").unwrap();
        recorded("a").unwrap();
        let error = recorded("c").unwrap_err().to_string();
        insta::assert_snapshot!(error.replace(&folder.path().display().to_string(), "FOLDER"), @r"
        FOLDER: the examples of rte (revision main) changed since this trial began
        hint: pin the revision in the experiment file, or run with --force to begin anew
        ");
    }
}
