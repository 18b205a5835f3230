//! SQuAD 1.1 and 2.0: answers as spans of a text, and whether there is one.
//!
//! `features.rs` (question and context → windows of tokens) → `reader.rs` (encoder and head: a loss, or the spans that a
//! window offers) → `decode.rs` (windows' spans → answers in the words of the text) → `score.rs` (the official figures).
//! `finetune.rs` is one run of it. Must never: read or write a file.

pub mod data;
pub mod decode;
pub mod features;
pub mod files;
pub mod finetune;
pub mod head;
pub mod reader;
#[cfg(test)]
pub mod real_data;
pub mod score;

pub use decode::{Answered, Span};
pub use features::{TokenQuestion, tokenize_questions};
pub use finetune::{SquadAnswers, SquadFinetuning};
pub use score::squad_score;
