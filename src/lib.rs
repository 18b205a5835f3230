//! electra-lab reproduces ELECTRA (Clark et al., 2020) and the experiments around it.
//!
//! Most people use the program of the same name. The library is for programs that plan, run or read
//! experiments themselves:
//!
//! 1. [`experiment::load()`] reads an experiment file and lists its trials.
//! 2. [`run::plan_experiment`] estimates what they cost, and [`run::run_experiments`] runs them.
//! 3. [`records`] reads and writes the files that a trial leaves in its folder.
//! 4. [`report::build`] makes tables, figures and a verdict of these records, and compares them with the
//!    published numbers ([`papers`]).
//!
//! ```
//! use electra_lab::experiment::load;
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("ratio.yaml");
//! let text = "
//!     name: ratio
//!     about: Which generator width works best?
//!     sweep: { model.generator_ratio: [0.25, 0.5] }
//!     seeds: [1, 2]
//! ";
//! std::fs::write(&file, text)?;
//!
//! let experiment = load(&file, None, &["train.steps=500".to_string()])?;
//! let labels: Vec<String> = experiment.trials.iter().map(|trial| trial.label()).collect();
//! assert_eq!(labels[0], "model.generator_ratio=0.25 seed=1");
//! assert_eq!(labels.len(), 4);
//! assert_eq!(experiment.trials[0].spec.train.steps, 500);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `ARCHITECTURE.md` is the map of the sources.

pub mod error;
mod escape;
pub mod experiment;
pub mod papers;
pub mod records;
pub mod report;
pub mod run;

// Public for the binary and the benchmarks of this package; not a stable interface.
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod ops;
#[doc(hidden)]
pub mod rng;
#[doc(hidden)]
pub mod tools;

mod build_info;
mod checkpoint;
mod disk;
mod flops;
mod formats;
#[cfg(test)]
mod fuzz;
mod hub;
mod model;
mod nn;
mod objective;
mod precision;
mod tasks;
mod text;
mod train;
