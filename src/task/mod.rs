//! Downstream tasks: fine-tuning a pre-trained encoder and scoring its predictions.

mod encode;
mod finetune;
mod metrics;
mod score;

pub use encode::{Encoded, encode};
pub use finetune::{Finetuning, n_steps};
pub use metrics::{accuracy, matthews, spearman};
pub use score::score;
