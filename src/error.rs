//! The error type of the library: what went wrong, where, and the remedy.
//!
//! Every error has a kind (which determines the exit code), a message that names the file, the place and the
//! value, and a remedy. [`Error::because`] adds the first line of a library's error, without its stack trace.

use std::cell::Cell;
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

thread_local! {
    static PANIC_IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// How many calls of [`catching_panics`] run.
static N_CATCHING: AtomicUsize = AtomicUsize::new(0);

/// Runs a library on a file. None if it panics, as some do at damaged files; nothing is printed then.
pub fn catching_panics<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = PANIC_IS_EXPECTED.replace(true);
    N_CATCHING.fetch_add(1, Relaxed);
    let result = catch_unwind(AssertUnwindSafe(work)).ok();
    N_CATCHING.fetch_sub(1, Relaxed);
    PANIC_IS_EXPECTED.set(before);
    result
}

/// Whether a panic in a library's source file becomes an error, so that no user should read of a bug: one on
/// the thread of [`catching_panics`], or one on a thread that polars reads with meanwhile.
pub fn is_expected_panic(file: &str) -> bool {
    // Our own files have paths below the package.
    PANIC_IS_EXPECTED.get() && !file.starts_with("src/")
        || N_CATCHING.load(Relaxed) > 0 && file.contains("polars")
}

/// Whether the message of a panic says that the system refused a thread: libraries panic then.
pub fn is_lack_of_threads(message: &str) -> bool {
    ["spawn thread", "thread pool has not been initialized", "Resource temporarily unavailable"]
        .iter()
        .any(|words| message.contains(words))
}

/// The error where the system refused a thread.
pub fn lack_of_threads() -> Error {
    Error::new(ErrorKind::Device, "the system has no room for another thread", LACK_OF_THREADS_HINT)
}

const LACK_OF_THREADS_HINT: &str =
    "pass a smaller --threads or --jobs, end other programs, or raise the limits `ulimit -u` and `ulimit -v`";

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
    fn panics_of_libraries_without_threads_are_known() {
        for message in [
            "could not spawn threads: ThreadPoolBuildError { kind: IOError(Os { code: 11 }) }",
            "failed to spawn thread: Os { code: 11, kind: WouldBlock }",
            "The global thread pool has not been initialized.: ThreadPoolBuildError",
        ] {
            assert!(is_lack_of_threads(message), "{message}");
        }
        assert!(!is_lack_of_threads("index out of bounds"));
        assert_eq!(lack_of_threads().kind, ErrorKind::Device);
    }

    #[test]
    fn a_panic_of_a_library_is_caught_and_expected() {
        assert_eq!(catching_panics(|| is_expected_panic("/a.rs")), Some(true));
        assert_eq!(catching_panics(|| -> bool { panic!("this test panics on purpose") }), None);
        assert!(!is_expected_panic("/a.rs"));
    }

    #[test]
    fn the_stack_trace_of_a_library_is_dropped() {
        let error = Error::internal("broken").because("first line\n   0: candle::frame\n   1: more");
        assert_eq!(error.message, "broken: first line");
    }
}
