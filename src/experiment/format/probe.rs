//! The frozen probe: a linear classifier on features of an encoder that is not trained further.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::task_name::TaskName;

/// A frozen probe: logistic regression with an L2 penalty on features of the frozen encoder (the mean of the
/// last layer beside its `[CLS]`; the report also has every layer and either alone). Shows what the encoder
/// knows rather than what fine-tuning teaches it. Deterministic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeSpec {
    /// Classification tasks, with the examples of `evaluate.source`.
    pub tasks: Vec<TaskName>,
    /// Uses at most this many training examples per task, the first ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_train_examples: Option<usize>,
    /// Weight of the L2 penalty on standardised features, as scikit-learn's 1 / C: the sum of the examples'
    /// losses plus `penalty` / 2 times the squared norm of the weights.
    #[schemars(range(min = 1e-9, max = 1e9))]
    pub penalty: f64,
}

impl ProbeSpec {
    /// Whether nothing is probed; then the section is not written.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl Default for ProbeSpec {
    fn default() -> Self {
        Self { tasks: Vec::new(), max_train_examples: None, penalty: 1.0 }
    }
}
