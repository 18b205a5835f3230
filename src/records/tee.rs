//! Several listeners of one run.

use super::Sink;
use super::schema::Event;

/// A sink that passes everything to each of its sinks, in their order.
pub struct Tee<'a>(pub Vec<&'a dyn Sink>);

impl Sink for Tee<'_> {
    fn event(&self, event: &Event) {
        self.0.iter().for_each(|sink| sink.event(event));
    }

    fn phase(&self, text: &str) {
        self.0.iter().for_each(|sink| sink.phase(text));
    }

    fn note(&self, text: &str) {
        self.0.iter().for_each(|sink| sink.note(text));
    }

    fn progress(&self, done: u64, total: u64) {
        self.0.iter().for_each(|sink| sink.progress(done, total));
    }
}
