//! Evaluation tasks of the language, with the columns of the hub's data sets (nyu-mll/glue,
//! rajpurkar/squad_v2).
//!
//! An example depends on (seed, task, split, index) alone. A hash of its text decides its split, so that
//! training and validation never share an example, whatever their seeds and sizes.

mod change;
mod cola;
mod draw;
mod example;
mod frame;
mod generate;
mod mrpc;
mod qnli;
mod rte;
mod squad;
mod sst2;
mod stsb;
#[cfg(test)]
mod tests;

pub use draw::TaskSplit;
pub use frame::{squad_frame, task_frame};
