//! Everything around a trial: what is to be done, where it is kept, who does it, and how it ended.
//!
//! [`run_experiments`] is the way in; [`plan_experiment`] and [`experiment_status`] look without touching anything. A trial itself,
//! from text to scores, is `trial`. Must never: print (`cli` and `track`'s terminal do that).

pub mod context;
pub mod device;
pub mod duration;
pub mod evaluate;
pub mod evaluate_squad;
pub mod executor;
pub mod experiment;
pub mod fetch;
pub mod finetune_task;
#[cfg(test)]
pub(crate) mod fixture;
pub mod interrupt;
pub mod opened_model;
pub mod plan;
pub mod prepare;
pub mod provenance;
pub mod reuse;
pub mod squad_folder;
pub mod status;
pub mod step_time;
pub mod summary;
pub mod tasks;
pub mod trial;

pub use context::{Runner, TrialContext};
pub use device::{DeviceChoice, choose, describe};
pub use duration::duration_text;
pub use executor::{Job, ProgressReporter, RunContext, TrialEnd, execute};
pub use experiment::{RunOptions, run_experiments};
pub use interrupt::{INTERRUPTED_STATUS, StopFlag};
pub use plan::{Plan, PlannedTrial, plan_experiment};
pub use prepare::{export_corpus, fetch_experiment, import_corpus};
pub use provenance::{collect, utc_now};
pub use status::{Status, TrialStatus, experiment_status};
pub use summary::{Summary, SummaryRow};
pub use trial::run_trial;
