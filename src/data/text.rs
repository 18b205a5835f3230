//! The text of a data section with its tokenizer, or what was unpacked here of a text that is elsewhere.
//!
//! Next: `corpus.rs`, which packs or finds its corpus.

use super::DataEnv;
use super::carried::{self, Carried};
use super::open_tokenizer::open_tokenizer;
use super::source::{Source, open_source};
use super::tokenizer::Tokenizer;
use crate::fault::{Fault, Result};
use crate::spec::DataSpec;
use crate::track::Sink;

/// What a corpus is made of.
pub(super) struct Text {
    pub tokenizer: Tokenizer,
    /// The documents, or why they cannot be had.
    pub source: std::result::Result<Source, Fault>,
    /// Repository, patterns or `built-in language`.
    pub name: String,
    /// Commit; `local` or `built-in` otherwise.
    pub revision: String,
    /// Hash of everything that decides the documents.
    pub identity: String,
}

/// Opens the text of a data section.
///
/// # Errors
/// Neither the text nor what was unpacked of it can be had.
pub(super) fn open_text(data: &DataSpec, env: &DataEnv, sink: &dyn Sink) -> Result<Text> {
    let fault = match open_source(data, env, sink) {
        Ok(source) => {
            let tokenizer = open_tokenizer(data, env, sink)?;
            let Source { name, revision, identity, .. } = source.clone();
            return Ok(Text { tokenizer, source: Ok(source), name, revision, identity });
        }
        Err(fault) => fault,
    };
    let Some(Carried { record, tokenizer }) = carried::find(data, env)? else { return Err(fault) };
    sink.phase(&format!("taking {} as it was unpacked here", record.name));
    let (name, revision, identity) = (record.name, record.revision, record.identity);
    Ok(Text { tokenizer, source: Err(fault), name, revision, identity })
}
