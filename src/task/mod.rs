//! Downstream tasks: fine-tuning a pre-trained encoder and scoring its predictions, or anyone's; and asking a
//! published model about a text.

mod classifier;
mod encode;
mod finetune;
#[cfg(test)]
pub(crate) mod fixture;
mod glue_score;
mod metrics;
mod predict_split;
mod probe;
mod published;
mod score;
mod squad;
mod steps;

pub use classifier::classifier_parameters;
pub use encode::{Encoded, encode, swapped};
pub use finetune::{Finetuned, Finetuning, Pretrained};
pub use glue_score::{GlueScores, MetricValue, glue_scores};
pub use metrics::{
    SquadIntervals, SquadPredictions, SquadScores, accuracy, bootstrap_interval, exact_match, f1, matthews,
    measure, normalize_answer, pearson, spearman, squad_scores, token_f1,
};
pub use probe::{Fill, GENERATOR_FOLDER, Probe, ProbeInput, ProbedMask, ProbedToken};
pub use published::open_published;
pub use score::{N_RESAMPLES, add_mismatched, score};
pub use squad::{
    Answered, Span, SquadAnswers, SquadFinetuning, TokenQuestion, squad_score, tokenize_questions,
};
