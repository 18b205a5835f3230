//! What a user runs besides an experiment: benchmarks, checks, exports, scores and queries of a model.
//!
//! Must never: print (`cli` does).

pub mod bench;
pub mod doctor;
pub mod export;
mod find_trial;
pub mod probe;
pub mod score;
pub mod submission;
pub mod trace;

pub use doctor::{Examination, FolderState, examine};
pub use export::{ExportOptions, export};
pub use find_trial::find_trial;
pub use probe::{Fill, Probe, ProbeInput, ProbedMask, ProbedToken};
pub use score::{PairAccuracies, score_glue, score_minimal_pairs, score_squad};
pub use submission::{Submission, SubmissionOptions, submission};
pub use trace::{TraceOptions, trace_experiment};
