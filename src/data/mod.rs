//! Text in, token batches out: the hub, tokenizers, the packed corpus, and the tasks' examples.
//!
//! The way of pre-training text: `source.rs` (which text) → `documents.rs` (lines) → `open_tokenizer.rs` (which one), `tokenizer.rs` (ids) →
//! `packing.rs` (examples) → `corpus_file.rs` (cached bytes) → `corpus.rs` (batches in a seeded order). The way
//! of a task: `glue.rs` or `squad.rs`;
//! of predictions to be scored: `glue_files.rs`, `squad_files.rs`. Everything remote goes through `hub.rs`.
//! Must never: know of models or training.

mod batch;
mod carried;
mod corpus;
mod corpus_file;
mod documents;
mod env;
mod fetch;
mod glue;
mod glue_files;
mod glue_splits;
mod hub;
pub mod language;
mod leaderboard;
mod model_folder;
mod open_tokenizer;
mod own_vocabulary;
mod packing;
mod parcel;
mod parquet;
mod pattern;
mod scored_tasks;
mod shuffle;
mod source;
mod squad;
mod squad_files;
mod task_table;
mod text;
mod tokenizer;
mod tokenizer_files;
mod tsv;
mod word_cache;

pub use batch::Batch;
pub use corpus::{Corpus, open_corpus};
pub use env::DataEnv;
pub use fetch::fetch;
pub use glue::{Example, HIDDEN_LABEL, TaskData, open_task};
pub use glue_files::{GluePairs, glue_pairs};
pub use glue_splits::{ExtraSplit, MISMATCHED};
pub use hub::{Hub, HubConfig, HubFiles, RepoKind};
pub use leaderboard::{LEADERBOARD, LeaderboardFile};
pub use model_folder::{ModelFolder, model_folder};
pub use open_tokenizer::open_tokenizer;
pub use parcel::{PackedCorpus, pack, unpack};
pub use scored_tasks::{ScoredTask, scored_task, scored_tasks};
pub use squad::{SquadAnswer, SquadData, SquadExample, open_squad};
pub use squad_files::{SquadQuestion, squad_answers, squad_no_answer, squad_questions};
pub use task_table::{LabelKind, Metric, TaskInfo, task_info};
pub use tokenizer::{SpecialIds, Tokenizer};
pub use tokenizer_files::tokenizer_in;

/// The folder of real data that the ignored tests use.
#[cfg(test)]
pub(crate) fn test_hub() -> std::path::PathBuf {
    std::env::var_os("ELECTRA_LAB_TEST_HUB").expect("set ELECTRA_LAB_TEST_HUB to a hub cache").into()
}
