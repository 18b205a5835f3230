//! The pre-training corpus: documents are tokenised, packed into training examples, cached by content, and
//! read in a seeded order.
//!
//! `source.rs` (which text) → `documents.rs` (documents of lines, which `sentences.rs` may split) →
//! `packing.rs` (ELECTRA's training examples) → `build.rs` (the cache) → `file.rs` (bytes) → `reader.rs` with
//! `shuffle.rs` (batches). `archive.rs` exports corpora to another machine and imports them there;
//! `imported.rs` keeps their records. Must never: depend on the number of threads.

mod archive;
mod build;
mod documents;
mod file;
pub(crate) mod imported;
mod packing;
mod reader;
mod sentences;
mod shuffle;
pub(crate) mod source;
mod text;

pub use archive::{ArchivedCorpus, export_archive, import_archive};
pub(super) use build::HELD_OUT_EVERY;
pub use build::packed_checksum;
pub(super) use packing::{PackedExample, pack_document};
#[cfg(test)]
pub use reader::open_corpus;
pub use reader::{Corpus, open_corpus_of};
pub use text::TextOpener;

#[cfg(test)]
mod tests;
