//! Benchmarks of a whole training step and of making a corpus.

pub mod corpus;
pub mod step;
