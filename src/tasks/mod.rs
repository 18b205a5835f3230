//! Downstream tasks: their examples, fine-tuning a pre-trained encoder on them, and scoring predictions.
//!
//! `table.rs` has one row for every task. `glue/` and `squad/` read examples and files of predictions;
//! `metrics/` are the official metrics; `finetune.rs` and `squad/finetune.rs` train. Without fine-tuning,
//! `probe.rs` fits a linear model to a frozen encoder, `bag_of_words.rs` one to counts of words, and
//! `minimal_pairs/` compares sentences.

mod bag_of_words;
mod classifier;
mod classifier_measure;
mod encode;
mod finetune;
#[cfg(test)]
pub(crate) mod fixture;
mod glue;
mod layout;
mod logistic;
mod metrics;
mod minimal_pairs;
mod predict_split;
mod probe;
mod published;
mod row_location;
mod score;
mod squad;
mod steps;
mod table;

pub use bag_of_words::BagOfWords;
pub use classifier::classifier_parameters;
pub use encode::{EncodedExample, encode, swapped};
pub use finetune::{Finetuned, Finetuning, Pretrained};
pub use glue::{
    GlueExample, GlueScores, LeaderboardFile, MetricValue, TaskData, glue_pairs, glue_scores,
    leaderboard_files, open_task,
};
pub(crate) use glue::{split_files, task_files};
pub use metrics::{SquadPredictions, SquadScores, squad_scores};
pub use minimal_pairs::{
    PairAccuracy, PairScoring, PairSet, PairSummary, check_pairs_fit, measure_of_pairs, open_pairs,
    pair_files, score_pairs, score_pairs_by_model, scorer_names, summarise_pairs,
};
pub use probe::Probing;
pub use published::open_published;
pub use score::{N_RESAMPLES, add_mismatched, score};
pub(crate) use squad::squad_task_files;
pub use squad::{
    DecodedAnswer, RankedAnswer, SquadData, SquadExample, SquadFinetuned, SquadFinetuning, SquadQuestion,
    open_squad, squad_answers, squad_no_answer, squad_questions, squad_score, tokenize_questions,
};
pub use table::{LabelKind, MISMATCHED, TaskInfo, glue_task, glue_tasks, task_info};

#[cfg(test)]
pub use glue::{ExtraSplit, HIDDEN_LABEL};
#[cfg(test)]
pub use metrics::SquadIntervals;
#[cfg(test)]
pub use table::Metric;
