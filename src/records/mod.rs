//! What a trial leaves on disk and reports while it runs: the schema of its records, its folder, its state.
//!
//! `folder.rs` alone reads and writes a trial's JSON records: `run` writes through it, `run` and `report`
//! read through it. (The lines of metrics.jsonl are written by `events.rs`.) `frame.rs` makes one table of
//! all of them. Must never: train, or judge a number.

pub(crate) mod checkpoints;
mod events;
pub(crate) mod folder;
pub(crate) mod frame;
mod inventory;
mod lock;
mod median;
mod outcome_values;
mod pair_scores;
mod results;
mod schema;
mod sink;
mod split_predictions;
mod squad_record;
pub(crate) mod state;
mod tee;

pub use events::{Jsonl, resume_events, truncate_after};
pub use folder::{TrialFolder, TrialRecords};
pub use frame::flatten;
pub use inventory::{InventoryEntry, inventory, inventory_entry, size_and_age};
pub use median::{median, median_run};
pub use outcome_values::values_of;
pub use pair_scores::{PairScore, PairScores, read_pair_scores};
pub use results::ExperimentFolder;
pub use schema::{
    Continuation, DataProvenance, Event, Failure, Measure, Outcome, PredictedExample, Predictions,
    Provenance, RECORD_VERSION, Score, Split, Timing, TrialRecord, WeightsProvenance,
};
pub use sink::{Display, Silent, Sink};
pub use split_predictions::SplitPredictions;
pub use squad_record::SquadRecord;
pub use state::TrialState;
pub use tee::Tee;
