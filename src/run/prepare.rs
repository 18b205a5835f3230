//! Opens all data that a run's trials need, before the first of them starts.
//!
//! What is missing or wrong then stops the run while nothing is written; the trials find it in the caches.

use std::path::Path;

use super::fetch::fetch;
use super::opened_model::OpenedModel;
use super::step_time::check_steps;
use super::tasks::Tasks;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, Experiment, Trial};
use crate::flops;
use crate::hub::{DataEnv, model_folder};
use crate::records::{Silent, Sink};
use crate::text::{ArchivedCorpus, open_corpus, open_tokenizer, pack, unpack};

/// Bytes of a parameter in a final checkpoint (f32), and in one to resume from (with Adam's two moments).
const WEIGHT_BYTES: u64 = 4;
const STATE_BYTES: u64 = 12;

/// Opens each distinct corpus and task once; with `pretrain_only` no task.
pub fn prepare(trials: &[&Trial], env: &DataEnv, pretrain_only: bool, sink: &dyn Sink) -> Result<()> {
    // Tasks first: they are small, and a mistake in them shows before hours of tokenising.
    let mut tasks = Vec::new();
    for spec in trials.iter().map(|trial| &trial.spec).filter(|_| !pretrain_only) {
        for task in spec.evaluate.tasks_to_read() {
            let evaluate = &spec.evaluate;
            let key = (&evaluate.source, &evaluate.squad, task, &spec.data, evaluate.predict_test);
            if !tasks.contains(&key) {
                sink.phase(&format!("opening {task}"));
                for note in Tasks::read(&[task], evaluate, &spec.data, env)?.notes() {
                    sink.phase(&note);
                }
                tasks.push(key);
            }
        }
    }
    for spec in trials.iter().map(|trial| &trial.spec).filter(|_| !pretrain_only) {
        if let Some(published) = &spec.published {
            sink.phase(&format!("opening {}", published.model));
            OpenedModel::open(published, &spec.evaluate, env)?;
        }
    }
    let mut vocabularies = Vocabularies::default();
    for trial in trials.iter().filter(|trial| trial.spec.published.is_none()) {
        if let Some(steps) = flops::resolved_steps(&trial.spec, vocabularies.size_of(trial, env, sink)?) {
            check_steps(&trial.spec, steps)?;
        }
    }
    let mut corpora = Vec::new();
    for spec in trials.iter().map(|trial| &trial.spec).filter(|spec| spec.published.is_none()) {
        let key = (&spec.data, spec.train.seq_len);
        if !corpora.contains(&key) {
            sink.phase("opening the pre-training text");
            open_corpus(key.0, key.1, env, sink)?;
            corpora.push(key);
        }
    }
    Ok(())
}

/// About how many bytes the trials' checkpoints need: those that are being written and replaced, and the
/// weights that stay.
pub fn checkpoint_bytes(trials: &[&Trial], n_at_once: usize, env: &DataEnv) -> Result<u64> {
    let (mut counts, mut finals) = (Vec::with_capacity(trials.len()), 0);
    let mut vocabularies = Vocabularies::default();
    // A published checkpoint is not trained, and writes none.
    for trial in trials.iter().filter(|trial| trial.spec.published.is_none()) {
        let count = flops::n_parameters(&trial.spec, vocabularies.size_of(trial, env, &Silent)?);
        counts.push(count);
        // A longer trial may go on from one that stops early, which therefore keeps its moments.
        finals += count * if trial.spec.train.stop_at < 1.0 { STATE_BYTES } else { WEIGHT_BYTES };
    }
    counts.sort_unstable();
    let state: u64 = counts.iter().rev().take(n_at_once).map(|count| 2 * STATE_BYTES * count).sum();
    Ok(state + finals)
}

/// Sizes of vocabularies, each tokenizer opened once.
#[derive(Default)]
pub struct Vocabularies<'a>(Vec<(&'a DataSpec, usize)>);

