//! Ctrl-C and SIGTERM. While trials run, the first signal asks them to save and stop, and the second ends the
//! process at once. While there is nothing to save, the first signal ends it.
//!
//! The handlers only set a flag or leave the process: nothing else is safe inside a signal handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// Exit status of an interrupted process, by the shells' convention 128 + SIGINT.
pub const INTERRUPTED_STATUS: i32 = 130;

/// Whether the run was asked to stop, by a signal or a time limit. Clones share the signal.
#[derive(Clone, Debug, Default)]
pub struct StopFlag {
    raised: Arc<AtomicBool>,
    /// Whether the next signal ends the process at once.
    exits_at_once: Arc<AtomicBool>,
    /// Raised from this time on.
    deadline: Option<Instant>,
}

impl StopFlag {
    /// A flag that the process's signals raise. Outside [`StopFlag::defer_signals`] a signal ends the process
    /// with [`INTERRUPTED_STATUS`]; the operating system then releases every lock.
    pub fn on_signals() -> Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        use signal_hook::flag::{register, register_conditional_shutdown};
        let stop = Self { exits_at_once: Arc::new(AtomicBool::new(true)), ..Self::default() };
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in the order of registration. The exit handler comes first, so that it does not
            // see the flag that the same signal raises.
            register_conditional_shutdown(signal, INTERRUPTED_STATUS, stop.exits_at_once.clone())
                .and_then(|_| register(signal, stop.exits_at_once.clone()))
                .and_then(|_| register(signal, stop.raised.clone()))
                .map_err(|error| Error::internal("cannot listen to signals").because(error))?;
        }
        Ok(stop)
    }

    /// Runs work that has something to save: meanwhile the first signal only raises the flag.
    pub fn defer_signals<T>(&self, work: impl FnOnce() -> T) -> T {
        self.exits_at_once.store(self.raised.load(Ordering::SeqCst), Ordering::SeqCst);
        let result = work();
        self.exits_at_once.store(true, Ordering::SeqCst);
        result
    }

    /// The same flag, raised at the latest after `limit`.
    pub fn after(self, limit: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(limit), ..self }
    }

    /// Asks to stop, as a signal does.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
    }

    /// Whether to stop.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst) || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// An error of the kind `Interrupted` once the flag is raised; lets `?` pass the request on.
    pub fn check(&self) -> Result<()> {
        if !self.is_raised() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Interrupted, "interrupted", "run the same command again to continue"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_request() {
        let stop = StopFlag::default();
        let other = stop.clone();
        assert!(other.check().is_ok());
        stop.raise();
        assert_eq!(other.check().unwrap_err().kind, ErrorKind::Interrupted);
    }

    #[test]
    fn a_time_limit_raises_the_flag() {
        assert!(!StopFlag::default().after(Duration::from_secs(3600)).is_raised());
        let stop = StopFlag::default().after(Duration::ZERO);
        assert!(stop.is_raised() && stop.clone().is_raised());
        // No signal came yet, so the first one is still deferred.
        assert!(!stop.defer_signals(|| stop.exits_at_once.load(Ordering::SeqCst)));
    }

    #[test]
    fn a_signal_is_deferred_only_while_there_is_something_to_save() {
        let stop = StopFlag { exits_at_once: Arc::new(AtomicBool::new(true)), ..StopFlag::default() };
        let exits_at_once = || stop.exits_at_once.load(Ordering::SeqCst);
        assert!(!stop.defer_signals(exits_at_once));
        assert!(exits_at_once());
        stop.raise();
        assert!(stop.defer_signals(exits_at_once), "a signal that came before counts as the first");
    }

    #[cfg(unix)]
    #[test]
    fn a_signal_raises_the_flag() {
        let stop = StopFlag::on_signals().unwrap();
        stop.defer_signals(|| {
            signal_hook::low_level::raise(signal_hook::consts::SIGTERM).unwrap();
            assert!(stop.is_raised());
        });
    }
}
