//! Queries a published model about a text: the probability that each token was replaced, or the tokens that
//! fit at each `[MASK]`.

use std::path::PathBuf;

use candle_core::{Device, Tensor};
use serde::Serialize;

use crate::checkpoint::Published;
use crate::error::{Error, ErrorKind, Result};
use crate::hub::{DataEnv, model_folder};
use crate::nn::{Mode, Tokens};
use crate::objective::tokens;
use crate::tasks::open_published;
use crate::text::{Batch, Tokenizer};

/// Folder of the generator beside an exported discriminator.
pub const GENERATOR_FOLDER: &str = "generator";

/// What the model reads.
#[derive(Clone, Debug)]
pub enum ProbeInput {
    /// A text, framed by `[CLS]` and `[SEP]`; `[MASK]` in it is the token.
    Text {
        /// First segment.
        text: String,
        /// Second segment.
        pair: Option<String>,
    },
    /// Token ids, exactly as given, all of the first segment.
    Ids(Vec<u32>),
}

/// A token with the discriminator's output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbedToken {
    /// Its id.
    pub id: u32,
    /// Its text; absent where the model has no tokenizer.
    pub token: Option<String>,
    /// The discriminator's logit; positive means replaced.
    pub logit: f32,
    /// The probability that it was replaced: the logit's sigmoid.
    pub replaced: f64,
}

/// A `[MASK]` with the generator's most probable tokens.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbedMask {
    /// Its position among the tokens; `[CLS]` is 0.
    pub position: usize,
    /// Most probable first.
    pub fills: Vec<Fill>,
}

/// A token that may fill a `[MASK]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fill {
    /// Its id.
    pub id: u32,
    /// Its text; absent where the model has no tokenizer.
    pub token: Option<String>,
    /// The generator's logit.
    pub logit: f32,
    /// Its softmax probability over the whole vocabulary.
    pub probability: f64,
}

/// An opened model.
pub struct Probe {
    folder: PathBuf,
    published: Published,
    tokenizer: Option<Tokenizer>,
}

impl Probe {
    /// Opens a folder, or a hub repository `owner/name` at `revision`. With `generator`, a folder that
    /// `export` wrote is opened at its generator.
    pub fn open(model: &str, revision: &str, generator: bool, env: &DataEnv) -> Result<Self> {
        let mut folder = model_folder(model, revision, env)?.path;
        let nested = folder.join(GENERATOR_FOLDER);
        if generator && nested.join("config.json").is_file() {
            folder = nested;
        }
        let (published, tokenizer) = open_published(&folder)?;
        Ok(Self { folder, published, tokenizer })
    }

    /// The probability for each token that it was replaced.
    pub fn discriminate(&self, input: &ProbeInput) -> Result<Vec<ProbedToken>> {
        let network = self.published.discriminator(&Device::Cpu)?;
        let (input_ids, token_type_ids) = self.tokenize(input)?;
        let logits: Vec<f32> =
            network.forward(&one_sequence(&input_ids, &token_type_ids), Mode::evaluate())?.to_vec1()?;
        self.check_finite(&logits)?;
        let probed = input_ids.iter().zip(logits).map(|(&id, logit)| ProbedToken {
            id,
            token: self.token(id),
            logit,
            replaced: 1.0 / (1.0 + (-f64::from(logit)).exp()),
        });
        Ok(probed.collect())
    }

