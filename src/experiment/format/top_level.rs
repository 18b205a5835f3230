//! The top level of an experiment file. One YAML file asks one question.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::data::DataSpec;
use super::evaluate::EvaluateSpec;
use super::expect::ExpectSpec;
use super::init::InitSpec;
use super::model::ModelSpec;
use super::objective::ObjectiveSpec;
use super::published::PublishedSpec;
use super::train::TrainSpec;

/// One experiment: a base configuration, what is varied, and how the answer is shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// Folder name under results/ and reports/: lower-case letters, digits, `_` and `-`.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,63}$"))]
    pub name: String,
    /// The question, in a sentence.
    pub about: String,
    /// The result that the paper leads one to expect.
    #[serde(default)]
    pub expect: ExpectSpec,
    /// The configuration that every trial starts from.
    #[serde(default)]
    pub base: BaseSpec,
    /// What is varied: dotted path → list of values. The grid of all lists is run. Paths joined by commas
    /// vary together: each of their values is a list with one entry per path.
    #[serde(default)]
    pub sweep: Map<String, Value>,
    /// Pre-training seeds; every point of the sweep is run with each.
    #[serde(default = "default_seeds")]
    #[schemars(length(min = 1))]
    pub seeds: Vec<u64>,
    /// Downstream tasks and their fine-tuning.
    #[serde(default)]
    pub evaluate: EvaluateSpec,
    /// Axes of the report.
    #[serde(default)]
    pub report: ReportSpec,
    /// Named sets of changes for other scales and data; the first is the default.
    #[serde(default)]
    pub profiles: Map<String, Value>,
}

fn default_seeds() -> Vec<u64> {
    vec![1]
}

/// What a profile may change; it merges mappings key by key and replaces everything else.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileSpec {
    /// The purpose of this profile.
    pub about: Option<String>,
    /// Merged into `expect`; a list replaces the list.
    pub expect: Option<ExpectSpec>,
    /// Merged into `base`.
    pub base: Option<BaseSpec>,
    /// Replaces `sweep`.
    pub sweep: Option<Map<String, Value>>,
    /// Replaces `seeds`.
    pub seeds: Option<Vec<u64>>,
    /// Merged into `evaluate`.
    pub evaluate: Option<EvaluateSpec>,
    /// Merged into `report`.
    pub report: Option<ReportSpec>,
}

/// The configuration that every trial starts from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BaseSpec {
    /// Generator and discriminator.
    pub model: ModelSpec,
    /// Pre-training objective.
    pub objective: ObjectiveSpec,
    /// Pre-training text and tokenizer.
    pub data: DataSpec,
    /// Pre-training steps, batch, optimizer and schedule.
    pub train: TrainSpec,
    /// A published checkpoint to evaluate in place of pre-training. Shapes and tokenizer are the
    /// checkpoint's; `model`, `objective`, `data` and `train` have no effect (except that tasks of the
    /// built-in language are those of `data`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedSpec>,
    /// Published checkpoints whose weights pre-training starts from.
    #[serde(skip_serializing_if = "InitSpec::is_empty")]
    pub init: InitSpec,
}

/// Axes of the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportSpec {
    /// Dotted path of the swept value on the x axis; if empty, the first of the sweep. `flops` and
    /// `flops_paper` are the pre-training FLOPs by either counter, on a logarithmic axis.
    pub x: String,
    /// Measure on the y axis: `glue.mean` (the mean over the evaluated tasks), a task, `pairs.SET.SCORER`,
    /// `probe.TASK`, or `held_out.NAME` (a value on held-out text: `masked_loss`, `disc_auc`, …).
    pub y: String,
    /// Dotted path of a second swept value, with one line per value; if empty, there is one line.
    pub series: String,
    /// Whether the x axis is logarithmic.
    pub log_x: bool,
}

/// What `report.x` may name apart from swept paths: the cost of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostAxis {
    /// FLOPs by the exact counter.
    Flops,
    /// FLOPs by the paper's counter.
    FlopsPaper,
}

impl ReportSpec {
    /// The cost on the x axis, if `x` names one.
    pub fn cost_axis(&self) -> Option<CostAxis> {
        match self.x.as_str() {
            "flops" => Some(CostAxis::Flops),
            "flops_paper" => Some(CostAxis::FlopsPaper),
            _ => None,
        }
    }
}

impl Default for ReportSpec {
    fn default() -> Self {
        Self { x: String::new(), y: "glue.mean".into(), series: String::new(), log_x: false }
    }
}