impl<'a> Vocabularies<'a> {
    /// Entries of the vocabulary that a trial's tokenizer has.
    pub fn size_of(&mut self, trial: &'a Trial, env: &DataEnv, sink: &dyn Sink) -> Result<usize> {
        let data = &trial.spec.data;
        if let Some((_, size)) = self.0.iter().find(|(known, _)| *known == data) {
            return Ok(*size);
        }
        let size = open_tokenizer(data, env, sink)?.vocab_size();
        self.0.push((data, size));
        Ok(size)
    }
}

/// Downloads all that an experiment's trials need, and returns names with their bytes, each once.
pub fn fetch_experiment(experiment: &Experiment, sink: &dyn Sink) -> Result<Vec<(String, u64)>> {
    let env = DataEnv::new(false)?;
    let mut asked = Vec::new();
    let mut files: Vec<(String, u64)> = Vec::new();
    for spec in experiment.trials.iter().map(|trial| &trial.spec) {
        if let Some(published) = &spec.published {
            sink.phase(&format!("fetching {}", published.model));
            model_folder(&published.model, &published.revision, &env)?;
        }
        let key = (&spec.data, &spec.evaluate);
        if !asked.contains(&key) {
            files.extend(fetch(key.0, key.1, &env, sink)?);
            asked.push(key);
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Writes the corpora of an experiment's trials into a parcel.
pub fn export_corpus(
    experiment: &Experiment,
    to: &Path,
    offline: bool,
    sink: &dyn Sink,
) -> Result<Vec<ArchivedCorpus>> {
    let mut texts: Vec<(&DataSpec, Vec<usize>)> = Vec::new();
    for spec in experiment.trials.iter().map(|trial| &trial.spec).filter(|spec| spec.published.is_none()) {
        let at = texts.iter().position(|(data, _)| *data == &spec.data).unwrap_or_else(|| {
            texts.push((&spec.data, Vec::new()));
            texts.len() - 1
        });
        if let Some((_, lengths)) = texts.get_mut(at)
            && !lengths.contains(&spec.train.seq_len)
        {
            lengths.push(spec.train.seq_len);
        }
    }
    if texts.is_empty() {
        let what = format!("the trials of {} pre-train nothing", experiment.path.display());
        return Err(Error::new(ErrorKind::Spec, what, "pack an experiment without `published`"));
    }
    pack(&texts, to, &DataEnv::new(offline)?, sink)
}

/// Puts the corpora of a parcel into the cache.
pub fn import_corpus(from: &Path, sink: &dyn Sink) -> Result<Vec<ArchivedCorpus>> {
    unpack(from, &DataEnv::new(true)?, sink)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Event;
    use crate::run::fixture::{a_trial, a_trial_with_ratio, an_env};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Phases(Mutex<Vec<String>>);

    impl Sink for Phases {
        fn event(&self, _event: &Event) {}
        fn phase(&self, text: &str) {
            self.0.lock().unwrap().push(text.into());
        }
        fn progress(&self, _done: u64, _total: u64) {}
    }

    #[test]
    fn shared_data_is_opened_once() {
        let mut trials = [a_trial(1), a_trial_with_ratio(0.5, 2), a_trial(3)];
        trials[2].spec.train.seq_len = 64;
        for trial in &mut trials {
            trial.spec.evaluate.tasks = vec![crate::experiment::TaskName::Cola];
        }
        let phases = Phases::default();
        let trials: Vec<&Trial> = trials.iter().collect();
        prepare(&trials, &an_env(), false, &phases).unwrap();
        let text = phases.0.lock().unwrap().clone();
        let count = |wanted: &str| text.iter().filter(|phase| *phase == wanted).count();
        assert_eq!(count("opening cola"), 1);
        assert_eq!(count("opening the pre-training text"), 2, "one a sequence length");
    }

    #[test]
    fn more_trials_need_more_space() {
        let (first, second) = (a_trial(1), a_trial(2));
        let bytes = |trials: &[&Trial], n| checkpoint_bytes(trials, n, &an_env()).unwrap();
        let one = bytes(&[&first], 1);
        assert!(bytes(&[&first, &second], 1) > one);
        assert_eq!(bytes(&[&first, &second], 2), 2 * one);
    }
}
