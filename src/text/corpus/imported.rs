//! Texts that were tokenised on another machine and unpacked here: what opens where the text itself cannot be had.
//!
//! A record in the cache, named by the data section, holds what the text was called and which content it had; the tokenizer lies
//! beside it and the packed corpora where all are. Must never: stand in for a text that is here. Next: `parcel.rs`, which brings them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::disk::write_whole;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::DataSpec;
use crate::hub::DataEnv;
use crate::text::tokenizer::Tokenizer;

/// Changes when an older record can no longer be read.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// What is known of a text that is elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The data section that it answers.
    pub data: DataSpec,
    /// Repository, patterns or `built-in language`.
    pub name: String,
    /// Commit; `local` or `built-in` otherwise.
    pub revision: String,
    /// Hash of everything that decides the documents.
    pub identity: String,
}

/// A text that is elsewhere, and its tokenizer.
pub(crate) struct Imported {
    pub record: Record,
    pub tokenizer: Tokenizer,
}

/// Where the record and the tokenizer of a data section are.
fn paths(data: &DataSpec, env: &DataEnv) -> Result<[PathBuf; 2]> {
    let text = serde_json::to_string(data)
        .map_err(|error| Error::internal("cannot write a data section as JSON").because(error))?;
    let name = blake3::hash(text.as_bytes()).to_hex()[..24].to_string();
    let folder = env.cache.join("carried");
    Ok([folder.join(format!("{name}.json")), folder.join(format!("{name}.tokenizer.json"))])
}

/// What was unpacked here for a data section, if anything was.
///
/// # Errors
/// It cannot be read.
pub(crate) fn find(data: &DataSpec, env: &DataEnv) -> Result<Option<Imported>> {
    let [record_path, tokenizer_path] = paths(data, env)?;
    let Ok(text) = std::fs::read_to_string(&record_path) else { return Ok(None) };
    let damaged = || {
        let what = format!("{} is damaged, or of another version", record_path.display());
        Error::new(ErrorKind::Data, what, "unpack its parcel again")
    };
    let record: Record = serde_json::from_str(&text).map_err(|error| damaged().because(error))?;
    if record.format_version != FORMAT_VERSION || record.data != *data {
        return Err(damaged());
    }
    Ok(Some(Imported { record, tokenizer: Tokenizer::from_file(&tokenizer_path)? }))
}

/// Puts a record and its tokenizer in their places; the record comes last.
pub(crate) fn keep(record: &Record, tokenizer: &[u8], env: &DataEnv) -> Result<()> {
    let [record_path, tokenizer_path] = paths(&record.data, env)?;
    crate::disk::create_folder(&env.cache.join("carried"))?;
    write_whole(&tokenizer_path, tokenizer)?;
    let text = serde_json::to_vec_pretty(record)
        .map_err(|error| Error::internal("cannot write a record as JSON").because(error))?;
    write_whole(&record_path, &text)
}
