//! The published table that an experiment is compared with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The published table to compare with, and the row for each point of the sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaperSpec {
    /// Table of the published numbers: `table1` to `table5`, `figure3_left` and the like.
    pub table: String,
    /// Row of the table → the swept paths and values of its points, such as `BERT: { objective.kind: mlm }`;
    /// `{}` means all points. Every value of another swept path gives a comparison of its own.
    pub rows: Map<String, Value>,
}
