//! What the user wrote ([`ExperimentSpec`]) and what it means (a list of [`TrialSpec`]).
//!
//! The types in `format/` are the YAML format: their serde and schemars attributes are its definition, their defaults
//! are the only defaults of the project. Nothing outside this folder checks a specification again.
//!
//! [`load`] is the way in. It reads the file and checks it against the generated schema (`document/`), lays a profile and
//! `--set`s over it (`layers`, `overrides`), expands the sweep (`sweep`, `expand`) and checks what must agree (`check/`).
//! Mistakes become one error that names the line of each.
//! Must never: touch a model, a device, the network or the clock.

pub mod check;
pub mod document;
pub mod expand;
pub mod format;
pub mod layers;
pub mod load;
pub mod overrides;
pub mod sweep;
pub mod trial;

pub use document::schema::schema;
pub use format::data::{DataSpec, TokenizerSpec};
pub use format::evaluate::{EvaluateSpec, FinetuneSpec, HeadKind, LayerDecayRule, TaskName, TaskSource};
pub use format::evaluation::{evaluation_file, evaluation_name};
pub use format::glue_mean::GlueMean;
pub use format::model::{EncoderShape, INITIALIZER_RANGE, ModelSize, ModelSpec, Sharing};
pub use format::objective::ObjectiveSpec;
pub use format::objective::words::{
    Correction, GeneratorKind, MainTask, Masking, Stage, StageSchedule, cropped,
};
pub use format::paper::PaperSpec;
pub use format::published::PublishedSpec;
pub use format::squad::{SquadHead, SquadSpec};
pub use format::top_level::{CostAxis, ExpectSpec, ExperimentSpec, ReportSpec};
pub use format::train::{Budget, OptimizerKind, Precision, TrainSpec};
pub use load::{Experiment, load};
pub use trial::{Trial, TrialId, TrialSpec};
