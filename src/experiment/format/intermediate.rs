//! Intermediate-task training: ELECTRA fine-tunes on MNLI before RTE, STS-B and MRPC (Appendix B).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::task_name::TaskName;

/// Fine-tuning of some tasks starts from the encoder that was fine-tuned on another task, with the same
/// fine-tuning seed and a new head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntermediateSpec {
    /// The task to fine-tune on first; it need not be in `evaluate.tasks`.
    pub task: TaskName,
    /// The tasks of `evaluate.tasks` that start from it.
    #[serde(rename = "for")]
    #[schemars(length(min = 1))]
    pub tasks: Vec<TaskName>,
}
