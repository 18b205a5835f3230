//! Several listeners of one run.

use super::Sink;
use super::schema::Event;
use crate::error::Result;

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

    fn flush(&self) -> Result<()> {
        self.0.iter().try_for_each(|sink| sink.flush())
    }

    fn check_stop(&self) -> Result<()> {
        self.0.iter().try_for_each(|sink| sink.check_stop())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Heard {
        fn hear(&self, what: &str) {
            self.0.lock().unwrap().push(what.into());
        }
    }

    impl Sink for Heard {
        fn event(&self, event: &Event) {
            self.hear(&format!("event {}", event.step));
        }
        fn phase(&self, text: &str) {
            self.hear(&format!("phase {text}"));
        }
        fn note(&self, text: &str) {
            self.hear(&format!("note {text}"));
        }
        fn progress(&self, done: u64, total: u64) {
            self.hear(&format!("{done}/{total}"));
        }
        fn flush(&self) -> Result<()> {
            self.hear("flush");
            Ok(())
        }
        fn check_stop(&self) -> Result<()> {
            self.hear("stop?");
            Ok(())
        }
    }

    /// A method with a default in the trait is easily forgotten here.
    #[test]
    fn every_sink_hears_everything() {
        let (one, other) = (Heard::default(), Heard::default());
        let tee = Tee(vec![&one, &other]);
        tee.phase("a");
        tee.note("b");
        tee.progress(1, 2);
        tee.flush().unwrap();
        tee.check_stop().unwrap();
        for sink in [one, other] {
            assert_eq!(sink.0.into_inner().unwrap(), ["phase a", "note b", "1/2", "flush", "stop?"]);
        }
    }
}
