//! SQuAD 1.1 and 2.0: answers as spans of a text, and whether there is one.
//!
//! `features.rs` (question and context → windows of tokens) → `reader.rs` (encoder and head: a loss, or the spans that a
//! window offers) → `decode.rs` (windows' spans → answers in the words of the text) → `score.rs` (the official figures).
//! `finetune.rs` is one run of it. Must never: read or write a file.

mod decode;
mod features;
mod finetune;
mod head;
mod reader;
#[cfg(test)]
mod real_data;
mod score;

pub use decode::{Answered, Span};
pub use features::{TokenQuestion, tokenize_questions};
pub use finetune::{SquadAnswers, SquadFinetuning};
pub use score::squad_score;
