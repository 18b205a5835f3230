//! Ctrl-C and SIGTERM: the first asks every trial to save and stop, the second ends the process at once.
//!
//! The handlers only set a flag (or leave the process): nothing else is safe inside a signal handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fault::{Fault, FaultKind, Result};

/// What an interrupted process reports to its parent, by the shells' convention 128 + SIGINT.
pub const INTERRUPTED_STATUS: i32 = 130;

/// Whether a person asked to stop; clones share one answer.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// A flag that the process's signals raise. A second signal after the first exits with
    /// [`INTERRUPTED_STATUS`] at once; the operating system then releases every lock.
    pub fn on_signals() -> Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the first signal must not find the flag already raised by itself.
            signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED_STATUS, stop.0.clone())
                .and_then(|_| signal_hook::flag::register(signal, stop.0.clone()))
                .map_err(|error| Fault::internal("cannot listen to signals").because(error))?;
        }
        Ok(stop)
    }

    /// Asks to stop, as a signal does.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether to stop.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The fault with which a trial ends after it saved its state; raised or not, for use in `?` chains.
    pub fn fault() -> Fault {
        Fault::new(FaultKind::Interrupted, "interrupted", "run the same command again to continue")
    }

    /// `Err` when asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.is_raised() { Err(Self::fault()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_answer() {
        let stop = StopFlag::default();
        let other = stop.clone();
        assert!(other.check().is_ok());
        stop.raise();
        assert_eq!(other.check().unwrap_err().kind, FaultKind::Interrupted);
    }
}
