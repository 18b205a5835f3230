//! A published checkpoint that a trial evaluates instead of pre-training, or that its pre-training starts
//! from.

use std::path::PathBuf;

use crate::checkpoint::Published;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{EvaluateSpec, PublishedSpec};
use crate::hub::{DataEnv, LOCAL, model_folder};
use crate::model::EncoderNetwork;
use crate::records::{DataProvenance, WeightsProvenance};
use crate::tasks::open_published;
use crate::text::Tokenizer;

/// A checkpoint that was found and checked. Its weights stay on disk: a sweep may evaluate many models.
#[derive(Debug)]
pub struct PublishedModel {
    /// Parameters of the encoder.
    pub n_parameters: u64,
    /// The encoder.
    pub network: EncoderNetwork,
    /// Its files.
    pub folder: PathBuf,
    spec: PublishedSpec,
    tokenizer: Option<Tokenizer>,
    revision: String,
}

impl PublishedModel {
    /// Finds the checkpoint, reads it and drops its weights.
    ///
    /// # Errors
    /// Those of [`model_folder`] and [`open_published`].
    pub fn open(spec: &PublishedSpec, env: &DataEnv) -> Result<Self> {
        let found = model_folder(&spec.model, &spec.revision, env)?;
        let (published, tokenizer) = open_published(&found.path)?;
        Ok(Self {
            n_parameters: published.n_encoder_parameters(),
            network: published.config.network,
            folder: found.path,
            spec: spec.clone(),
            tokenizer,
            revision: found.revision,
        })
    }

    /// Where the experiment file says that it is.
    pub fn spec(&self) -> &PublishedSpec {
        &self.spec
    }

    /// Whether it is a folder, not a hub repository.
    pub fn is_local(&self) -> bool {
        self.revision == LOCAL
    }

    /// The tokenizer beside the weights, which a checkpoint may lack.
    pub fn own_tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_ref()
    }

    /// The tokenizer beside the weights.
    ///
    /// # Errors
    /// There is none.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        self.own_tokenizer().ok_or_else(|| {
            let what = format!("{} has no tokenizer: no tokenizer.json, no vocab.txt", self.spec.model);
            let hint =
                "save the tokenizer beside the model: AutoTokenizer.from_pretrained(…).save_pretrained(…)";
            Error::new(ErrorKind::Data, what, hint)
        })
    }

    /// Errors where the table of positions is too short for the inputs of `evaluate`.
    pub fn check_positions(&self, evaluate: &EvaluateSpec) -> Result<()> {
        let positions = self.network.shape.positions;
        match evaluate.longest_input() {
            Some((longest, path)) if longest > positions => {
                let name = &self.spec.model;
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
            source: format!("published checkpoint {}", self.spec.model),
            revision: self.revision.clone(),
            corpus_hash: published.weights_hash()?,
            tokenizer_hash: self.tokenizer()?.hash().to_string(),
            vocab_size: published.config.network.vocab,
            n_examples: 0,
            n_tokens: 0,
            synthetic: false,
            kept_share: None,
            text_hash: None,
        })
    }

    /// The origin of weights that pre-training starts from; `loaded` names the parts.
    pub fn weights(&self, published: &Published, loaded: Vec<String>) -> Result<WeightsProvenance> {
        Ok(WeightsProvenance {
            source: self.spec.model.clone(),
            revision: self.revision.clone(),
            weights_hash: published.weights_hash()?,
            loaded,
        })
    }
}
