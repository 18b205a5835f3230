//! The records of a trial: `trial.json`, `metrics.jsonl`, `outcome.json`, `predictions/`, `failure.json`.
//!
//! Tables, plots and `status` read these and nothing else. Every record has a version, and a reader refuses a
//! record that is newer than itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::experiment::{SweepPoint, TaskName, Trial, TrialId, TrialSpec};

/// Version of the records' format.
pub const RECORD_VERSION: u32 = 1;

/// `trial.json`: the specification of the trial, and its provenance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Format version.
    pub record_version: u32,
    /// The trial's id.
    pub id: TrialId,
    /// The experiment it was first run for.
    pub experiment: String,
    /// The profile it was first run with.
    pub profile: String,
    /// Its point of the sweep.
    pub point: SweepPoint,
    /// The fully resolved specification.
    pub spec: TrialSpec,
    /// Code, machine and data of the trial's first run.
    pub provenance: Provenance,
    /// Later runs that continued the trial with other code, on another device or with another micro-batch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub continued: Vec<Continuation>,
}

impl TrialRecord {
    /// The trial of the record.
    pub fn trial(&self) -> Trial {
        Trial { id: self.id.clone(), point: self.point.clone(), spec: self.spec.clone() }
    }
}

/// Code and machine of a later part of a trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    /// Version of this crate.
    pub crate_version: String,
    /// Commit that the program was built from; absent where the build did not know it.
    #[serde(default)]
    pub commit: Option<String>,
    /// Commit of the repository in the current folder, if any; records from before `commit` call it
    /// `git_commit`.
    #[serde(default, alias = "git_commit")]
    pub working_commit: Option<String>,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Sequences that were computed at a time; absent for whole batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
    /// UTC, RFC 3339.
    pub started_at: String,
}

impl Continuation {
    /// By this code and machine.
    pub fn of(provenance: &Provenance, micro_batch: Option<usize>) -> Self {
        let Provenance { crate_version, commit, working_commit, device, started_at, .. } = provenance.clone();
        Self { crate_version, commit, working_commit, device, micro_batch, started_at }
    }

    /// Whether code, device and micro-batch are the same; time and current folder do not matter.
    pub fn is_like(&self, other: &Self) -> bool {
        let Self { started_at, working_commit, .. } = self.clone();
        *self == Self { started_at, working_commit, ..other.clone() }
    }
}

impl TrialRecord {
    /// The runs that computed it, the first one first.
    pub fn parts(&self) -> Vec<Continuation> {
        let first = Continuation::of(&self.provenance, self.spec.train.micro_batch);
        std::iter::once(first).chain(self.continued.iter().cloned()).collect()
    }

    /// The devices that computed it, in their order: `cuda:0, then cpu`.
    pub fn devices(&self) -> String {
        let mut devices: Vec<String> = self.parts().into_iter().map(|part| part.device).collect();
        devices.dedup();
        devices.join(", then ")
    }
}

/// Code, machine and data of a trial.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this crate.
    pub crate_version: String,
    /// Commit that the program was built from; absent where the build did not know it.
    #[serde(default)]
    pub commit: Option<String>,
    /// Commit of the repository in the current folder, if any; records from before `commit` call it
    /// `git_commit`.
    #[serde(default, alias = "git_commit")]
    pub working_commit: Option<String>,
    /// Whether tracked files of that repository had changes; once called `git_dirty`.
    #[serde(default, alias = "git_dirty")]
    pub working_dirty: Option<bool>,
    /// `cpu` or `cuda:0`, with the device's name where known.
    pub device: String,
    /// Number of compute threads.
    pub threads: usize,
    /// Widest instruction set in use.
    pub simd: String,
    /// UTC, RFC 3339.
    pub started_at: String,
    /// Text of pre-training.
    pub corpus: DataProvenance,
    /// Revision of the tasks' repository, or `built-in`.
    pub tasks_revision: String,
    /// The trial, as `experiment/id`, whose pre-training this one reused, whole or in part; its own record
    /// names the code and the machine. Once called `taken_from`.
    #[serde(default, alias = "taken_from", skip_serializing_if = "Option::is_none")]
    pub reused_from: Option<String>,
    /// The published checkpoints that pre-training started from, by their keys in `base.init`; empty where
    /// all weights started at random.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub init: BTreeMap<String, WeightsProvenance>,
    /// A hash of each task's examples; empty in records from before it existed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub task_hashes: BTreeMap<String, String>,
    /// A mark of the local files that the trial reads, from their names, sizes and times; absent where there
    /// are none, and in records from before it existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
}

impl Provenance {
    /// The checkpoint of `base.init` whose weights are not those of an earlier record, with its key.
    pub fn changed_init<'p>(&'p self, earlier: &Self) -> Option<(&'p str, &'p WeightsProvenance)> {
        let was = |key: &str| earlier.init.get(key).map(|weights| &weights.weights_hash);
        let changed = self.init.iter().find(|(key, weights)| was(key) != Some(&weights.weights_hash));
        changed.map(|(key, weights)| (key.as_str(), weights))
    }
}

