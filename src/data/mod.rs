//! Text in, token batches out: the hub, tokenizers, the packed corpus, and the tasks' examples.
//!
//! The way of pre-training text: `source.rs` (which text) → `documents.rs` (lines) → `tokenizer.rs` (ids) →
//! `packing.rs` (examples) → `corpus_file.rs` (cached bytes) → `corpus.rs` (batches in a seeded order). The way
//! of a task: `glue.rs`. Everything remote goes through `hub.rs`.
//! Must never: know of models or training.

mod batch;
mod corpus;
mod corpus_file;
mod documents;
mod env;
mod fetch;
mod glue;
mod hub;
pub mod language;
mod packing;
mod parquet;
mod pattern;
mod shuffle;
mod source;
mod tokenizer;

pub use batch::Batch;
pub use corpus::{Corpus, open_corpus};
pub use env::DataEnv;
pub use fetch::fetch;
pub use glue::{Example, LabelKind, Metric, TaskData, TaskInfo, open_task, task_info};
pub use hub::{Hub, HubConfig, HubFiles, RepoKind};
pub use tokenizer::{SpecialIds, Tokenizer, open_tokenizer};

/// The folder of real data that some tests use, or None (and a line that says so) where there is none.
#[cfg(test)]
pub(crate) fn test_hub(test: &str) -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("ELECTRA_LAB_TEST_HUB");
    if folder.is_none() {
        eprintln!("skipped: {test} needs ELECTRA_LAB_TEST_HUB");
    }
    folder.map(Into::into)
}
