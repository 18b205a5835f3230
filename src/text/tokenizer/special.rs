//! BERT's special tokens.

/// The special tokens, in the order of their usual ids.
pub const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