/// A published checkpoint that pre-training started from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WeightsProvenance {
    /// Folder or hub repository.
    pub source: String,
    /// Commit of the repository; `local` for a folder.
    pub revision: String,
    /// Hash of the floating-point tensors with their names.
    pub weights_hash: String,
    /// The parts of the networks that were loaded from it, such as `encoder` and `generator.mlm_head`.
    pub loaded: Vec<String>,
}

/// The pre-training text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataProvenance {
    /// Repository, file pattern or `built-in language`.
    pub source: String,
    /// Commit of the repository; `built-in` or `local` otherwise.
    pub revision: String,
    /// Hash of the packed token file.
    pub corpus_hash: String,
    /// Hash of the tokenizer's content.
    pub tokenizer_hash: String,
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Packed training examples.
    pub n_examples: u64,
    /// Tokens of the packed training examples.
    pub n_tokens: u64,
    /// Whether the text is the built-in language's.
    pub synthetic: bool,
    /// Share of the text's tokens that are in packed examples, from 0 to 1; the packer throws the others
    /// away. Absent in records from before it existed, and for a corpus that was packed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_share: Option<f64>,
    /// Hash of everything that decides the documents, before they are tokenised; absent in records from
    /// before it existed, and where nothing is pre-trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_hash: Option<String>,
}

impl DataProvenance {
    /// Whether both are the same packed text. The share that was kept and the hash of the documents say
    /// nothing more, and older corpora and records lack them.
    pub fn is_same_text(&self, other: &Self) -> bool {
        let Self { kept_share, text_hash, .. } = self.clone();
        *self == Self { kept_share, text_hash, ..other.clone() }
    }
}

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `train` (means since the last line) or `validation` (held-out text).
    pub split: Split,
    /// Optimizer steps done.
    pub step: u64,
    /// Real tokens seen so far.
    pub tokens: u64,
    /// Training FLOPs so far, by the exact counter.
    pub flops: f64,
    /// Seconds of pre-training so far, over all resumptions.
    pub elapsed_s: f64,
    /// Named values: `loss`, `mlm_loss`, `masked_loss`, `rtd_loss`, `restore_loss`, `mlm_accuracy`,
    /// `masked_accuracy`, `sample_accuracy`, `restore_accuracy`, `generator_entropy`, `replaced_share`,
    /// `disc_accuracy`, `disc_accuracy_replaced`, `disc_accuracy_original`, `disc_precision`, `disc_recall`,
    /// `disc_recall_at_50`, `disc_auc`, `disc_loss`, `rtd_loss_ratio`, `reward`, `baseline`,
    /// `baseline_loss`, `policy_loss`, `copy_loss`, `lm_loss`, `contrast_loss`, `contrast_accuracy`,
    /// `cloze_loss`, `nce_loss`, `energy_auc`, `gradient_norm`, `learning_rate`; a value that is undefined is
    /// absent.
    pub values: BTreeMap<String, f64>,
}

/// The text that an event's values were measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Training batches, dropout on.
    Train,
    /// Held-out text, dropout off.
    Validation,
}

impl Split {
    /// The word in the records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
        }
    }
}

/// `outcome.json`: written last. Its existence means that the trial is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Format version.
    pub record_version: u32,
    /// The trial's id.
    pub id: TrialId,
    /// Optimizer steps of pre-training.
    pub steps: u64,
    /// Real tokens seen in pre-training.
    pub tokens: u64,
    /// Training FLOPs of pre-training, by the exact counter.
    pub flops: f64,
    /// Training FLOPs of pre-training, by the paper's counter; absent in records that are older than the
    /// counter.
    #[serde(default)]
    pub flops_paper: Option<f64>,
    /// Parameters that pre-training updated.
    pub n_parameters: u64,
    /// Values on held-out text after the last step (see [`Event::values`]).
    pub validation: BTreeMap<String, f64>,
    /// One entry per task and fine-tuning seed.
    pub scores: Vec<Score>,
    /// What was measured without fine-tuning; empty in records from before there was such a measure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measure>,
    /// Seconds. They are never part of a comparison of numbers.
    pub timing: Timing,
}

/// Seconds that a trial took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Pre-training, over all resumptions.
    pub pretrain_s: f64,
    /// Fine-tuning and scoring.
    pub finetune_s: f64,
}

/// A value that was measured without fine-tuning: on minimal pairs, by a frozen probe, or by a model of word
/// counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What is measured, in the words of `report.y`: `pairs.blimp.disc_sum`, `probe.cola`. A baseline has the
    /// name of what it stands beside: `pairs.blimp` for all scorers of that set, `cola`, `held_out.mlm_loss`.
    pub name: String,
    /// The baseline whose value it is, in the words of a table (`trigram`, `bag of words`, `ceiling`); absent
    /// if it is the encoder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The value; shares × 100. Absent if it is undefined.
    pub value: Option<f64>,
    /// Standard error over the items, in the unit of the value; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// The value of guessing: 50 for pairs, the majority class for a probe; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// Number of scored items: pairs, examples or tokens.
    pub n: u64,
    /// Whether the items are the built-in language's.
    pub synthetic: bool,
    /// Further values of the same measurement by name: `ties`, `per_token`, `phenomenon.binding`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, f64>,
}

