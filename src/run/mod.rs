//! Runs trials: chooses them, opens their data, runs each from text to scores, and reports how each ended.
//!
//! [`run_experiments`] is the entry point. [`plan_experiment`] and [`experiment_status`] run nothing. One
//! trial, from text to scores, is in `trial.rs`. Must never: print (`cli` does).

mod context;
mod corpus_archive;
pub mod device;
mod duration;
mod evaluate;
mod executor;
mod experiment;
mod fetch;
mod finished_inputs;
#[cfg(test)]
pub(crate) mod fixture;
mod initial_weights;
mod interrupt;
mod local_inputs;
mod plan;
mod prepare;
mod prepared_data;
pub mod provenance;
mod published_model;
mod queue;
mod reuse;
mod share_of_machine;
mod status;
mod step_time;
mod summary;
mod tasks;
mod trial;
mod trial_record;

pub use context::{Runner, TrialContext, TrialRun};
pub use corpus_archive::{export_corpus, import_corpus};
pub use device::DeviceChoice;
pub use duration::duration_text;
pub use executor::{Job, ProgressReporter, RunContext, TrialStatus};
pub use experiment::{RunOptions, check_only, run_experiments};
pub use fetch::fetch_experiment;
pub use initial_weights::InitialWeights;
pub use interrupt::{INTERRUPTED_STATUS, StopFlag};
pub use plan::{Plan, PlannedTrial, plan_experiment};
pub use prepared_data::{PreparedData, PreparedText};
pub use share_of_machine::{limit_threads, lower_priority};
pub use status::{Status, TrialProgress, experiment_status};
pub use summary::{Summary, SummaryRow};
pub use trial::run_trial;
