//! Minimal pairs: of two sentences that differ in one respect, which one does a network find more probable?
//!
//! Must never: train, or count a tie as right.

mod score;

pub use score::{PairAccuracy, PairSummary, measure_of_pairs, summarise_pairs};
