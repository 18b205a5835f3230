//! Opens the tokenizer of a data section.
//!
//! Next: `wordpiece.rs` (the tokenizer), `own_vocabulary.rs` (a vocabulary made from the text).

use std::path::Path;

use super::own_vocabulary::own_vocabulary;
use super::wordpiece::Tokenizer;
use crate::error::{Error, Result};
use crate::experiment::{DataSpec, TokenizerSpec};
use crate::hub::{DataEnv, tokenizer_files};
use crate::records::{Silent, Sink};
use crate::text::corpus::imported;
use crate::text::corpus::source::{TextSource, open_source};
use crate::text::synthetic;

/// The tokenizer of a data section; if it is not available, the one that was imported with a corpus.
///
/// # Errors
/// The file is missing, is not a tokenizer, or lacks a special token; the text that the vocabulary is made
/// from cannot be read.
pub fn open_tokenizer(spec: &DataSpec, env: &DataEnv, sink: &dyn Sink) -> Result<Tokenizer> {
    open_tokenizer_with(spec, env, sink, || open_source(spec, env, sink))
}

/// The same with a text that `source` opens, if the tokenizer needs it.
pub(crate) fn open_tokenizer_with(
    spec: &DataSpec,
    env: &DataEnv,
    sink: &dyn Sink,
    source: impl FnOnce() -> Result<TextSource>,
) -> Result<Tokenizer> {
    open(spec, env, sink, source).or_else(|error| match imported::find(spec, env)? {
        Some(imported) => Ok(imported.tokenizer),
        None => Err(error),
    })
}

/// The size of a data section's vocabulary without its text and without the network: `env` is offline. One
/// made from the text has the size that the section asks for, unless the text has too few words. None if the
/// tokenizer is not on this machine.
pub fn known_vocab_size(spec: &DataSpec, env: &DataEnv) -> Option<usize> {
    if let Ok(Some(imported)) = imported::find(spec, env) {
        return Some(imported.tokenizer.vocab_size());
    }
    if let Some(TokenizerSpec::Own { size, .. }) = spec.tokenizer() {
        return Some(*size);
    }
    let no_text = || Err(Error::internal("the size of a vocabulary needs no text"));
    open(spec, env, &Silent, no_text).ok().map(|tokenizer| tokenizer.vocab_size())
}

fn open(
    spec: &DataSpec,
    env: &DataEnv,
    sink: &dyn Sink,
    source: impl FnOnce() -> Result<TextSource>,
) -> Result<Tokenizer> {
    let Some(tokenizer) = spec.tokenizer() else {
        return Tokenizer::from_vocabulary(&synthetic::vocabulary(), "built-in language");
    };
    match tokenizer {
        TokenizerSpec::Hub { repo, revision } => {
            let found = tokenizer_files(repo, revision, env)?;
            match found.paths.first() {
                Some((_, path)) => Tokenizer::from_file(path),
                None => Err(Error::internal(format!("{repo} gave no tokenizer"))),
            }
        }
        TokenizerSpec::File { path } => Tokenizer::from_file(Path::new(path)),
        TokenizerSpec::Own { size, documents } => {
            let source = source()?;
            let tokens = own_vocabulary(&source, *size, *documents, env, sink)?;
            Tokenizer::from_vocabulary(&tokens, &format!("vocabulary of {}", source.name))
        }
    }
}
