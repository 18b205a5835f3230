//! Writes a network in Hugging Face's layout: config.json and model.safetensors.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use serde_json::json;

use super::config::{Config, Family};
use super::names::{published_names, split};
use crate::disk::{create_folder, write_whole};
use crate::error::{Error, Result};
use crate::formats::tensor_file::TensorFile;

/// The class of a network in transformers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// ElectraForPreTraining.
    Discriminator,
    /// ElectraForMaskedLM.
    MaskedLm,
    /// ElectraForTokenClassification: the paper's head for a task. The answer is the output at `[CLS]`.
    TokenClassifier,
    /// ElectraForSequenceClassification: transformers' head for a task.
    SequenceClassifier,
}

impl Role {
    /// Name of the class.
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Discriminator => "ElectraForPreTraining",
            Self::MaskedLm => "ElectraForMaskedLM",
            Self::TokenClassifier => "ElectraForTokenClassification",
            Self::SequenceClassifier => "ElectraForSequenceClassification",
        }
    }
}

/// Writes config.json and model.safetensors into `folder`.
///
/// `parameters` have the names that a network of this role has alone (`embeddings.*`, `encoder.*` and its
/// head). `labels` are the names of a classifier's outputs.
pub fn write(
    folder: &Path,
    config: Config,
    role: Role,
    labels: &[String],
    parameters: &[(String, Tensor)],
) -> Result<()> {
    create_folder(folder)?;
    let mut file = TensorFile::default();
    for (name, tensor) in parameters {
        let names = published_names(name, Family::Electra, "electra.")
            .ok_or_else(|| Error::internal(format!("`{name}` has no published name")))?;
        for (name, part) in names.into_iter().zip(split(name, tensor)?) {
            file.add(name, &part)?;
        }
    }
    // transformers refuses a file whose metadata does not name the framework.
    write_whole(&folder.join("model.safetensors"), &file.into_bytes("format", "pt".into())?)?;
    let mut config = config.to_json(role.architecture());
    if !labels.is_empty() {
        let ids: BTreeMap<String, &String> = (0..).map(|id: usize| id.to_string()).zip(labels).collect();
        let names: BTreeMap<&String, usize> = labels.iter().zip(0..).collect();
        config["id2label"] = json!(ids);
        config["label2id"] = json!(names);
    }
    let text = serde_json::to_string_pretty(&config)
        .map_err(|error| Error::internal("cannot write a configuration as JSON").because(error))?;
    write_whole(&folder.join("config.json"), format!("{text}\n").as_bytes())
}
