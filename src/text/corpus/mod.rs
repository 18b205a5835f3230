//! The pre-training corpus: packed once, cached by content, mapped, and read in a seeded order.
//!
//! Batch k of a run depends on (seed, k) alone: example number `k × batch + j` is looked up in the order of its
//! epoch. Held out are the files that the specification names, or else every hundredth document (index 99, 199,
//! …), so fewer than 100 documents hold nothing out.
//! Must never: depend on the number of threads. Next: `source.rs` (which text), `packing.rs` (examples),
//! `corpus_file.rs` (bytes), `shuffle.rs` (order).

pub mod archive;
pub mod documents;
pub mod file;
pub mod imported;
pub mod open;
pub mod packing;
pub mod shuffle;
pub mod source;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::batch::Batch;
use super::tokenizer::Tokenizer;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::DataSpec;
use crate::hub::DataEnv;
use crate::records::{DataProvenance, Sink};
use documents::{Document, Documents};
use file::{CorpusFile, CorpusWriter, FORMAT_VERSION};
use open::{Text, open_text};
use packing::{Packed, pack_document};
use shuffle::EpochOrder;
use source::Source;

/// One document in so many is held out, the last of each group.
const HELD_OUT_EVERY: u64 = 100;

/// Packed examples, ready to be drawn.
#[derive(Debug)]
pub struct Corpus {
    file: CorpusFile,
    provenance: DataProvenance,
}

/// Opens the corpus of a data section for sequences of `seq_len` tokens, building it where the cache has none
/// (or a damaged one).
///
/// # Errors
/// The text or the tokenizer cannot be had, the cache cannot be written, or the text is too short for one example.
pub fn open_corpus(spec: &DataSpec, seq_len: usize, env: &DataEnv, sink: &dyn Sink) -> Result<Corpus> {
    let text = open_text(spec, env, sink)?;
    let (_, file) = open_file(&text, seq_len, env, sink)?;
    let Text { tokenizer, name, revision, .. } = text;
    let provenance = DataProvenance {
        source: name,
        revision,
        corpus_hash: file.checksum().to_string(),
        tokenizer_hash: tokenizer.hash().to_string(),
        vocab_size: tokenizer.vocab_size(),
        n_examples: file.n_train(),
        n_tokens: file.train_tokens(),
        synthetic: spec.is_synthetic(),
    };
    Ok(Corpus { file, provenance })
}

/// The cached corpus of a text with its place, made where there is none.
pub(crate) fn open_file(
    text: &Text,
    seq_len: usize,
    env: &DataEnv,
    sink: &dyn Sink,
) -> Result<(PathBuf, CorpusFile)> {
    let path = cache_path(&text.identity, text.tokenizer.hash(), seq_len, env);
    let why = match CorpusFile::open(&path) {
        Ok(file) => return Ok((path, file)),
        Err(why) => why,
    };
    let source = match &text.source {
        Ok(source) => source,
        Err(error) => {
            let what =
                format!("{}, and was not unpacked here for sequences of {seq_len} tokens", error.message);
            let hint =
                format!("pack it with --set train.seq_len={seq_len} where the text is, or: {}", error.hint);
            return Err(Error::new(error.kind, what, hint));
        }
    };
    if path.exists() {
        sink.phase(&format!("rebuilding {}: {why}", path.display()));
    }
    build(source, &text.tokenizer, seq_len, &path, sink)?;
    let file = CorpusFile::open(&path).map_err(|why| Error::storage(&path, "read back", why))?;
    Ok((path, file))
}

impl Corpus {
    /// Training examples.
    pub fn n_examples(&self) -> u64 {
        self.file.n_train()
    }

    /// Tokens of the training examples, [CLS] and [SEP] counted.
    pub fn n_tokens(&self) -> u64 {
        self.file.train_tokens()
    }

    /// How often each of `vocab_size` tokens occurs in the training examples, [CLS] and [SEP] counted.
    pub fn token_counts(&self, vocab_size: usize) -> Vec<u64> {
        let mut counts = vec![0; vocab_size];
        for index in 0..self.file.n_train() {
            let mut example = Batch::new();
            self.file.append(index, &mut example);
            for &id in &example.ids {
                if let Some(count) = counts.get_mut(id as usize) {
                    *count += 1;
                }
            }
        }
        counts
    }

