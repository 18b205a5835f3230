//! A packed corpus, read as batches.
//!
//! The batch of step k depends on (seed, k) alone: its examples are number `k × batch + j` of the training,
//! each looked up in the order of its epoch.

use super::build::{HELD_OUT_EVERY, open_or_build};
use super::file::CorpusFile;
use super::shuffle::EpochOrder;
use super::text::{PretrainingText, TextOpener};
use crate::error::Result;
use crate::experiment::DataSpec;
#[cfg(test)]
use crate::hub::DataEnv;
use crate::records::{DataProvenance, Sink};
use crate::text::batch::Batch;

/// Packed examples: those to train on, and those that are held out.
#[derive(Debug)]
pub struct Corpus {
    file: CorpusFile,
    provenance: DataProvenance,
}

/// Opens the corpus of a data section for sequences of `seq_len` tokens. Builds it if the cache has none, or
/// a damaged one.
///
/// # Errors
/// The text or the tokenizer is not available, the cache cannot be written, or the text is too short for one
/// example.
#[cfg(test)]
pub fn open_corpus(spec: &DataSpec, seq_len: usize, env: &DataEnv, sink: &dyn Sink) -> Result<Corpus> {
    open_corpus_of(&TextOpener::new(spec, env), seq_len, sink)
}

/// Opens the corpus of a text whose source and tokenizer may be open already.
///
/// # Errors
/// Those of [`open_corpus`].
pub fn open_corpus_of(opener: &TextOpener, seq_len: usize, sink: &dyn Sink) -> Result<Corpus> {
    let text = opener.text(sink)?;
    let (_, file) = open_or_build(&text, seq_len, opener.env(), sink)?;
    if file.n_held_out() == 0 {
        sink.note(&nothing_held_out(&text.name, opener.data()));
    }
    let PretrainingText { tokenizer, name, revision, .. } = text;
    let provenance = DataProvenance {
        source: name,
        revision,
        corpus_hash: file.checksum().to_string(),
        tokenizer_hash: tokenizer.hash().to_string(),
        vocab_size: tokenizer.vocab_size(),
        n_examples: file.n_train(),
        n_tokens: file.train_tokens(),
        synthetic: opener.data().is_synthetic(),
        kept_share: file.kept_share(),
    };
    Ok(Corpus { file, provenance })
}

/// What a text without held-out examples lacks, and how to have them.
fn nothing_held_out(name: &str, data: &DataSpec) -> String {
    let named = matches!(data, DataSpec::Hub { validation_files, .. } if !validation_files.is_empty());
    let why = match named {
        true => "its validation_files have no text".into(),
        false => {
            format!("it has fewer than {HELD_OUT_EVERY} documents, and every {HELD_OUT_EVERY}th is held out")
        }
    };
    let blank = match data {
        DataSpec::Files { .. } => "; in .txt files a blank line separates documents",
        DataSpec::Language { .. } | DataSpec::Hub { .. } => "",
    };
    format!(
        "note: {name} has no held-out text, so no held-out loss or accuracy will be reported: {why}{blank}"
    )
}

impl Corpus {
    /// Number of training examples.
    pub fn n_examples(&self) -> u64 {
        self.file.n_train()
    }

    /// Tokens of the training examples, `[CLS]` and `[SEP]` included.
    pub fn n_tokens(&self) -> u64 {
        self.file.train_tokens()
    }

    /// How often each of `vocab_size` tokens occurs in the training examples, `[CLS]` and `[SEP]` included.
    pub fn token_counts(&self, vocab_size: usize) -> Vec<u64> {
        let mut counts = vec![0; vocab_size];
        for id in self.training_ids().flatten() {
            if let Some(count) = counts.get_mut(id as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// The token ids of each training example, in the order of the text.
    pub fn training_ids(&self) -> impl Iterator<Item = Vec<u32>> {
        self.ids(0..self.file.n_train())
    }

    /// The token ids of each held-out example, in the order of the text.
    pub fn held_out_ids(&self) -> impl Iterator<Item = Vec<u32>> {
        self.ids(self.file.n_train()..self.file.n_train() + self.file.n_held_out())
    }

    fn ids(&self, examples: std::ops::Range<u64>) -> impl Iterator<Item = Vec<u32>> {
        examples.map(|index| {
            let mut example = Batch::new();
            self.file.append(index, &mut example);
            example.input_ids
        })
    }

    /// Number of held-out examples.
    pub fn n_validation(&self) -> u64 {
        self.file.n_held_out()
    }

    /// Identifies the text, its revision, its tokenizer and its bytes.
    pub fn provenance(&self) -> DataProvenance {
        self.provenance.clone()
    }

    /// The training batch of step `step`: `batch` examples, decided by (seed, step) alone. Every epoch visits
    /// every example once; a batch may span two epochs.
    pub fn batch_at(&self, seed: u64, step: u64, batch: usize) -> Batch {
        let n = self.file.n_train().max(1);
        let first = step.wrapping_mul(batch as u64);
        let mut drawn = Batch::new();
        for number in (0..batch as u64).map(|j| first.wrapping_add(j)) {
            self.file.append(EpochOrder::new(seed, number / n, n).at(number % n), &mut drawn);
        }
        drawn
    }

    /// The held-out batch `index`, in fixed order; the last one may be shorter. None past the end.
    pub fn validation_batch(&self, index: usize, batch: usize) -> Option<Batch> {
        let first = (index as u64).checked_mul(batch as u64)?;
        let end = first.saturating_add(batch as u64).min(self.n_validation());
        (first < end).then_some(())?;
        let mut drawn = Batch::new();
        for number in first..end {
            self.file.append(self.file.n_train() + number, &mut drawn);
        }
        Some(drawn)
    }
}
