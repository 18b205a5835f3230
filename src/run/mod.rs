//! Everything around a trial: what is to be done, where it is kept, who does it, and how it ended.
//!
//! [`run_experiments`] is the way in; [`plan_experiment`] and [`experiment_status`] look without touching anything. A trial itself,
//! from text to scores, is `trial`. Must never: print (`cli` and `track`'s terminal do that).

pub mod bench;
pub mod bench_corpus;
mod context;
mod device;
mod doctor;
mod evaluate;
mod evaluate_squad;
mod executor;
mod experiment;
mod export;
mod finetune_task;
#[cfg(test)]
pub(crate) mod fixture;
mod interrupt;
mod lock;
mod model_card;
mod opened_model;
mod pace;
mod plan;
mod prepare;
mod provenance;
mod reuse;
mod score;
mod squad_folder;
mod status;
mod store;
mod submission;
mod summary;
mod tasks;
mod trace;
mod trial;
mod trial_state;

pub use crate::disk::bytes_text;
pub use context::{Runner, TrialContext};
pub use device::{DeviceChoice, choose, describe};
pub use doctor::{Examination, FolderState, examine};
pub use executor::{End, Job, Surroundings, Watcher, execute};
pub use experiment::{RunOptions, run_experiments};
pub use export::{ExportOptions, export};
pub use interrupt::{INTERRUPTED_STATUS, StopFlag};
pub use lock::FolderLock;
pub use plan::{Plan, PlannedTrial, plan_experiment};
pub use prepare::{fetch_experiment, pack_experiment, unpack_parcel};
pub use provenance::{collect, utc_now};
pub use score::{score_glue, score_squad};
pub use status::{Status, TrialStatus, experiment_status};
pub use store::{TrialFolder, TrialState};
pub use submission::{Submission, SubmissionOptions, SubmittedFile, submission};
pub use summary::{Summary, SummaryRow};
pub use trace::{TraceOptions, Traced, trace_experiment};
pub use trial::run_trial;

// What a caller needs to show a run, or what it asked for.
pub use crate::task::{Fill, Probe, ProbeInput, ProbedMask, ProbedToken};
pub use crate::task::{GlueScores, MetricValue, SquadIntervals, SquadScores};
pub use crate::track::{Terminal, duration_text, stderr_has_colours};
