//! Listeners of a run: they get its progress, phases and metrics while it runs.

use super::Event;

/// Listens to a run. A sink never changes a number.
pub trait Sink: Send + Sync {
    /// A line of metrics.
    fn event(&self, event: &Event);
    /// What happens now: `tokenising`, `fine-tuning cola`.
    fn phase(&self, text: &str);
    /// A remark that stays in view.
    fn note(&self, text: &str) {
        self.phase(text);
    }
    /// Steps done and steps in total, for a progress bar.
    fn progress(&self, done: u64, total: u64);
}

/// Shows several pieces of work to a person, or to nobody.
pub trait Display: Sync {
    /// Shows one piece of work until the returned sink is dropped.
    fn watch(&self, name: &str) -> Box<dyn Sink>;
    /// Shows a sentence.
    fn say(&self, text: &str);
}

/// A sink that ignores everything.
pub struct Silent;

impl Sink for Silent {
    fn event(&self, _event: &Event) {}
    fn phase(&self, _text: &str) {}
    fn progress(&self, _done: u64, _total: u64) {}
}