    /// The `n_fills` most probable tokens at every `[MASK]`.
    pub fn fill(&self, input: &ProbeInput, n_fills: usize) -> Result<Vec<ProbedMask>> {
        let network = self.published.masked_lm(&Device::Cpu)?;
        let (input_ids, token_type_ids) = self.tokenize(input)?;
        let mask = self.tokenizer.as_ref().map_or(BERT_MASK, |tokenizer| tokenizer.special().mask);
        let positions: Vec<u32> =
            (0..).zip(&input_ids).filter(|&(_, &id)| id == mask).map(|(position, _)| position).collect();
        if positions.is_empty() {
            let hint = format!("write [MASK] where a token is to be filled in (id {mask} among --ids)");
            return Err(Error::new(ErrorKind::Data, "the text has no [MASK]", hint));
        }
        let hidden = network.encoder.forward(&one_sequence(&input_ids, &token_type_ids), Mode::evaluate())?;
        let rows = Tensor::from_slice(&positions, positions.len(), &Device::Cpu)?;
        let logits: Vec<Vec<f32>> = network.head.forward(&hidden.index_select(&rows, 0)?)?.to_vec2()?;
        logits.iter().try_for_each(|logits| self.check_finite(logits))?;
        let masks = positions.iter().zip(logits).map(|(&position, logits)| ProbedMask {
            position: position as usize,
            fills: self.best(&logits, n_fills),
        });
        Ok(masks.collect())
    }

    /// Weights that are not numbers give no probability.
    fn check_finite(&self, logits: &[f32]) -> Result<()> {
        let Some(logit) = logits.iter().find(|logit| !logit.is_finite()) else { return Ok(()) };
        let what = format!("the model {} computes {logit} for this text", self.folder.display());
        let hint = "its weights have values that are not finite, or far too large: get or export them again";
        Err(Error::new(ErrorKind::Data, what, hint))
    }

    fn best(&self, logits: &[f32], n_fills: usize) -> Vec<Fill> {
        let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
        let mut order: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        order.truncate(n_fills);
        let fill = |(id, logit): (u32, f32)| Fill {
            id,
            token: self.token(id),
            logit,
            probability: (f64::from(logit) - largest).exp() / sum,
        };
        order.into_iter().map(fill).collect()
    }

    fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.as_ref().and_then(|tokenizer| tokenizer.token(id))
    }

    /// `input_ids` and `token_type_ids` of the input, checked against the model's tables.
    fn tokenize(&self, input: &ProbeInput) -> Result<(Vec<u32>, Vec<u32>)> {
        let refused = |what: String, hint: &str| Err(Error::new(ErrorKind::Data, what, hint));
        let (input_ids, token_type_ids) = match (input, &self.tokenizer) {
            (ProbeInput::Ids(ids), _) => (ids.clone(), vec![0; ids.len()]),
            (ProbeInput::Text { text, pair }, Some(tokenizer)) => {
                tokenizer.encode_as_published(text, pair.as_deref())?
            }
            (ProbeInput::Text { .. }, None) => {
                let what =
                    format!("{} has no tokenizer: no tokenizer.json, no vocab.txt", self.folder.display());
                return refused(what, "give token ids with --ids, or save the tokenizer beside the model");
            }
        };
        let network = &self.published.config.network;
        if input_ids.is_empty() {
            return refused("there are no tokens".into(), "give a text, or ids such as --ids 101,2023,102");
        }
        if input_ids.len() > network.shape.positions {
            let (n, positions) = (input_ids.len(), network.shape.positions);
            let what = format!("{n} tokens are more than the model's {positions} positions");
            return refused(what, "give a shorter text");
        }
        if let Some(id) = input_ids.iter().find(|&&id| id as usize >= network.vocab) {
            return refused(
                format!("token id {id} is not in the model's vocabulary of {}", network.vocab),
                "check --ids",
            );
        }
        Ok((input_ids, token_type_ids))
    }
}

/// Id of `[MASK]` in BERT's vocabulary, for models without a tokenizer.
const BERT_MASK: u32 = 103;

