//! Ctrl-C, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2. While trials run, they ask them to save and stop; only a
//! second Ctrl-C ends the process before that. While there is nothing to save, the first signal ends it.
//!
//! The handlers only set a flag or leave the process: nothing else is safe inside a signal handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::records::{Event, Sink};

/// Exit status of an interrupted process, by the shells' convention 128 + SIGINT.
pub const INTERRUPTED_STATUS: i32 = 130;

/// Whether the run was asked to stop, by a signal or a time limit. Clones share the signal.
#[derive(Clone, Debug, Default)]
pub struct StopFlag {
    raised: Arc<AtomicBool>,
    /// Whether the next signal ends the process at once.
    exits_at_once: Arc<AtomicBool>,
    /// Whether the next Ctrl-C ends the process at once.
    saw_interrupt: Arc<AtomicBool>,
    /// Raised from this time on.
    deadline: Option<Instant>,
}

/// With another sink in a `Tee`, long work hears of the request.
impl Sink for StopFlag {
    fn event(&self, _event: &Event) {}
    fn phase(&self, _text: &str) {}
    fn progress(&self, _done: u64, _total: u64) {}

    fn check_stop(&self) -> Result<()> {
        self.check()
    }
}

impl StopFlag {
    /// A flag that the process's signals raise: those of Ctrl-C, of a closed terminal, and those by which job
    /// systems end a job or warn of its end. Outside [`StopFlag::defer_signals`] a signal ends the process
    /// with [`INTERRUPTED_STATUS`]; the operating system then releases every lock.
    pub fn on_signals() -> Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        use signal_hook::flag::{register, register_conditional_shutdown};
        let stop = Self { exits_at_once: Arc::new(AtomicBool::new(true)), ..Self::default() };
        let failed = |error: std::io::Error| Error::internal("cannot listen to signals").because(error);
        // Handlers run in the order of registration. The exit handlers come first, so that they do not see
        // the flag that the same signal raises.
        register_conditional_shutdown(SIGINT, INTERRUPTED_STATUS, stop.saw_interrupt.clone())
            .and_then(|_| register(SIGINT, stop.saw_interrupt.clone()))
            .map_err(failed)?;
        for signal in [SIGINT, SIGTERM].into_iter().chain(unix_signals()) {
            register_conditional_shutdown(signal, INTERRUPTED_STATUS, stop.exits_at_once.clone())
                .and_then(|_| register(signal, stop.raised.clone()))
                .map_err(failed)?;
        }
        Ok(stop)
    }

    /// Runs work that has something to save: meanwhile signals only raise the flag. A second Ctrl-C, which a
    /// person presses, ends the process all the same; a job system that repeats a signal does not lose what
    /// is being saved.
    pub fn defer_signals<T>(&self, work: impl FnOnce() -> T) -> T {
        self.saw_interrupt.store(self.raised.load(Ordering::SeqCst), Ordering::SeqCst);
        self.exits_at_once.store(false, Ordering::SeqCst);
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

/// Signals of Unix that ask for the same as SIGTERM: Slurm and others send SIGUSR1 or SIGUSR2 some time
/// before a job ends. A process that was started with SIGHUP ignored, as by nohup, is to outlive its
/// terminal.
#[cfg(unix)]
fn unix_signals() -> Vec<i32> {
    use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2};
    let mut signals = vec![SIGUSR1, SIGUSR2];
    signals.extend((!is_ignored(SIGHUP)).then_some(SIGHUP));
    signals
}

#[cfg(not(unix))]
fn unix_signals() -> Vec<i32> {
    Vec::new()
}

#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all-zero bytes are a valid sigaction, and the call only fills it in.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
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
        assert!(!stop.defer_signals(exits_at_once), "a second SIGTERM does not end the process");
        let second = stop.defer_signals(|| stop.saw_interrupt.load(Ordering::SeqCst));
        assert!(second, "a Ctrl-C after a signal that came before does");
    }

    #[cfg(unix)]
    #[test]
    fn signals_of_job_systems_raise_the_flag_and_may_be_repeated() {
        use signal_hook::consts::{SIGHUP, SIGTERM, SIGUSR1, SIGUSR2};
        let stop = StopFlag::on_signals().unwrap();
        assert!(!is_ignored(SIGTERM));
        stop.defer_signals(|| {
            for signal in [SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGTERM] {
                if is_ignored(signal) {
                    continue;
                }
                stop.raised.store(false, Ordering::SeqCst);
                signal_hook::low_level::raise(signal).unwrap();
                assert!(stop.is_raised(), "signal {signal}");
            }
        });
    }
}
