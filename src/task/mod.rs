//! Downstream tasks: fine-tuning a pre-trained encoder and scoring its predictions; and asking a
//! published model about a text.

mod classifier;
mod encode;
mod finetune;
mod metrics;
mod probe;
mod score;

pub use classifier::{EncoderNetwork, classifier_parameters};
pub use encode::{Encoded, encode};
pub use finetune::{Finetuned, Finetuning, Pretrained, n_steps};
pub use metrics::{accuracy, matthews, spearman};
pub use probe::{Fill, GENERATOR_FOLDER, Probe, ProbeInput, ProbedMask, ProbedToken};
pub use score::score;
