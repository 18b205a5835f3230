//! The error type of the library: what went wrong, where, and the remedy.
//!
//! Every error has a kind (which determines the exit code), a message that names the file, the place and the
//! value, and a remedy. [`Error::because`] adds the first line of a library's error, without its stack trace.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The kind of an error; `cli::exit` maps each to a documented exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The experiment file or an override is wrong.
    Spec,
    /// Data is missing, unreadable or has the wrong content.
    Data,
    /// The network or the hub failed, or was needed while offline.
    Network,
    /// A file or folder cannot be read or written.
    Storage,
    /// A device is missing or out of memory.
    Device,
    /// Training failed, for example with a loss that is not finite.
    Training,
    /// A person stopped the program.
    Interrupted,
    /// Another process has locked what this one needs.
    Busy,
    /// A bug in electra-lab.
    Internal,
}

/// An error with a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind.
    pub kind: ErrorKind,
    /// What is wrong, with file, place and value; one paragraph.
    pub message: String,
    /// The remedy; may be empty only for `Internal` and `Interrupted`.
    pub hint: String,
}

/// A result with this error.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with its remedy.
    pub fn new(kind: ErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }

    /// An error that no input should be able to cause.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message, "this is a bug in electra-lab: please report it")
    }

    /// Appends the first line of a library's error.
    pub fn because(mut self, error: impl fmt::Display) -> Self {
        let text = error.to_string();
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
        self.message = format!("{}: {line}", self.message);
        self
    }

    /// The error of a file or folder that cannot be read or written.
    pub fn storage(path: &std::path::Path, doing: &str, error: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Storage,
            format!("cannot {doing} {}", path.display()),
            "check the path, its permissions and the free space",
        )
        .because(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\nhint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// How many calls of [`catch_panic`] run.
static N_CATCHING: AtomicUsize = AtomicUsize::new(0);

/// Runs a library on a file and gives None where it panics, as some do on damaged files.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Option<T> {
    N_CATCHING.fetch_add(1, Relaxed);
    let done = catch_unwind(AssertUnwindSafe(work));
    N_CATCHING.fetch_sub(1, Relaxed);
    done.ok()
}

/// Whether a panic in a library's file becomes an error: then no user should read of a bug in electra-lab.
pub fn is_expected_panic(file: &str) -> bool {
    N_CATCHING.load(Relaxed) > 0 && ["polars", "tokenizers"].iter().any(|library| file.contains(library))
}

/// candle's errors are bugs, except lack of memory: inputs are checked before they reach candle.
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string().to_lowercase();
        if text.contains("out of memory") || text.contains("out_of_memory") {
            let hint = "pre-training resumes from its checkpoint with --set train.micro_batch=N, smaller than train.batch (the \
                        same numbers except for rounding); fine-tuning needs a smaller evaluate.finetune.batch";
            return Self::new(ErrorKind::Device, "the device is out of memory", hint);
        }
        Self::internal("a tensor operation failed").because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lack_of_device_memory_has_a_remedy() {
        for text in ["CUDA_ERROR_OUT_OF_MEMORY", "cudaErrorMemoryAllocation: out of memory"] {
            let error = Error::from(candle_core::Error::Msg(format!("DriverError({text})")));
            assert_eq!(
                (error.kind, error.message.as_str()),
                (ErrorKind::Device, "the device is out of memory")
            );
            assert!(error.hint.contains("--set train.micro_batch=N"), "{error}");
        }
        assert_eq!(Error::from(candle_core::Error::Msg("shapes".into())).kind, ErrorKind::Internal);
    }

    #[test]
    fn the_stack_trace_of_a_library_is_dropped() {
        let error = Error::internal("broken").because("first line\n   0: candle::frame\n   1: more");
        assert_eq!(error.message, "broken: first line");
    }
}
