//! Which published table an experiment is compared with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which published table an experiment stands beside, and which of its rows each point is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaperSpec {
    /// Table of the published numbers: `table1` to `table5`, `figure3_left` and the like.
    pub table: String,
    /// Row of the table → the swept paths and values of its points, such as `BERT: { objective.kind: mlm }`; `{}` are
    /// all points. What is swept beside these paths makes a comparison each of its values.
    pub rows: Map<String, Value>,
}
