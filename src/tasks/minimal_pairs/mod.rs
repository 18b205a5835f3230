//! Minimal pairs: of two sentences that differ in one respect, which one does a network find more probable?
//!
//! No label and no fine-tuning is involved. `sets.rs` reads the pairs, `scorers.rs` scores them with the
//! networks of an objective, `score.rs` makes accuracies of the scores. Must never: train, or count a tie as
//! right.

mod score;
mod scorers;
mod sets;

pub use score::{PairAccuracy, PairSummary, measure_of_pairs, summarise_pairs};
pub use scorers::{PairScoring, check_pairs_fit, score_pairs, score_pairs_by_model, scorer_names};
pub use sets::{PairSet, open_pairs, pair_files};
