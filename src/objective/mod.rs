//! Pre-training objectives: from a batch of tokens to a loss to minimise and metrics to report.
//!
//! Every objective has a file of its own and implements [`Objective`] (`interface.rs`). `build` alone turns
//! the `objective` of a specification into one of them. What several objectives need has files too: which
//! tokens are hidden (`masking.rs`), what a masked language model predicts there (`prediction.rs`), what
//! replaces them (`proposals.rs`), and how a micro-batch counts within its full batch (`batch_share.rs`).

mod adversarial;
mod batch_share;
mod bigram_generator;
mod build;
mod coco_lm;
mod contrast;
mod deferred_metrics;
mod detection;
mod electric;
#[cfg(test)]
#[path = "../../docs/examples/objective.rs"]
mod example;
mod frequencies;
mod interface;
mod masking;
mod metrics;
mod mlm;
mod prediction;
mod proposals;
mod restore;
mod rtd;
mod scoring;
mod script;
mod step;
mod tokens;
mod two_stage;

pub use build::build;
pub use deferred_metrics::{DeferredMetrics, number};
pub use interface::Objective;
pub use masking::Vocabulary;
pub use metrics::{Metrics, f64_bits};
pub use scoring::{MaskedScorer, OnePassKind, OnePassScorer, TokenScorers};
pub use step::{Losses, StepContext};
pub use tokens::tokens;

#[cfg(test)]
mod tests;
