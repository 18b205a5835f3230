//! WordPiece tokenizers: `wordpiece.rs` turns text into ids, `open.rs` finds the tokenizer of an experiment,
//! `own_vocabulary.rs` makes a vocabulary from the training text, `settings.rs` reads how a published
//! vocabulary is used, `files.rs` writes what transformers loads, and `word_cache.rs` makes tokenising a
//! corpus fast.

mod files;
mod open;
mod own_vocabulary;
mod settings;
mod word_cache;
mod wordpiece;

pub use files::tokenizer_in;
pub(crate) use open::open_tokenizer_with;
pub use open::{known_vocab_size, open_tokenizer};
pub(crate) use wordpiece::TOKENIZER_FILE;
pub use wordpiece::{ByteRange, SpecialIds, Tokenizer};

#[cfg(test)]
mod golden;
