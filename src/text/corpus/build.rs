//! Finds the corpus file of a text in the cache, or tokenises and packs the text into a new one.
//!
//! The file's name is a hash of everything that decides its content. The held-out examples come from the
//! files that the experiment names, or else from every hundredth document (index 99, 199, …), so a text of
//! fewer than 100 documents has none.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::documents::{Document, Documents};
use super::file::{CorpusFile, CorpusWriter, FORMAT_VERSION};
use super::packing::{PackedExample, pack_document};
use super::source::TextSource;
use super::text::PretrainingText;
use crate::error::{Error, ErrorKind, Result};
use crate::hub::DataEnv;
use crate::records::Sink;
use crate::text::tokenizer::Tokenizer;

/// The last document of every group of this size is held out.
pub const HELD_OUT_EVERY: u64 = 100;

/// A larger share of `[UNK]` among the tokens is said.
const SAID_UNKNOWN: f64 = 0.02;
/// A larger share of `[UNK]` leaves nothing to learn.
const MAX_UNKNOWN: f64 = 0.9;

/// The path of a corpus file in the cache.
pub(super) fn cache_path(identity: &str, tokenizer_hash: &str, seq_len: usize, env: &DataEnv) -> PathBuf {
    let key = format!("{FORMAT_VERSION}\n{seq_len}\n{tokenizer_hash}\n{identity}");
    let name = &blake3::hash(key.as_bytes()).to_hex()[..24];
    env.cache.join("corpora").join(format!("{name}.corpus"))
}

/// The checksum of the corpus that the cache has of a text with this identity, if it is there and whole.
pub fn packed_checksum(
    identity: &str,
    tokenizer_hash: &str,
    seq_len: usize,
    env: &DataEnv,
) -> Option<String> {
    let path = cache_path(identity, tokenizer_hash, seq_len, env);
    Some(CorpusFile::open(&path).ok()?.checksum().to_string())
}

/// The corpus file of a text with its path. Builds it if the cache has none, or a damaged one.
pub(super) fn open_or_build(
    text: &PretrainingText,
    seq_len: usize,
    env: &DataEnv,
    sink: &dyn Sink,
) -> Result<(PathBuf, CorpusFile)> {
    let path = cache_path(&text.identity, text.tokenizer.hash(), seq_len, env);
    let reason = match CorpusFile::open(&path) {
        Ok(file) => {
            check_unknown(text, &file, sink)?;
            return Ok((path, file));
        }
        Err(reason) => reason,
    };
    let source = match &text.source {
        Ok(source) => source,
        Err(error) => {
            let what = format!("{}, and no corpus of {seq_len} tokens was imported", error.message);
            let hint = format!(
                "where the text is, export it with --set train.seq_len={seq_len}, then import it here; or: {}",
                error.hint
            );
            return Err(Error::new(error.kind, what, hint));
        }
    };
    if path.exists() {
        sink.phase(&format!("rebuilding {}: {reason}", path.display()));
    }
    build(source, &text.tokenizer, seq_len, &path, sink)?;
    let file = CorpusFile::open(&path).map_err(|reason| Error::storage(&path, "read back", reason))?;
    check_unknown(text, &file, sink)?;
    Ok((path, file))
}

/// Says which share of the tokens are `[UNK]` if they are many: the tokenizer is one of another language or
/// another case, as a rule.
///
/// # Errors
/// Nearly all of them are.
fn check_unknown(text: &PretrainingText, file: &CorpusFile, sink: &dyn Sink) -> Result<()> {
    let special = text.tokenizer.special();
    let share = file.unknown_share(special.unk, [special.cls, special.sep]);
    if share <= SAID_UNKNOWN {
        return Ok(());
    }
    let percent = 100.0 * share;
    let what =
        format!("{percent:.1} % of the tokens of {} are [UNK] by {}", text.name, text.tokenizer.origin());
    let hint = "choose a tokenizer of the text's language and case in base.data.tokenizer, or make one of the text with \
                { kind: own, size: 8192 }";
    if share > MAX_UNKNOWN {
        return Err(Error::new(ErrorKind::Data, what, hint));
    }
    sink.note(&format!("{what}: {hint}"));
    Ok(())
}

