//! From text to batches of token ids.
//!
//! `corpus/` finds documents, splits them into sentences, packs them into training examples and caches the
//! result; `tokenizer/` turns text into ids; `synthetic/` is the built-in language; `batch.rs` is the input
//! of a network; `ngram.rs` models token counts. Must never: know about models or training.

mod batch;
mod bigrams;
mod ceiling;
mod corpus;
mod minimal_pair;
mod ngram;
pub mod synthetic;
mod tokenizer;

pub use batch::Batch;
pub use bigrams::BigramCounts;
pub use ceiling::ceiling;
#[cfg(test)]
pub use corpus::open_corpus;
pub use corpus::{
    ArchivedCorpus, Corpus, TextOpener, export_archive, import_archive, open_corpus_of, packed_checksum,
};
pub use minimal_pair::MinimalPair;
pub use ngram::{CountModels, TokenModel};
pub(crate) use tokenizer::TOKENIZER_FILE;
pub use tokenizer::{ByteRange, SpecialIds, Tokenizer, known_vocab_size, open_tokenizer, tokenizer_in};
