//! electra-lab: reproduces ELECTRA (Clark et al., 2020) and the experiments around it.
//!
//! Read `ARCHITECTURE.md` for the map. A run goes `experiment` → `run` → `text`, `objective`, `train`, `tasks` →
//! `records`, and a report goes from the records back to a table and a plot.

pub mod checkpoint;
pub mod cli;
pub mod disk;
pub mod error;
pub mod experiment;
pub mod flops;
pub mod formats;
pub mod hub;
pub mod model;
pub mod nn;
pub mod objective;
pub mod ops;
pub mod papers;
pub mod records;
pub mod report;
pub mod rng;
pub mod run;
pub mod tasks;
pub mod text;
pub mod tools;
pub mod train;
