//! electra-lab: reproduces ELECTRA (Clark et al., 2020) and the experiments around it.
//!
//! Read `ARCHITECTURE.md` for the map. A run goes `spec` → `run` → `data`, `objective`, `train`, `task` →
//! `track`, and a report goes from the records back to a table and a plot.

pub mod cli;
pub mod data;
pub mod disk;
pub mod fault;
pub mod model;
pub mod nn;
pub mod objective;
pub mod ops;
pub mod report;
pub mod rng;
pub mod run;
pub mod spec;
pub mod task;
pub mod tensor_file;
pub mod track;
pub mod train;