/// One fine-tuning run's score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The task.
    pub task: TaskName,
    /// Whether its examples are the built-in language's.
    pub synthetic: bool,
    /// Fine-tuning seed.
    pub finetune_seed: u64,
    /// Name of the metric.
    pub metric: String,
    /// The metric × 100, as the paper prints it; absent if it is undefined, such as a correlation of
    /// constants.
    pub value: Option<f64>,
    /// 95 % bootstrap interval of the metric over the scored examples, × 100; absent if it is undefined or if
    /// the record is older than the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Other metrics of the same predictions by name, shares × 100; empty if the task has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, f64>,
    /// The score × 100 of always predicting the majority class, or the mean.
    pub majority: f64,
    /// Scored examples.
    pub n_examples: usize,
    /// Training examples.
    pub n_train: usize,
    /// Optimizer steps.
    pub steps: u64,
    /// Training and scored examples that were longer than `evaluate.finetune.seq_len` and lost their last
    /// tokens; absent if none was, for SQuAD, whose windows see all of a text, and in records from before it
    /// existed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_cut: usize,
    /// Whether all predictions are the same, such as one class only; absent in records from before it was
    /// counted, and for SQuAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_constant: Option<bool>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// `predictions/<task>-<finetune seed>.json`: the predictions of a fine-tuned model, before they are scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Format version.
    pub record_version: u32,
    /// The task.
    pub task: TaskName,
    /// Whether its examples are the built-in language's.
    pub synthetic: bool,
    /// Fine-tuning seed.
    pub finetune_seed: u64,
    /// Training examples.
    pub n_train: usize,
    /// Optimizer steps.
    pub steps: u64,
    /// The baseline prediction: the majority class of the training labels, or their mean.
    pub majority: f64,
    /// Training and validation examples that were cut, as in [`Score::n_cut`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_cut: usize,
    /// Every validation example.
    pub examples: Vec<PredictedExample>,
}

/// One validation example.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedExample {
    /// Its index in the task's own numbering.
    pub idx: i64,
    /// Predicted class index or score.
    pub prediction: f64,
    /// Gold class index or score.
    pub label: f64,
}

/// `failure.json`: why a trial did not finish. It is deleted when the trial is run again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Format version.
    pub record_version: u32,
    /// What happened and what to do.
    pub message: String,
    /// UTC, RFC 3339.
    pub at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provenance_in_the_words_of_earlier_versions_still_reads() {
        let text = r#"{"crate_version": "0.1.0", "git_commit": "0123abc", "git_dirty": true, "device": "cpu",
            "threads": 2, "simd": "avx2+fma", "started_at": "2026-01-01T00:00:00Z", "corpus": {"source": "built-in language",
            "revision": "built-in", "corpus_hash": "1", "tokenizer_hash": "2", "vocab_size": 3, "n_examples": 4,
            "n_tokens": 5, "synthetic": true}, "tasks_revision": "built-in", "taken_from": "parts/0123456789ab"}"#;
        let old: Provenance = serde_json::from_str(text).unwrap();
        assert_eq!((old.commit, old.working_commit.as_deref()), (None, Some("0123abc")));
        assert_eq!((old.working_dirty, old.reused_from.as_deref()), (Some(true), Some("parts/0123456789ab")));
        let text =
            r#"{"crate_version": "0.1.0", "git_commit": "0123abc", "device": "cpu", "started_at": ""}"#;
        let old: Continuation = serde_json::from_str(text).unwrap();
        assert_eq!((old.commit, old.working_commit.as_deref()), (None, Some("0123abc")));
    }

    #[test]
    fn a_corpus_that_was_packed_before_shares_were_kept_is_the_same_text() {
        let old = DataProvenance { corpus_hash: "1".into(), ..Default::default() };
        let new = DataProvenance { kept_share: Some(0.5), ..old.clone() };
        assert!(old.is_same_text(&new) && new.is_same_text(&old));
        assert!(!old.is_same_text(&DataProvenance { corpus_hash: "2".into(), ..new }));
    }

    #[test]
    fn an_outcome_from_before_the_papers_counter_still_reads() {
        let text = r#"{"record_version": 1, "id": "0123456789ab", "steps": 150, "tokens": 5, "flops": 1e9,
            "n_parameters": 7, "validation": {}, "scores": [], "timing": {"pretrain_s": 1.0, "finetune_s": 2.0}}"#;
        let outcome: Outcome = serde_json::from_str(text).unwrap();
        assert_eq!((outcome.flops, outcome.flops_paper), (1e9, None));
    }
}
