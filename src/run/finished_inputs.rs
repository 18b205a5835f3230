//! Whether what a finished trial was made of is still what its experiment names: weights and text under a
//! path, a branch of the hub.
//!
//! A finished trial is not run again, and its figures stand in one table with those of new trials. So a run
//! refuses to go on where text, weights or examples of the two differ. What the run has opened for new trials
//! is compared by its hashes. Else sizes and times of local files, and commits of the hub's cache, are
//! compared with what `trial.json` records, and content is read only where those differ. Must never: use the
//! network, or refuse a trial whose data is not on this machine. Next: `trial_record.rs`, which compares for
//! a trial that resumes.

use super::executor::Job;
use super::local_inputs::{is_local, one_mark, stamps};
use super::prepared_data::PreparedData;
use super::published_model::PublishedModel;
use super::tasks::{PreparedTask, Tasks};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, PublishedSpec, TaskName, TaskSource, TokenizerSpec, TrialSpec};
use crate::hub::{DataEnv, LOCAL, model_folder};
use crate::records::{Provenance, Sink, TrialRecord};
use crate::tasks::{open_pairs, pair_files, squad_task_files, task_files};
use crate::text::{TextOpener, open_tokenizer, packed_checksum};

/// The most trials that an error names.
const MAX_NAMED: usize = 3;

/// Compares finished trials with what their specifications name now.
///
/// # Errors
/// Some of them were made from other text, weights or examples.
pub fn check_finished(finished: &[&Job], prepared: &PreparedData, sink: &dyn Sink) -> Result<()> {
    let env = DataEnv::new(true)?;
    let mut comparison = Comparison { prepared, env: &env, sink, weights: Vec::new(), texts: Vec::new() };
    let mut changed = Vec::new();
    for job in finished {
        // A record that cannot be read is an error of its trial, and the report's.
        let Ok(Some(record)) = job.folder.trial() else { continue };
        if let Some(what) = comparison.change(&job.trial.spec, &record) {
            changed.push(format!("{}: {what}", job.folder.path().display()));
        }
    }
    let n_more = changed.len().saturating_sub(MAX_NAMED);
    changed.truncate(MAX_NAMED);
    if changed.is_empty() {
        return Ok(());
    }
    let mut what = changed.join("; ");
    if n_more > 0 {
        what.push_str(&format!("; and {n_more} more trials"));
    }
    let hint = "put the old content back; or run all trials again with --force; or keep the old figures and give the \
                new ones another folder with --results. A hub repository is pinned by `revision`";
    Err(Error::new(ErrorKind::Data, what, hint))
}

/// Compares trials, and reads everything once.
struct Comparison<'a> {
    prepared: &'a PreparedData,
    env: &'a DataEnv,
    sink: &'a dyn Sink,
    weights: Vec<(PublishedSpec, Option<Weights>)>,
    texts: Vec<(DataSpec, Option<String>)>,
}

/// Hashes of a published checkpoint.
#[derive(Clone)]
struct Weights {
    weights: String,
    tokenizer: Option<String>,
}

