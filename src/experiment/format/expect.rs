//! The claim that an experiment tests, written down before it runs: what must hold before anything is
//! concluded (gates), and which differences decide (contrasts).
//!
//! Next: `report/gates.rs` and `report/contrast.rs` evaluate them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::paper::PaperSpec;

/// The claim under test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectSpec {
    /// The claim in words.
    pub shape: String,
    /// Values of the report's x axis among which the best mean is expected. Without `contrasts` the mean of
    /// these points minus the mean of the others is the one planned contrast.
    pub best_at: Vec<Value>,
    /// Where the claim comes from.
    pub source: String,
    /// The published numbers that the report compares with the measured ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paper: Option<PaperSpec>,
    /// What must hold before the experiment may conclude. If one does not, the verdict is open.
    pub gates: Vec<GateSpec>,
    /// The differences that decide; the first is the primary one.
    pub contrasts: Vec<ContrastSpec>,
}

/// One gate: a measure with one condition, or `collapsed: none` alone. It must hold at every point that has
/// the measure, or at those that `at` selects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GateSpec {
    /// What is measured, in the words of `report.y`.
    pub measure: String,
    /// Swept paths and values of the points; a list of values means any of them, `{}` all points.
    pub at: Map<String, Value>,
    /// Holds if the measure is above this by its 95 % interval (Student's t over the seeds; seed by seed for
    /// `untrained`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<Reference>,
    /// Holds if the measure is below this by its 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<Reference>,
    /// Holds if the mean over the seeds is at least this, in the unit of the report's table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Holds if the mean over the seeds is at most this, in the unit of the report's table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// `none`: no fine-tuning run predicts one class only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapsed: Option<Collapsed>,
}

/// What a gate compares a measure with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The same encoder at its initial values, with the same seeds.
    Untrained,
    /// Always answering the majority class.
    Majority,
    /// Guessing.
    Chance,
    /// A bag of words.
    BagOfWords,
    /// Word frequencies of the training text.
    Unigram,
    /// A trigram model of the training text.
    Trigram,
    /// The best possible value.
    Ceiling,
}

impl Reference {
    /// The words for tables and the name of the baseline in the records.
    pub fn label(self) -> &'static str {
        match self {
            Self::Untrained => "untrained",
            Self::Majority => "majority class",
            Self::Chance => "chance",
            Self::BagOfWords => "bag of words",
            Self::Unigram => "unigram",
            Self::Trigram => "trigram",
            Self::Ceiling => "ceiling",
        }
    }

    /// Whether the control trial with models of word counts measures it.
    pub fn is_text_model(self) -> bool {
        matches!(self, Self::BagOfWords | Self::Unigram | Self::Trigram | Self::Ceiling)
    }
}

/// How many fine-tuning runs may predict one class only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Collapsed {
    /// None.
    None,
}

/// One planned difference between points of the sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContrastSpec {
    /// The claim in a few words: `RTD above MLM`.
    pub name: String,
    /// What is measured, in the words of `report.y`; the default is `report.y` itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// The points that the claim says are better: swept paths and values; a list of values means any of them.
    /// Several points are averaged within a seed.
    pub better: Map<String, Value>,
    /// The points that they are better than, in the same form; or `untrained`, the points of `better` before
    /// training.
    pub than: Value,
    /// A second pair: the claim is that the first difference is larger than this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_more_than: Option<PairSpec>,
    /// The smallest difference that matters, in the unit of the report's table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smallest_effect: Option<f64>,
}

/// Two sides of a difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairSpec {
    /// The points of the first side, as in a contrast.
    pub better: Map<String, Value>,
    /// The points of the second side, or `untrained`.
    pub than: Value,
}

/// The value of `than` that names the encoders of `better` before training.
pub const UNTRAINED: &str = "untrained";
