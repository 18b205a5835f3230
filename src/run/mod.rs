//! Running trials.

pub mod bench;
