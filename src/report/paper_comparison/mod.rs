//! The comparison of the measured values with the paper's.
//!
//! `compare` finds the point of each published row, `comparable` says which values may be compared in
//! absolute value, `agreement` whether their orders agree, and `show` writes tables and sentences. Kendall's
//! tau itself is in `papers/kendall.rs`. The rest stays here: it needs the sweep, the specification of a
//! trial and the bootstrap over seeds, none of which `papers` may import. Must never: compare a value without
//! its configuration.

mod agreement;
mod comparable;
mod compare;
mod comparison;
mod row;
mod show;

pub use compare::compare;
pub use comparison::PaperComparison;
pub use show::{page, rows as rows_table, sentences, to_csv};

#[cfg(test)]
mod tests;
