//! The data of a run's trials: opened once before the first trial starts, then shared by all of them.
//!
//! Its size follows the number of different texts and tasks, not the number of trials: packed corpora are
//! memory-mapped files, and the weights of published checkpoints are not held. Must never: hold the same text
//! twice. Next: `prepare.rs`, which makes it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::initial_weights::open_checkpoint;
use super::local_inputs::{one_mark, stamps};
use super::published_model::PublishedModel;
use super::tasks::{PreparedPairs, PreparedTask, Tasks};
use crate::error::{Error, Result};
use crate::experiment::{
    DataSpec, EvaluateSpec, ObjectiveSpec, PairSetSpec, PublishedSpec, TaskName, TaskSource, TrialSpec,
};
use crate::hub::DataEnv;
use crate::objective::Vocabulary;
use crate::records::Sink;
use crate::text::{BigramCounts, Corpus, TextOpener, Tokenizer, open_corpus_of};

/// The text of pre-training, packed for one sequence length, with its tokenizer.
pub struct PreparedText {
    /// Turns text into token ids.
    pub tokenizer: Arc<Tokenizer>,
    /// The packed examples.
    pub corpus: Corpus,
    /// Counted when the first objective asks for them.
    token_counts: OnceLock<Vec<u64>>,
    /// Counted when the first objective asks for them.
    bigrams: OnceLock<Arc<BigramCounts>>,
}

impl PreparedText {
    /// Opens the corpus for sequences of `seq_len` tokens, and makes it where the cache has none.
    ///
    /// # Errors
    /// Those of `TextOpener::tokenizer` and `open_corpus_of`.
    pub fn open(opener: &TextOpener, seq_len: usize, sink: &dyn Sink) -> Result<Self> {
        let corpus = open_corpus_of(opener, seq_len, sink)?;
        Ok(Self {
            tokenizer: opener.tokenizer(sink)?,
            corpus,
            token_counts: OnceLock::new(),
            bigrams: OnceLock::new(),
        })
    }

    /// What an objective needs to know of the tokenizer and of the text.
    pub fn vocabulary(&self, objective: &ObjectiveSpec) -> Vocabulary {
        let (size, special) = (self.tokenizer.vocab_size(), self.tokenizer.special());
        let counts = match objective.needs_token_counts() {
            true => self.token_counts.get_or_init(|| self.corpus.token_counts(size)).clone(),
            false => Vec::new(),
        };
        let bigrams = objective
            .needs_bigram_counts()
            .then(|| self.bigrams.get_or_init(|| Arc::new(BigramCounts::of_corpus(&self.corpus))).clone());
        let never_masked = vec![special.pad, special.cls, special.sep, special.mask];
        Vocabulary { size, mask: special.mask, never_masked, counts, bigrams }
    }
}

/// All data that the trials of a run read.
#[derive(Default)]
pub struct PreparedData {
    texts: Vec<(TextKey, PreparedText)>,
    tasks: Vec<(TaskKey, PreparedTask)>,
    pairs: Vec<(PairsKey, PreparedPairs)>,
    published: Vec<(PublishedSpec, PublishedModel)>,
    /// Marks of local files by their paths, from before anything was read.
    stamps: BTreeMap<String, String>,
}

/// The key of a text: data section and sequence length.
type TextKey = (DataSpec, usize);

/// The key of a set of pairs: the set, and the data section for the built-in language, whose pairs depend on
/// its seed.
type PairsKey = (PairSetSpec, Option<DataSpec>);

fn pairs_key(set: &PairSetSpec, data: &DataSpec) -> PairsKey {
    (set.clone(), set.is_synthetic().then(|| data.clone()))
}

/// The key of a task: all that its examples depend on.
#[derive(PartialEq)]
struct TaskKey {
    task: TaskName,
    source: TaskSource,
    /// Set only for the built-in language, whose examples depend on the seed in the data section.
    language: Option<DataSpec>,
    squad: Option<SquadKey>,
    /// Whether the test split is read too.
    predict_test: bool,
}

/// Repository, revision and the largest number of validation questions.
type SquadKey = (String, String, Option<usize>);

impl TaskKey {
    fn new(task: TaskName, evaluate: &EvaluateSpec, data: &DataSpec) -> Self {
        let squad = task.is_squad().then(|| {
            let (repo, revision) = evaluate.squad.repository(task);
            (repo.to_string(), revision.to_string(), evaluate.squad.max_validation_examples)
        });
        Self {
            task,
            source: evaluate.source.clone(),
            language: evaluate.source.is_synthetic().then(|| data.clone()),
            squad,
            predict_test: evaluate.predict_test,
        }
    }
}

