//! A published checkpoint that takes the place of pre-training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An ELECTRA or BERT checkpoint in transformers' layout: it is evaluated, and nothing is pre-trained. `model`,
/// `objective`, `data` and `train` then say nothing (but for the built-in language's tasks, which are those of
/// `data`): shapes and tokenizer are the checkpoint's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedSpec {
    /// Folder with config.json, weights and tokenizer, or a hub repository `owner/name`.
    #[schemars(length(min = 1))]
    pub model: String,
    /// Branch, tag or commit of a hub repository; pin a commit for numbers that stay.
    #[serde(default = "default_revision")]
    pub revision: String,
}

fn default_revision() -> String {
    "main".into()
}