/// Tokenises and packs all documents into a new file.
fn build(
    source: &TextSource,
    tokenizer: &Tokenizer,
    seq_len: usize,
    path: &Path,
    sink: &dyn Sink,
) -> Result<()> {
    sink.phase(&format!("tokenising {}", source.name));
    let mut writer = CorpusWriter::create(path, tokenizer.vocab_size())?;
    let mut held_out: Vec<PackedExample> = Vec::new();
    let mut n_examples = 0u64;
    let mut tokens = TokenCounts::default();
    let holds_out_documents = source.held_out.is_none();
    tokens += pack_all(&source.documents, tokenizer, seq_len, sink, &mut |index, example| {
        if holds_out_documents && index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 {
            held_out.push(example);
            return Ok(());
        }
        n_examples += 1;
        writer.push(&example, false)
    })?;
    if n_examples == 0 {
        return Err(Error::new(
            ErrorKind::Data,
            format!("the text of {} is too short for a single training example", source.name),
            "check that the files are not empty and that the column holds text, or raise max_documents",
        ));
    }
    if let Some(documents) = &source.held_out {
        sink.phase(&format!("tokenising the held-out text of {}", source.name));
        tokens +=
            pack_all(documents, tokenizer, seq_len, sink, &mut |_, example| writer.push(&example, true))?;
    }
    for example in &held_out {
        writer.push(example, true)?;
    }
    writer.finish(tokens.kept_share())
}

/// Tokens of a text without `[CLS]` and `[SEP]`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct TokenCounts {
    /// Of its documents.
    of_text: u64,
    /// Of the examples that they were packed into.
    kept: u64,
}

impl std::ops::AddAssign for TokenCounts {
    fn add_assign(&mut self, other: Self) {
        self.of_text += other.of_text;
        self.kept += other.kept;
    }
}

impl TokenCounts {
    fn kept_share(self) -> Option<f64> {
        (self.of_text > 0).then(|| self.kept as f64 / self.of_text as f64)
    }
}

/// Calls `each` with every example and its document's index, in order; the documents of a chunk are packed in
/// parallel.
fn pack_all(
    documents: &Documents,
    tokenizer: &Tokenizer,
    seq_len: usize,
    sink: &dyn Sink,
    each: &mut dyn FnMut(u64, PackedExample) -> Result<()>,
) -> Result<TokenCounts> {
    let total = documents.count()?;
    let mut done = 0u64;
    let mut tokens = TokenCounts::default();
    documents.read(&mut |chunk| {
        let packed: Vec<PackedDocument> = chunk
            .par_iter()
            .enumerate()
            .map(|(offset, document)| {
                sink.check_stop()?;
                tokenise_and_pack(document, done + offset as u64, tokenizer, seq_len)
            })
            .collect::<Result<_>>()?;
        for (offset, document) in packed.into_iter().enumerate() {
            tokens.of_text += document.n_tokens;
            for example in document.examples {
                tokens.kept += example.n_text_tokens() as u64;
                each(done + offset as u64, example)?;
            }
        }
        done += chunk.len() as u64;
        if let Some(total) = total {
            sink.progress(done, total);
        }
        Ok(())
    })?;
    Ok(tokens)
}

/// The examples of a document.
pub(super) struct PackedDocument {
    pub examples: Vec<PackedExample>,
    /// Tokens of the document.
    pub n_tokens: u64,
}

pub(super) fn tokenise_and_pack(
    document: &Document,
    index: u64,
    tokenizer: &Tokenizer,
    seq_len: usize,
) -> Result<PackedDocument> {
    let lines: Vec<Vec<u32>> = document.iter().map(|line| tokenizer.encode(line)).collect::<Result<_>>()?;
    let n_tokens = lines.iter().map(|line| line.len() as u64).sum();
    Ok(PackedDocument { examples: pack_document(lines, seq_len, tokenizer.special(), index), n_tokens })
}