impl Comparison<'_> {
    /// What a finished trial was made from and is another thing now, in words.
    fn change(&mut self, spec: &TrialSpec, record: &TrialRecord) -> Option<String> {
        let then = &record.provenance;
        // The same files as at the trial's beginning need not be read.
        let is_stamped = then.inputs.is_some() && then.inputs == one_mark(&stamps(spec));
        let change = match &spec.published {
            Some(published) => self.changed_weights(published, then, is_stamped),
            None => self
                .changed_init(spec, then, is_stamped)
                .or_else(|| self.changed_text(spec, then, is_stamped)),
        };
        change.or_else(|| self.changed_tasks(spec, then))
    }

    fn changed_weights(
        &mut self,
        published: &PublishedSpec,
        then: &Provenance,
        stamped: bool,
    ) -> Option<String> {
        let now = self.weights_now(published, &then.corpus.revision, stamped)?;
        if now.weights != then.corpus.corpus_hash {
            return Some(format!("the weights of {} changed since this trial was finished", published.model));
        }
        let differs = now.tokenizer.is_some_and(|tokenizer| tokenizer != then.corpus.tokenizer_hash);
        differs.then(|| format!("the tokenizer of {} changed since this trial was finished", published.model))
    }

    fn changed_init(&mut self, spec: &TrialSpec, then: &Provenance, stamped: bool) -> Option<String> {
        spec.init.checkpoints().find_map(|(key, published)| {
            let recorded = then.init.get(key)?;
            let now = self.weights_now(published, &recorded.revision, stamped)?;
            (now.weights != recorded.weights_hash).then(|| {
                format!(
                    "base.init.{key}: the weights of {} changed since this trial was finished",
                    published.model
                )
            })
        })
    }

    /// The hashes of a checkpoint where they may differ from those of a trial; None where it is certainly the
    /// same, or not on this machine.
    fn weights_now(&mut self, published: &PublishedSpec, revision: &str, stamped: bool) -> Option<Weights> {
        if is_local(published) && stamped {
            return None;
        }
        // Whoever deleted the folder has the figures still; a repository of that name is another thing.
        if !is_local(published) && revision == LOCAL {
            return None;
        }
        if !is_local(published)
            && model_folder(&published.model, &published.revision, self.env).ok()?.revision == revision
        {
            return None;
        }
        if let Some((_, known)) = self.weights.iter().find(|(known, _)| known == published) {
            return known.clone();
        }
        self.sink.phase(&format!("comparing {} with finished trials", published.model));
        let read = || -> Result<Weights> {
            let model = PublishedModel::open(published, self.env)?;
            let weights = model.read()?.weights_hash()?;
            Ok(Weights { weights, tokenizer: model.own_tokenizer().map(|own| own.hash().to_string()) })
        };
        let now = read().ok();
        self.weights.push((published.clone(), now.clone()));
        now
    }

    fn changed_text(&mut self, spec: &TrialSpec, then: &Provenance, stamped: bool) -> Option<String> {
        let then = &then.corpus;
        let source = &then.source;
        if let Ok(text) = self.prepared.text(spec) {
            let now = text.corpus.provenance();
            if now.tokenizer_hash != then.tokenizer_hash {
                return Some(format!(
                    "the tokenizer of {source} is not the one that this trial was trained with"
                ));
            }
            let differs = now.corpus_hash != then.corpus_hash;
            return differs
                .then(|| format!("the text of {source} is not the one that this trial was trained on"));
        }
        if spec.data.is_synthetic() || (stamped && matches!(spec.data, DataSpec::Files { .. })) {
            return None;
        }
        if matches!(spec.data.tokenizer(), Some(TokenizerSpec::File { .. }))
            && let Ok(tokenizer) = open_tokenizer(&spec.data, self.env, self.sink)
            && tokenizer.hash() != then.tokenizer_hash
        {
            return Some(format!("the tokenizer of {source} changed since this trial was finished"));
        }
        let changed = || Some(format!("the text of {source} changed since this trial was finished"));
        let identity = self.text_now(&spec.data)?;
        if then.text_hash.as_ref() == Some(&identity) {
            return None;
        }
        let is_local = matches!(spec.data, DataSpec::Files { .. });
        if is_local && then.text_hash.is_some() {
            return changed();
        }
        // Another commit may have the same text, and an older record does not name its text: what was packed
        // from it tells.
        let packed = packed_checksum(&identity, &then.tokenizer_hash, spec.train.seq_len, self.env)?;
        if packed == then.corpus_hash { None } else { changed() }
    }

    /// The identity of a text on this machine; None where it is not here.
    fn text_now(&mut self, data: &DataSpec) -> Option<String> {
        if let Some((_, known)) = self.texts.iter().find(|(known, _)| known == data) {
            return known.clone();
        }
        let now = TextOpener::new(data, self.env).identity(self.sink).ok();
        self.texts.push((data.clone(), now.clone()));
        now
    }

    fn changed_tasks(&self, spec: &TrialSpec, then: &Provenance) -> Option<String> {
        let now = match self.prepared.tasks(spec) {
            Ok(tasks) => tasks,
            Err(_) => self.moved_tasks(spec, then)?,
        };
        let hashes = now.hashes();
        let differs =
            |(task, hash): &(&String, &String)| then.task_hashes.get(*task).is_some_and(|then| then != *hash);
        let (task, _) = hashes.iter().find(differs)?;
        Some(format!("the examples of {task} are not those that this trial was scored on"))
    }

    /// The tasks and pairs of a trial whose repository has another commit in the cache than the trial was
    /// scored on; None where there is none.
    fn moved_tasks(&self, spec: &TrialSpec, then: &Provenance) -> Option<Tasks> {
        let evaluate = &spec.evaluate;
        let has_moved =
            |revision: Result<String>| revision.is_ok_and(|now| !then.tasks_revision.contains(&now));
        let commit = |task: TaskName| -> Result<String> {
            if task.is_squad() {
                return Ok(squad_task_files(&evaluate.squad, task, self.env)?.revision);
            }
            match &evaluate.source {
                TaskSource::Hub { repo, revision } => {
                    Ok(task_files(repo, revision, task, self.env)?.revision)
                }
                TaskSource::Language { .. } => Err(Error::internal("the built-in language has no commits")),
            }
        };
        let is_synthetic = evaluate.source.is_synthetic();
        let tasks = evaluate
            .tasks_to_read()
            .into_iter()
            .filter(|_| !is_synthetic)
            .filter(|&task| has_moved(commit(task)));
        let tasks: Tasks =
            tasks.filter_map(|task| PreparedTask::open(task, evaluate, &spec.data, self.env).ok()).collect();
        let pairs = evaluate.minimal_pairs.iter().filter(|set| {
            let commit = |(repo, revision)| Ok(pair_files(repo, revision, self.env)?.revision);
            set.on_hub().is_some_and(|on_hub| has_moved(commit(on_hub)))
        });
        let pairs = pairs.filter_map(|set| Some(open_pairs(set, &spec.data, self.env).ok()?.into()));
        let moved = tasks.with_pairs(pairs.collect());
        (!moved.is_empty()).then_some(moved)
    }
}
