//! What the user wrote ([`ExperimentSpec`]) and what it means (a list of [`TrialSpec`]).
//!
//! The types here are the YAML format: their serde and schemars attributes are its definition, their defaults
//! are the only defaults of the project. Nothing outside this folder checks a specification again.
//! Must never: touch a model, a device, the network or the clock.

mod data;
mod evaluate;
mod experiment;
mod load;
mod model;
mod objective;
mod train;
mod trial;

pub use data::{DataSpec, TokenizerSpec};
pub use evaluate::{EvaluateSpec, FinetuneSpec, TaskName, TaskSource};
pub use experiment::{BaseSpec, ExpectSpec, ExperimentSpec, ProfileSpec, ReportSpec};
pub use load::{Experiment, load, schema};
pub use model::{EncoderShape, ModelSize, ModelSpec, Sharing};
pub use objective::ObjectiveSpec;
pub use train::{Budget, OptimizerKind, TrainSpec};
pub use trial::{Trial, TrialId, TrialSpec};
