//! Everything that a user runs beside an experiment: benchmarks, checks, exports and questions to a model.

pub mod bench;
pub mod doctor;
pub mod export;
pub mod probe;
pub mod score;
pub mod submission;
pub mod trace;

pub use doctor::{Examination, FolderState, examine};
pub use export::{ExportOptions, export};
pub use probe::{Fill, Probe, ProbeInput, ProbedMask, ProbedToken};
pub use score::{score_glue, score_squad};
pub use submission::{Submission, SubmissionOptions, submission};
pub use trace::{TraceOptions, trace_experiment};
