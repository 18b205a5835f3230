//! Controls: what stands beside every score so that a reader sees what pre-training adds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which controls an experiment has; all by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ControlsSpec {
    /// The encoder at its initial values, evaluated like the trained ones with the same seeds.
    pub untrained: bool,
    /// Models of word counts: a bag of words for the classification tasks; unigrams and trigrams of the
    /// training text for minimal pairs and for the losses on held-out text.
    pub text_models: bool,
}

impl Default for ControlsSpec {
    fn default() -> Self {
        Self { untrained: true, text_models: true }
    }
}

/// What a control trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// The encoder at its initial values.
    Untrained,
    /// Models of word counts.
    TextModels,
}

impl Control {
    /// The words for tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Untrained => "untrained",
            Self::TextModels => "text models",
        }
    }
}
