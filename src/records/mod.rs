//! What a trial leaves on disk and reports while it runs: the schema of its records, its folder, its state.
//!
//! `run` writes records through this module and `report` reads them through it; nobody else opens a file of a trial's folder.

pub mod checkpoints;
pub mod events;
pub mod folder;
pub mod lock;
pub mod median;
pub mod schema;
pub mod sink;
pub mod split_predictions;
pub mod squad_record;
pub mod state;
pub mod tee;

pub use events::read_events;
pub use events::{Jsonl, truncate_after};
pub use median::median_run;
pub use schema::{
    Continuation, DataProvenance, Event, Failure, Outcome, PredictedExample, Predictions, Provenance,
    RECORD_VERSION, Score, Split, Timing, TrialRecord,
};
pub use sink::{Display, Silent, Sink};
pub use split_predictions::SplitPredictions;
pub use squad_record::SquadRecord;
pub use state::TrialState;
pub use tee::Tee;
