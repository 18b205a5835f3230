//! The one error type: what happened, where, and what to do about it.
//!
//! Every error carries a kind (which decides the exit code), a message that names the file, the place and the
//! value, and a remedy. Errors of libraries enter through [`Error::because`], which keeps their first line and
//! drops back-traces.

use std::fmt;

/// What sort of thing went wrong; `cli::exit` maps each to a documented exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The experiment file or an override is wrong.
    Spec,
    /// Data is missing, unreadable or not what it should be.
    Data,
    /// The network or the hub refused, or it is needed and the run is offline.
    Network,
    /// A folder or file of ours cannot be read or written.
    Storage,
    /// A device is missing or out of memory.
    Device,
    /// Training went wrong (a loss that is not finite, say).
    Training,
    /// A person asked to stop.
    Interrupted,
    /// Another process holds what this one needs.
    Busy,
    /// A bug of ours.
    Internal,
}

/// An error with a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What sort.
    pub kind: ErrorKind,
    /// What happened, naming file, place and value; one paragraph.
    pub message: String,
    /// What to do; may be empty only for `Internal` and `Interrupted`.
    pub hint: String,
}

/// Shorthand used all over the library.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with its remedy.
    pub fn new(kind: ErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }

    /// An error of ours that no input should be able to cause.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message, "this is a bug in electra-lab: please report it")
    }

    /// Appends the first line of a library's error, without its back-trace.
    pub fn because(mut self, error: impl fmt::Display) -> Self {
        let text = error.to_string();
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
        self.message = format!("{}: {line}", self.message);
        self
    }

    /// A file or folder of ours that could not be read or written.
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

/// candle's errors reach a person only if the code is wrong: what can be wrong with an input is checked before.
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string().to_lowercase();
        if text.contains("out of memory") || text.contains("out_of_memory") {
            let hint = "pre-training goes on from its checkpoint with --set train.micro_batch=N, a part of train.batch (the same \
                        numbers but for rounding); fine-tuning needs a smaller evaluate.finetune.batch";
            return Self::new(ErrorKind::Device, "the device is out of memory", hint);
        }
        Self::internal("a tensor operation failed").because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_lacks_is_told_with_a_remedy() {
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
    fn a_librarys_back_trace_never_shows() {
        let error = Error::internal("broken").because("first line\n   0: candle::frame\n   1: more");
        assert_eq!(error.message, "broken: first line");
    }
}