impl PreparedData {
    /// Takes the marks of a trial's local files. Comes before they are read: a file that changes meanwhile
    /// then has another mark than the one that is recorded.
    pub(super) fn add_stamps(&mut self, spec: &TrialSpec) {
        self.stamps.extend(stamps(spec));
    }

    /// The mark of a trial's local files, from before they were read.
    pub fn mark_of_inputs(&self, spec: &TrialSpec) -> Option<String> {
        let taken = |name: &String| Some((name.clone(), self.stamps.get(name)?.clone()));
        one_mark(&stamps(spec).keys().filter_map(taken).collect())
    }

    /// Adds the text of a trial, unless another trial has added it.
    pub(super) fn add_text(
        &mut self,
        spec: &TrialSpec,
        open: impl FnOnce() -> Result<PreparedText>,
    ) -> Result<()> {
        add(&mut self.texts, (spec.data.clone(), spec.train.seq_len), open)
    }

    /// Adds a task of a trial, unless another trial has added it.
    pub(super) fn add_task(
        &mut self,
        task: TaskName,
        spec: &TrialSpec,
        open: impl FnOnce() -> Result<PreparedTask>,
    ) -> Result<()> {
        add(&mut self.tasks, TaskKey::new(task, &spec.evaluate, &spec.data), open)
    }

    /// Adds a set of minimal pairs of a trial, unless another trial has added it.
    pub(super) fn add_pairs(
        &mut self,
        set: &PairSetSpec,
        data: &DataSpec,
        open: impl FnOnce() -> Result<PreparedPairs>,
    ) -> Result<()> {
        add(&mut self.pairs, pairs_key(set, data), open)
    }

    /// Adds the checkpoints that a trial's pre-training starts from.
    pub(super) fn add_init(&mut self, spec: &TrialSpec, env: &DataEnv, sink: &dyn Sink) -> Result<()> {
        for (key, published) in spec.init.checkpoints() {
            self.add_published(published, || {
                sink.phase(&format!("opening {}", published.model));
                open_checkpoint(key, published, env)
            })?;
        }
        Ok(())
    }

    /// Adds a published checkpoint, unless another trial has added it.
    pub(super) fn add_published(
        &mut self,
        published: &PublishedSpec,
        open: impl FnOnce() -> Result<PublishedModel>,
    ) -> Result<()> {
        add(&mut self.published, published.clone(), open)
    }

    /// The text of a trial that is pre-trained.
    pub fn text(&self, spec: &TrialSpec) -> Result<&PreparedText> {
        let found = find(&self.texts, &(spec.data.clone(), spec.train.seq_len));
        found.ok_or_else(|| not_prepared("pre-training text"))
    }

    /// The tasks of a trial and its sets of minimal pairs.
    pub fn tasks(&self, spec: &TrialSpec) -> Result<Tasks> {
        let task = |task| {
            let found = find(&self.tasks, &TaskKey::new(task, &spec.evaluate, &spec.data));
            found.cloned().ok_or_else(|| not_prepared(&format!("task {task}")))
        };
        let tasks: Tasks = spec.evaluate.tasks_to_read().into_iter().map(task).collect::<Result<_>>()?;
        let pairs = |set: &PairSetSpec| {
            let found = find(&self.pairs, &pairs_key(set, &spec.data));
            found.cloned().ok_or_else(|| not_prepared(&format!("set of pairs {}", set.word())))
        };
        Ok(tasks.with_pairs(spec.evaluate.minimal_pairs.iter().map(pairs).collect::<Result<_>>()?))
    }

    /// The checkpoints that a trial's pre-training starts from, each with its key.
    pub fn init(&self, spec: &TrialSpec) -> Result<Vec<(&'static str, &PublishedModel)>> {
        spec.init.checkpoints().map(|(key, published)| Ok((key, self.published(published)?))).collect()
    }

    /// A published checkpoint of a trial.
    pub fn published(&self, published: &PublishedSpec) -> Result<&PublishedModel> {
        let found = find(&self.published, published);
        found.ok_or_else(|| not_prepared(&format!("checkpoint {}", published.model)))
    }
}

fn find<'a, K: PartialEq, V>(entries: &'a [(K, V)], key: &K) -> Option<&'a V> {
    entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
}

fn add<K: PartialEq, V>(entries: &mut Vec<(K, V)>, key: K, open: impl FnOnce() -> Result<V>) -> Result<()> {
    if find(entries, &key).is_none() {
        let value = open()?;
        entries.push((key, value));
    }
    Ok(())
}

fn not_prepared(what: &str) -> Error {
    Error::internal(format!("the {what} of this trial was not opened before the run"))
}
