//! GLUE's tasks: examples to fine-tune on, files of predictions, and scores.
//!
//! `data.rs` opens a task, `examples.rs` reads its rows, `splits.rs` finds the splits that are only
//! predicted, `files.rs` pairs gold labels with predictions, `leaderboard.rs` writes a submission.

mod data;
mod examples;
mod files;
mod leaderboard;
mod score;
mod splits;

pub(crate) use data::task_files;
pub use data::{TaskData, open_task};
pub use examples::GlueExample;
#[cfg(test)]
pub use examples::HIDDEN_LABEL;
pub use files::glue_pairs;
pub use leaderboard::{LeaderboardFile, leaderboard_files};
pub use score::{GlueScores, MetricValue, glue_scores};
#[cfg(test)]
pub use splits::ExtraSplit;
pub(crate) use splits::split_files;

#[cfg(test)]
#[path = "../../../docs/examples/task.rs"]
mod example;
#[cfg(test)]
mod tests;
