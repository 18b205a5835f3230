//! Corpora that were tokenised on another machine and imported here; they are used where the text is not
//! available.
//!
//! A record in the cache, named by a hash of the data section, holds the text's name and a hash of its
//! content; the tokenizer is beside it, and the corpus files are in the cache with all others. Must never: be
//! used in place of a text that is available. Next: `archive.rs`, which imports them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::disk::{create_folder, write_whole};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::DataSpec;
use crate::hub::DataEnv;
use crate::text::tokenizer::Tokenizer;

/// Increased when an older record can no longer be read.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// The folder's name in the cache. It never changes, so that corpora that were imported once are always
/// found.
const FOLDER: &str = "carried";

/// Describes an imported text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImportRecord {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The data section of the text.
    pub data: DataSpec,
    /// Repository, patterns or `built-in language`.
    pub name: String,
    /// Commit; `local` or `built-in` otherwise.
    pub revision: String,
    /// Hash of everything that decides the documents.
    pub identity: String,
}

/// An imported text with its tokenizer.
pub(crate) struct ImportedText {
    pub record: ImportRecord,
    pub tokenizer: Tokenizer,
}

/// The paths of the record and the tokenizer of a data section.
fn paths(data: &DataSpec, env: &DataEnv) -> Result<[PathBuf; 2]> {
    let text = serde_json::to_string(data)
        .map_err(|error| Error::internal("cannot write a data section as JSON").because(error))?;
    let name = blake3::hash(text.as_bytes()).to_hex()[..24].to_string();
    let folder = env.cache.join(FOLDER);
    Ok([folder.join(format!("{name}.json")), folder.join(format!("{name}.tokenizer.json"))])
}

/// The imported text of a data section, if there is one.
///
/// # Errors
/// It cannot be read.
pub(crate) fn find(data: &DataSpec, env: &DataEnv) -> Result<Option<ImportedText>> {
    let [record_path, tokenizer_path] = paths(data, env)?;
    let Ok(text) = std::fs::read_to_string(&record_path) else { return Ok(None) };
    let damaged = || {
        let what = format!("{} is damaged, or has an unknown format version", record_path.display());
        Error::new(ErrorKind::Data, what, "import its corpus archive again")
    };
    let record: ImportRecord = serde_json::from_str(&text).map_err(|error| damaged().because(error))?;
    if record.format_version != FORMAT_VERSION || record.data != *data {
        return Err(damaged());
    }
    Ok(Some(ImportedText { record, tokenizer: Tokenizer::from_file(&tokenizer_path)? }))
}

/// Compares a record that is to be saved with the one that is there for the same data section.
///
/// # Errors
/// That one is of another text or has another tokenizer: it would be replaced.
pub(crate) fn check_same_text(record: &ImportRecord, tokenizer: &Tokenizer, env: &DataEnv) -> Result<()> {
    // A damaged one is replaced.
    let Ok(Some(here)) = find(&record.data, env) else { return Ok(()) };
    if here.record.identity == record.identity && here.tokenizer.hash() == tokenizer.hash() {
        return Ok(());
    }
    let [path, _] = paths(&record.data, env)?;
    let what =
        format!("{} is of another text or tokenizer than the archive's {}", path.display(), record.name);
    let hint = "keep it: it is used as before. To take the archive's in its place, delete it first";
    Err(Error::new(ErrorKind::Data, what, hint))
}

/// Writes a record and its tokenizer into the cache, the record last.
pub(crate) fn save(record: &ImportRecord, tokenizer: &[u8], env: &DataEnv) -> Result<()> {
    let [record_path, tokenizer_path] = paths(&record.data, env)?;
    create_folder(&env.cache.join(FOLDER))?;
    write_whole(&tokenizer_path, tokenizer)?;
    let text = serde_json::to_vec_pretty(record)
        .map_err(|error| Error::internal("cannot write a record as JSON").because(error))?;
    write_whole(&record_path, &text)
}
