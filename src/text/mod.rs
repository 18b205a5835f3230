//! Text in, batches of token ids out.
//!
//! `corpus/` finds documents, splits them into sentences, packs them into training examples and caches the result;
//! `tokenizer/` turns words into ids; `synthetic/` is the built-in language; `batch.rs` is what a network reads.
//! Must never: know of models or training.

pub mod batch;
pub mod corpus;
pub mod synthetic;
pub mod tokenizer;

pub use batch::Batch;
pub use corpus::archive::{ArchivedCorpus, pack, unpack};
pub use corpus::{Corpus, open_corpus};
pub use tokenizer::files::tokenizer_in;
pub use tokenizer::open::open_tokenizer;
pub use tokenizer::{SpecialIds, Tokenizer};