fn one_sequence(input_ids: &[u32], token_type_ids: &[u32]) -> Tokens {
    let mut batch = Batch::new();
    batch.push(input_ids, token_type_ids);
    tokens(&batch, input_ids.to_vec())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::checkpoint::fixture::a_pair;

    /// A tiny untrained pair as `export` writes it, with a tokenizer.
    fn exported() -> tempfile::TempDir {
        let words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat .";
        let words: Vec<String> = words.split(' ').map(String::from).collect();
        let tokenizer = Tokenizer::from_vocabulary(&words, "a test").unwrap();
        let networks = a_pair(words.len());
        let folder = tempfile::tempdir().unwrap();
        let nested = folder.path().join(GENERATOR_FOLDER);
        for (path, network) in [(folder.path(), networks.main), (&nested, networks.generator.unwrap())] {
            network.write(path, 0).unwrap();
            tokenizer.write_files(path, 16).unwrap();
        }
        folder
    }

    fn open(folder: &Path, generator: bool) -> Probe {
        let env = DataEnv::at(folder);
        Probe::open(&folder.display().to_string(), "main", generator, &env).unwrap()
    }

    fn text(text: &str) -> ProbeInput {
        ProbeInput::Text { text: text.into(), pair: None }
    }

    #[test]
    fn the_same_tokens_as_text_and_as_ids() {
        let folder = exported();
        let probe = open(folder.path(), false);
        let from_text = probe.discriminate(&text("The cat [MASK].")).unwrap();
        let words: Vec<&str> = from_text.iter().filter_map(|token| token.token.as_deref()).collect();
        assert_eq!(words, ["[CLS]", "the", "cat", "[MASK]", ".", "[SEP]"]);
        assert_eq!(probe.discriminate(&ProbeInput::Ids(vec![2, 5, 6, 4, 8, 3])).unwrap(), from_text);
        assert!(from_text.iter().all(|token| (token.replaced > 0.5) == (token.logit > 0.0)));
    }

    #[test]
    fn fills_are_a_distribution_with_the_best_first() {
        let folder = exported();
        let masks = open(folder.path(), true).fill(&text("the [MASK] sat [MASK]"), 100).unwrap();
        assert_eq!(masks.iter().map(|mask| mask.position).collect::<Vec<_>>(), [2, 4]);
        for mask in masks {
            assert_eq!(mask.fills.len(), 9);
            assert!((mask.fills.iter().map(|fill| fill.probability).sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(mask.fills.windows(2).all(|pair| pair[0].logit >= pair[1].logit));
        }
    }

    #[test]
    fn weights_that_overflow_are_said() {
        let folder = exported();
        for file in ["model.safetensors", "generator/model.safetensors"] {
            let path = folder.path().join(file);
            let mut bytes = std::fs::read(&path).unwrap();
            let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            bytes[header..].fill(0x7f);
            std::fs::write(path, bytes).unwrap();
        }
        let errors = [
            open(folder.path(), false).discriminate(&text("the cat")).unwrap_err(),
            open(folder.path(), true).fill(&text("the [MASK]"), 3).unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.message.contains("computes ")), "{errors:?}");
    }

    #[test]
    fn queries_that_a_model_cannot_answer_are_refused() {
        let folder = exported();
        let probe = open(folder.path(), false);
        let refused = |input: &ProbeInput| probe.discriminate(input).unwrap_err().message;
        assert_eq!(
            refused(&ProbeInput::Ids(vec![2, 9, 3])),
            "token id 9 is not in the model's vocabulary of 9"
        );
        assert_eq!(refused(&ProbeInput::Ids(vec![])), "there are no tokens");
        assert_eq!(refused(&text(&"cat ".repeat(15))), "17 tokens are more than the model's 16 positions");
        assert!(probe.fill(&text("the [MASK]"), 1).unwrap_err().message.contains("no masked language model"));
        let generator = open(folder.path(), true);
        assert_eq!(generator.fill(&text("the cat"), 1).unwrap_err().message, "the text has no [MASK]");
        std::fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
        std::fs::remove_file(folder.path().join("vocab.txt")).unwrap();
        let bare = open(folder.path(), false);
        assert!(bare.discriminate(&text("the")).unwrap_err().message.contains("has no tokenizer"));
        assert_eq!(bare.discriminate(&ProbeInput::Ids(vec![2, 3])).unwrap()[0].token, None);
        let missing =
            Probe::open("/nowhere/model", "main", false, &DataEnv::at(folder.path())).err().unwrap();
        assert_eq!(missing.message, "there is no folder /nowhere/model");
    }
}
