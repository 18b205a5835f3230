//! Which tokenizer a data section asks for.
//!
//! Next: `tokenizer.rs` (what it does), `own_vocabulary.rs` (one made of the text).

use std::path::Path;

use super::own_vocabulary::own_vocabulary;
use super::{TOKENIZER_FILE, Tokenizer};
use crate::error::{Error, Result};
use crate::experiment::{DataSpec, TokenizerSpec};
use crate::hub::{DataEnv, RepoKind};
use crate::records::{Silent, Sink};
use crate::text::corpus::imported;
use crate::text::corpus::source::open_source;
use crate::text::synthetic;

/// The tokenizer that a data section asks for; where it cannot be had, the one that was unpacked here with its text.
///
/// # Errors
/// The file is missing, is not a tokenizer, or lacks a special token; for a vocabulary of the text, the text cannot be read.
pub fn open_tokenizer(spec: &DataSpec, env: &DataEnv, sink: &dyn Sink) -> Result<Tokenizer> {
    open(spec, env, sink).or_else(|error| match imported::find(spec, env)? {
        Some(carried) => Ok(carried.tokenizer),
        None => Err(error),
    })
}

fn open(spec: &DataSpec, env: &DataEnv, sink: &dyn Sink) -> Result<Tokenizer> {
    let tokenizer = match spec {
        DataSpec::Language { .. } => {
            return Tokenizer::from_vocabulary(&synthetic::vocabulary(), "built-in language");
        }
        DataSpec::Hub { tokenizer, .. } | DataSpec::Files { tokenizer, .. } => tokenizer,
    };
    match tokenizer {
        TokenizerSpec::Hub { repo, revision } => {
            let found = env.hub.files(RepoKind::Model, repo, revision, TOKENIZER_FILE)?;
            match found.paths.first() {
                Some((_, path)) => Tokenizer::from_file(path),
                None => Err(Error::internal(format!("{repo} gave no {TOKENIZER_FILE}"))),
            }
        }
        TokenizerSpec::File { path } => Tokenizer::from_file(Path::new(path)),
        TokenizerSpec::Own { size, documents } => {
            let source = open_source(spec, env, &Silent)?;
            let tokens = own_vocabulary(&source, *size, *documents, env, sink)?;
            Tokenizer::from_vocabulary(&tokens, &format!("vocabulary of {}", source.name))
        }
    }
}
