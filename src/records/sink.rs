//! Who listens to a run: progress, phases and metrics while it goes.

use super::Event;

/// Listens to a run. Sinks never change numbers.
pub trait Sink: Send + Sync {
    /// A line of metrics.
    fn event(&self, event: &Event);
    /// A sentence about what is happening now: `tokenising`, `fine-tuning cola`.
    fn phase(&self, text: &str);
    /// Steps done of all, for a bar.
    fn progress(&self, done: u64, total: u64);
}

/// Shows several pieces of work to a person: a terminal, or nobody.
pub trait Display: Sync {
    /// Begins to show one piece of work, until the returned sink is dropped.
    fn watch(&self, name: &str) -> Box<dyn Sink>;
    /// Shows one sentence.
    fn say(&self, text: &str);
}

/// A sink that drops everything.
pub struct Silent;

impl Sink for Silent {
    fn event(&self, _event: &Event) {}
    fn phase(&self, _text: &str) {}
    fn progress(&self, _done: u64, _total: u64) {}
}
