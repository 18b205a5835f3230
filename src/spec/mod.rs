//! What the user wrote ([`ExperimentSpec`]) and what it means (a list of [`TrialSpec`]).
//!
//! The types here are the YAML format: their serde and schemars attributes are its definition, their defaults
//! are the only defaults of the project. Nothing outside this folder checks a specification again.
//!
//! [`load`] is the way in. It reads the file (`source`, `yaml`), lays a profile and `--set`s over it (`layers`,
//! `overrides`), checks the document against the generated schema (`schema`, `validate`), expands the sweep
//! (`sweep`, `expand`) and checks what must agree (`check_trial`, `check_experiment`). Mistakes become one
//! fault (`problem`) that names the line of each (`locate`).
//! Must never: touch a model, a device, the network or the clock.

mod check_evaluate;
mod check_experiment;
mod check_squad;
mod check_trial;
mod data;
mod evaluate;
mod evaluation;
mod expand;
mod experiment;
mod glue_mean;
mod intermediate;
mod layers;
mod load;
mod locate;
mod model;
mod objective;
mod overrides;
mod paper;
mod problem;
mod published;
mod recipe;
mod schema;
mod source;
mod squad;
mod suggest;
mod sweep;
mod train;
mod trial;
mod validate;
mod value_path;
mod value_type;
mod yaml;

pub use data::{DataSpec, TokenizerSpec};
pub use evaluate::{EvaluateSpec, FinetuneSpec, HeadKind, LayerDecayRule, TaskName, TaskSource};
pub use evaluation::{evaluation_file, evaluation_name};
pub use expand::MAX_TRIALS;
pub use experiment::{BaseSpec, CostAxis, ExpectSpec, ExperimentSpec, ProfileSpec, ReportSpec};
pub use glue_mean::{GlueMean, MeanScore};
pub use intermediate::IntermediateSpec;
pub use load::{DEFAULT_PROFILE, Experiment, load};
pub use model::{EncoderShape, INITIALIZER_RANGE, ModelSize, ModelSpec, Sharing};
pub use objective::{
    Correction, GeneratorKind, MainTask, Masking, ObjectiveSpec, Stage, StageSchedule, cropped,
};
pub use paper::{MeanOver, PaperNumbers, PaperRow, PaperSpec, PaperTable, PublishedSplit, Seen};
pub use published::PublishedSpec;
pub use recipe::{Recipe, RecipeSize};
pub use schema::schema;
pub use squad::{SquadHead, SquadSpec};
pub use train::{Budget, OptimizerKind, Precision, TrainSpec};
pub use trial::{Trial, TrialId, TrialSpec, plain};
