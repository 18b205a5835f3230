//! Minimal pairs: of two sentences that differ in one respect, which one does a network find more probable?
//!
//! No label and no fine-tuning is involved. `sets.rs` reads the pairs, `scorers.rs` scores them with the
//! networks of an objective. Must never: train, or count a tie as right.

mod score;
mod scorers;
mod sets;

pub use score::{PairScore, measure_of_pairs};
pub use scorers::{PairScoring, ScoredSet, score_pairs, score_pairs_by_model};
pub use sets::{PairSet, open_pairs, pair_files};
