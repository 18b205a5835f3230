//! A published checkpoint to evaluate in place of pre-training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An ELECTRA or BERT checkpoint in transformers' layout, evaluated in place of pre-training. Shapes and
/// tokenizer are the checkpoint's; `model`, `objective`, `data` and `train` have no effect (except that tasks
/// of the built-in language are those of `data`).
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