    /// Held-out examples.
    pub fn n_validation(&self) -> u64 {
        self.file.n_held_out()
    }

    /// Which text this is, exactly.
    pub fn provenance(&self) -> DataProvenance {
        self.provenance.clone()
    }

    /// The training batch of step `step`: `batch` examples, from (seed, step) alone. Every epoch visits every
    /// example once; a batch may span two epochs.
    pub fn batch_at(&self, seed: u64, step: u64, batch: usize) -> Batch {
        let n = self.file.n_train().max(1);
        let first = step.wrapping_mul(batch as u64);
        let mut drawn = Batch::new();
        for number in (0..batch as u64).map(|j| first.wrapping_add(j)) {
            self.file.append(EpochOrder::new(seed, number / n, n).at(number % n), &mut drawn);
        }
        drawn
    }

    /// The held-out batch `index`, in fixed order, the last one shorter; None past the end.
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

/// The cache file's name is a hash of everything that decides its content.
pub(crate) fn cache_path(identity: &str, tokenizer_hash: &str, seq_len: usize, env: &DataEnv) -> PathBuf {
    let key = format!("{FORMAT_VERSION}\n{seq_len}\n{tokenizer_hash}\n{identity}");
    let name = &blake3::hash(key.as_bytes()).to_hex()[..24];
    env.cache.join("corpora").join(format!("{name}.corpus"))
}

/// Tokenises and packs all documents into a new file.
fn build(source: &Source, tokenizer: &Tokenizer, seq_len: usize, path: &Path, sink: &dyn Sink) -> Result<()> {
    sink.phase(&format!("tokenising {}", source.name));
    let mut writer = CorpusWriter::create(path, tokenizer.vocab_size())?;
    let mut held_out: Vec<Packed> = Vec::new();
    let mut n_examples = 0u64;
    let splits = source.held_out.is_none();
    pack_all(&source.documents, tokenizer, seq_len, sink, &mut |index, example| {
        if splits && index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 {
            held_out.push(example);
            return Ok(());
        }
        n_examples += 1;
        writer.push(&example, false)
    })?;
    if n_examples == 0 {
        return Err(Error::new(
            ErrorKind::Data,
            format!("the text of {} is too little for a single training example", source.name),
            "check that the files are not empty and that the column holds text, or raise max_documents",
        ));
    }
    if let Some(documents) = &source.held_out {
        sink.phase(&format!("tokenising the held-out text of {}", source.name));
        pack_all(documents, tokenizer, seq_len, sink, &mut |_, example| writer.push(&example, true))?;
    }
    for example in &held_out {
        writer.push(example, true)?;
    }
    writer.finish()
}

/// Hands on every example with its document's index, in order; a chunk of documents is packed in parallel.
fn pack_all(
    documents: &Documents,
    tokenizer: &Tokenizer,
    seq_len: usize,
    sink: &dyn Sink,
    each: &mut dyn FnMut(u64, Packed) -> Result<()>,
) -> Result<()> {
    let total = documents.count()?;
    let mut done = 0u64;
    documents.read(&mut |chunk| {
        let packed: Vec<Vec<Packed>> = chunk
            .par_iter()
            .enumerate()
            .map(|(offset, document)| pack_one(document, done + offset as u64, tokenizer, seq_len))
            .collect::<Result<_>>()?;
        for (offset, examples) in packed.into_iter().enumerate() {
            for example in examples {
                each(done + offset as u64, example)?;
            }
        }
        done += chunk.len() as u64;
        if let Some(total) = total {
            sink.progress(done, total);
        }
        Ok(())
    })
}

fn pack_one(document: &Document, index: u64, tokenizer: &Tokenizer, seq_len: usize) -> Result<Vec<Packed>> {
    let lines: Vec<Vec<u32>> = document.iter().map(|line| tokenizer.encode(line)).collect::<Result<_>>()?;
    Ok(pack_document(lines, seq_len, tokenizer.special(), index))
}

#[cfg(test)]
mod tests;
