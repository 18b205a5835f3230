//! SQuAD 1.1 and 2.0: answers as spans of a text, and whether there is an answer.
//!
//! `data.rs` (questions and contexts) → `features.rs` (windows of tokens) → `reader.rs` (encoder and head: a
//! loss, or span candidates of a window) → `decode.rs` (answers in the words of the text) → `score.rs` (the
//! official scores). `finetune.rs` is one run of it; `files.rs` reads the official files. Must never: write a
//! file.

mod data;
mod decode;
mod features;
mod files;
mod finetune;
mod head;
mod reader;
#[cfg(test)]
mod real_data;
mod score;

pub(crate) use data::squad_task_files;
pub use data::{SquadData, SquadExample, open_squad};
pub use decode::{DecodedAnswer, RankedAnswer};
pub use features::tokenize_questions;
pub use files::{SquadQuestion, squad_answers, squad_no_answer, squad_questions};
pub use finetune::{SquadFinetuned, SquadFinetuning};
pub use score::squad_score;
