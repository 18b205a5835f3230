//! A published checkpoint that a trial evaluates instead of pre-training.

use std::path::PathBuf;

use crate::checkpoint::Published;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{EvaluateSpec, PublishedSpec};
use crate::hub::{DataEnv, model_folder};
use crate::records::DataProvenance;
use crate::tasks::open_published;
use crate::text::Tokenizer;

/// A checkpoint that was found and checked. Its weights stay on disk: a sweep may evaluate many models.
#[derive(Debug)]
pub struct PublishedModel {
    /// The tokenizer beside the weights.
    pub tokenizer: Tokenizer,
    /// Parameters of the encoder.
    pub n_parameters: u64,
    name: String,
    revision: String,
    folder: PathBuf,
    positions: usize,
}

impl PublishedModel {
    /// Finds the checkpoint, reads it and drops its weights.
    ///
    /// # Errors
    /// Those of [`model_folder`] and [`open_published`]; there is no tokenizer.
    pub fn open(spec: &PublishedSpec, env: &DataEnv) -> Result<Self> {
        let found = model_folder(&spec.model, &spec.revision, env)?;
        let (published, tokenizer) = open_published(&found.path)?;
        let Some(tokenizer) = tokenizer else {
            let what = format!("{} has no tokenizer: no tokenizer.json, no vocab.txt", spec.model);
            let hint =
                "save the tokenizer beside the model: AutoTokenizer.from_pretrained(…).save_pretrained(…)";
            return Err(Error::new(ErrorKind::Data, what, hint));
        };
        Ok(Self {
            tokenizer,
            n_parameters: published.n_encoder_parameters(),
            name: spec.model.clone(),
            revision: found.revision,
            folder: found.path,
            positions: published.config.network.shape.positions,
        })
    }

    /// Errors where the table of positions is too short for the inputs of `evaluate`.
    pub fn check_positions(&self, evaluate: &EvaluateSpec) -> Result<()> {
        match evaluate.longest_input() {
            Some((longest, path)) if longest > self.positions => {
                let (name, positions) = (&self.name, self.positions);
                let what = format!("{name} has {positions} positions, fewer than {path} ({longest})");
                Err(Error::new(ErrorKind::Data, what, format!("lower {path}")))
            }
            _ => Ok(()),
        }
    }

    /// Reads configuration and weights.
    pub fn read(&self) -> Result<Published> {
        Published::open(&self.folder)
    }

    /// The data of a trial without pre-training: name, revision and a hash of the weights that were read.
    pub fn provenance(&self, published: &Published) -> Result<DataProvenance> {
        Ok(DataProvenance {
            source: format!("published checkpoint {}", self.name),
            revision: self.revision.clone(),
            corpus_hash: published.weights_hash()?,
            tokenizer_hash: self.tokenizer.hash().to_string(),
            vocab_size: published.config.network.vocab,
            n_examples: 0,
            n_tokens: 0,
            synthetic: false,
            kept_share: None,
        })
    }
}
