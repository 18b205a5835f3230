//! The experiment file: what the user wrote ([`ExperimentSpec`]), and the trials that follow from it
//! ([`TrialSpec`]).
//!
//! The types in `format/` define the YAML format by their serde and schemars attributes. Their defaults are
//! the only defaults of the project. No code outside this folder checks a specification again.
//!
//! [`load()`] is the entry point. It reads the file and checks it against the generated schema (`document/`),
//! applies a profile and each `--set` (`layers`, `overrides`), expands the sweep (`sweep`, `expand`) and
//! checks that the values agree with each other (`check/`). All mistakes become one error that names the line
//! of each. Must never: touch a model, a device, the network or the clock.

mod check;
mod controls;
mod document;
mod expand;
mod format;
mod layers;
mod load;
mod overrides;
mod sweep;
mod sweep_point;
mod trial;

pub use crate::precision::Precision;
pub use controls::controls;
pub(crate) use document::schema::is_name;
pub use document::schema::schema;
pub use format::controls::{Control, ControlsSpec};
pub use format::data::{DataSpec, SentenceRule, TokenizerSpec};
pub use format::evaluate::{EvaluateSpec, TaskSource};
pub use format::evaluation::{distinct_evaluation_name, evaluation_file, evaluation_name, is_evaluation_of};
pub use format::expect::{Collapsed, ContrastSpec, ExpectSpec, GateSpec, PairSpec, Reference, UNTRAINED};
pub use format::finetune::{FinetuneSpec, HeadKind};
pub use format::glue_mean::GlueMean;
pub use format::init::InitSpec;
pub use format::measure_name::{MeasureName, PAIR_SCORERS};
pub use format::minimal_pairs::PairSetSpec;
pub use format::model::{EncoderShape, INITIALIZER_RANGE, ModelSize, ModelSpec, Sharing};
pub use format::objective::ObjectiveSpec;
pub use format::objective::choices::{
    Correction, GeneratorKind, MainTask, Masking, Normalise, SecondStage, Stage, StageSchedule, cropped,
};
pub use format::paper::PaperSpec;
pub use format::probe::ProbeSpec;
pub use format::published::PublishedSpec;
pub use format::recipe::{LayerDecayRule, Recipe, RecipeSize};
pub use format::recipe_differences::recipe_differences;
pub use format::squad::{SquadHead, SquadSpec};
pub use format::task_name::TaskName;
pub use format::top_level::{CostAxis, ExperimentSpec, ReportSpec};
pub use format::train::{Budget, OptimizerKind, TrainSpec};
pub use load::{Experiment, load};
pub use sweep_point::{SweepPoint, idle_values, matches_value, same_value, value_label, value_labels};
pub use trial::{Trial, TrialId, TrialSpec};
