//! A published checkpoint that takes the place of pre-training: found, read, checked and described.

use crate::checkpoint::read::Published;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{EvaluateSpec, PublishedSpec};
use crate::hub::{DataEnv, model_folder};
use crate::records::DataProvenance;
use crate::tasks::open_published;
use crate::text::Tokenizer;

/// A checkpoint with its tokenizer.
pub struct OpenedModel {
    /// Configuration and weights.
    pub published: Published,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    model: String,
    revision: String,
}

impl OpenedModel {
    /// Opens the checkpoint that `spec` names, for the inputs of `evaluate`.
    ///
    /// Errors: what `model_folder` and `Published::open` refuse, no tokenizer, one that does not belong to the
    /// weights, a position table that is too short.
    pub fn open(spec: &PublishedSpec, evaluate: &EvaluateSpec, env: &DataEnv) -> Result<Self> {
        let folder = model_folder(&spec.model, &spec.revision, env)?;
        let (published, tokenizer) = open_published(&folder.path)?;
        let refused = |what: String, hint: &str| {
            Err(Error::new(ErrorKind::Data, format!("{} {what}", spec.model), hint))
        };
        let Some(tokenizer) = tokenizer else {
            let hint =
                "save the tokenizer beside the model: AutoTokenizer.from_pretrained(…).save_pretrained(…)";
            return refused("has no tokenizer: no tokenizer.json, no vocab.txt".into(), hint);
        };
        let positions = published.config.network.shape.positions;
        if let Some((longest, path)) = evaluate.longest_input()
            && longest > positions
        {
            let what = format!("has {positions} positions, fewer than {path} ({longest})");
            return refused(what, &format!("lower {path}"));
        }
        Ok(Self { published, tokenizer, model: spec.model.clone(), revision: folder.revision })
    }

    /// Where the encoder is from: in place of a text, its name, revision and a hash of its weights.
    pub fn provenance(&self) -> Result<DataProvenance> {
        Ok(DataProvenance {
            source: format!("published checkpoint {}", self.model),
            revision: self.revision.clone(),
            corpus_hash: self.published.weights_hash()?,
            tokenizer_hash: self.tokenizer.hash().to_string(),
            vocab_size: self.published.config.network.vocab,
            n_examples: 0,
            n_tokens: 0,
            synthetic: false,
        })
    }
}
