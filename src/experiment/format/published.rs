//! A published checkpoint: one to evaluate in place of pre-training, or one that pre-training starts from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An ELECTRA or BERT checkpoint in transformers' layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedSpec {
    /// Folder with config.json, weights and tokenizer, or a hub repository `owner/name`.
    #[schemars(length(min = 1))]
    pub model: String,
    /// Branch, tag or commit of a hub repository; a commit makes the numbers reproducible.
    #[serde(default = "default_revision")]
    pub revision: String,
}

fn default_revision() -> String {
    "main".into()
}
