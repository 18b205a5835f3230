//! The text of a data section with its tokenizer, or what was unpacked here of a text that is elsewhere.
//!
//! Next: `corpus.rs`, which packs or finds its corpus.

use super::imported;
use super::imported::Imported;
use super::source::{Source, open_source};
use crate::error::{Error, Result};
use crate::experiment::DataSpec;
use crate::hub::DataEnv;
use crate::records::Sink;
use crate::text::tokenizer::Tokenizer;
use crate::text::tokenizer::open::open_tokenizer;

/// What a corpus is made of.
pub(crate) struct Text {
    pub tokenizer: Tokenizer,
    /// The documents, or why they cannot be had.
    pub source: std::result::Result<Source, Error>,
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
pub(crate) fn open_text(data: &DataSpec, env: &DataEnv, sink: &dyn Sink) -> Result<Text> {
    let error = match open_source(data, env, sink) {
        Ok(source) => {
            let tokenizer = open_tokenizer(data, env, sink)?;
            let Source { name, revision, identity, .. } = source.clone();
            return Ok(Text { tokenizer, source: Ok(source), name, revision, identity });
        }
        Err(error) => error,
    };
    let Some(Imported { record, tokenizer }) = imported::find(data, env)? else { return Err(error) };
    sink.phase(&format!("taking {} as it was unpacked here", record.name));
    let (name, revision, identity) = (record.name, record.revision, record.identity);
    Ok(Text { tokenizer, source: Err(error), name, revision, identity })
}
