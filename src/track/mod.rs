//! What a run reports while it goes and leaves when it ends: the records and who listens to them.

mod jsonl;
mod median;
mod record;
mod split_predictions;
mod squad_record;
mod tee;
mod terminal;

pub use jsonl::{Jsonl, read_events, truncate_after};
pub use median::median_run;
pub use record::{
    Continuation, DataProvenance, Event, Failure, Outcome, PredictedExample, Predictions, Provenance,
    RECORD_VERSION, Score, Split, Timing, TrialRecord,
};
pub use split_predictions::SplitPredictions;
pub use squad_record::SquadRecord;
pub use tee::Tee;
pub use terminal::{Terminal, Watched, duration_text, stderr_has_colours};

/// Listens to a run. Sinks never change numbers.
pub trait Sink: Send + Sync {
    /// A line of metrics.
    fn event(&self, event: &Event);
    /// A sentence about what is happening now: `tokenising`, `fine-tuning cola`.
    fn phase(&self, text: &str);
    /// Steps done of all, for a bar.
    fn progress(&self, done: u64, total: u64);
}

/// A sink that drops everything.
pub struct Silent;

impl Sink for Silent {
    fn event(&self, _event: &Event) {}
    fn phase(&self, _text: &str) {}
    fn progress(&self, _done: u64, _total: u64) {}
}
