//! Downstream tasks: their examples, fine-tuning a pre-trained encoder on them, and scoring predictions.
//!
//! `table.rs` describes every task in one row. `glue/` and `squad/` read examples and files of predictions; `metrics/` are the
//! official metrics; `finetune.rs` and `squad/finetune.rs` train.

pub mod classifier;
pub mod encode;
pub mod finetune;
#[cfg(test)]
pub(crate) mod fixture;
pub mod glue;
pub mod metrics;
pub mod predict_split;
pub mod published;
pub mod score;
pub mod scored_tasks;
pub mod squad;
pub mod steps;
pub mod table;

pub use classifier::classifier_parameters;
pub use encode::{Encoded, encode, swapped};
pub use finetune::{Finetuned, Finetuning, Pretrained};
pub use glue::files::glue_pairs;
pub use glue::leaderboard::{LEADERBOARD, LeaderboardFile};
pub use glue::score::{GlueScores, MetricValue, glue_scores};
pub use glue::splits::{ExtraSplit, MISMATCHED};
pub use glue::{Example, HIDDEN_LABEL, TaskData, open_task};
pub use metrics::squad::{SquadIntervals, SquadPredictions, SquadScores, squad_scores};
pub use published::open_published;
pub use score::{N_RESAMPLES, add_mismatched, score};
pub use scored_tasks::{ScoredTask, scored_task, scored_tasks};
pub use squad::data::{SquadData, SquadExample, open_squad};
pub use squad::decode::{Answered, Span};
pub use squad::features::tokenize_questions;
pub use squad::files::{SquadQuestion, squad_answers, squad_no_answer, squad_questions};
pub use squad::finetune::{SquadAnswers, SquadFinetuning};
pub use squad::score::squad_score;
pub use table::{LabelKind, Metric, TaskInfo, task_info};
