//! config.json of an ELECTRA or BERT model: family, shape and dropout of its networks.
//!
//! The defaults are those of transformers' ElectraConfig and BertConfig. Options that this crate does not
//! compute (another activation, relative positions, a decoder) are errors that name the option.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::EncoderShape;
use crate::formats::git_lfs::refuse_pointer;
use crate::formats::without_byte_order_mark;
use crate::model::EncoderNetwork;
use crate::nn::DropoutRates;

/// Which architecture's names and defaults apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `model_type: electra`.
    Electra,
    /// `model_type: bert`.
    Bert,
}

/// The networks of a config.json.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Decides the names of the tensors.
    pub family: Family,
    /// The encoder.
    pub network: EncoderNetwork,
    /// Id of `[PAD]`.
    pub pad: u32,
}

/// The fields that matter. Others are ignored.
#[derive(Deserialize)]
struct File {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
    vocab_size: Option<usize>,
    embedding_size: Option<usize>,
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    intermediate_size: Option<usize>,
    hidden_act: Option<String>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    hidden_dropout_prob: Option<f64>,
    attention_probs_dropout_prob: Option<f64>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
    pad_token_id: Option<u32>,
}

impl Config {
    /// Reads `path`. The first archives of BERT say no `model_type`; `family_of_weights` then says what the
    /// weights are, if their names tell.
    ///
    /// # Errors
    /// The file is missing or is not JSON, the architecture is another one, or no encoder can have the sizes.
    pub fn read(path: &Path, family_of_weights: impl FnOnce() -> Result<Option<Family>>) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| {
            let what = format!("cannot read the model's configuration {}", path.display());
            Error::new(ErrorKind::Data, what, "give a folder that transformers' save_pretrained wrote")
                .because(error)
        })?;
        refuse_pointer(path, &bytes)?;
        let file: File = serde_json::from_slice(without_byte_order_mark(&bytes)).map_err(|error| {
            let what = format!("{} is not a model's configuration", path.display());
            Error::new(ErrorKind::Data, what, "give the config.json that came with the weights")
                .because(error)
        })?;
        let family = match file.family() {
            Ok(None) => Ok(family_of_weights()?),
            said => said,
        };
        family.and_then(|family| file.checked(family)).map_err(|what| {
            let hint = "this crate reads ELECTRA and BERT encoders with exact GELU and absolute positions";
            Error::new(ErrorKind::Data, format!("{}: {what}", path.display()), hint)
        })
    }

    /// The configuration that transformers reads, for a model of the class `architecture`.
    pub fn to_json(self, architecture: &str) -> Value {
        let EncoderNetwork { shape, rates, vocab } = self.network;
        let EncoderShape { hidden, layers, heads, ffn, embedding, positions, types, norm_epsilon } = shape;
        let mut value = json!({
            "architectures": [architecture],
            "model_type": match self.family { Family::Electra => "electra", Family::Bert => "bert" },
            "vocab_size": vocab,
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": ffn,
            "hidden_act": "gelu",
            "hidden_dropout_prob": rates.hidden,
            "attention_probs_dropout_prob": rates.attention,
            "max_position_embeddings": positions,
            "type_vocab_size": types,
            "initializer_range": 0.02,
            "layer_norm_eps": norm_epsilon,
            "pad_token_id": self.pad,
            "tie_word_embeddings": true,
            "dtype": "float32",
        });
        if self.family == Family::Electra {
            value["embedding_size"] = json!(embedding);
        }
        value
    }
}

impl File {
    /// What `model_type` says, or else the name of the class.
    fn family(&self) -> std::result::Result<Option<Family>, String> {
        let class = self.architectures.iter().flatten().next();
        match self.model_type.as_deref() {
            Some("electra") => Ok(Some(Family::Electra)),
            Some("bert") => Ok(Some(Family::Bert)),
            Some(other) => Err(format!("model_type is {other}, neither electra nor bert")),
            None if class.is_some_and(|class| class.starts_with("Electra")) => Ok(Some(Family::Electra)),
            None if class.is_some_and(|class| class.starts_with("BertFor") || class == "BertModel") => {
                Ok(Some(Family::Bert))
            }
            None => Ok(None),
        }
    }

    fn checked(self, family: Option<Family>) -> std::result::Result<Config, String> {
        let family = family.ok_or("model_type is missing")?;
        let hidden_act = self.hidden_act.as_deref().unwrap_or("gelu");
        if hidden_act != "gelu" {
            return Err(format!("hidden_act is {hidden_act}, not gelu"));
        }
        let position_kind = self.position_embedding_type.as_deref().unwrap_or("absolute");
        if position_kind != "absolute" {
            return Err(format!("position_embedding_type is {position_kind}, not absolute"));
        }
        if self.is_decoder == Some(true) {
            return Err("is_decoder is true: decoders are not supported".into());
        }
        let (hidden, layers, heads, ffn) = match family {
            Family::Electra => (256, 12, 4, 1024),
            Family::Bert => (768, 12, 12, 3072),
        };
        let hidden = self.hidden_size.unwrap_or(hidden);
        let embedding = match family {
            Family::Electra => self.embedding_size.unwrap_or(128),
            Family::Bert => hidden,
        };
        let shape = EncoderShape {
            hidden,
            layers: self.num_hidden_layers.unwrap_or(layers),
            heads: self.num_attention_heads.unwrap_or(heads),
            ffn: self.intermediate_size.unwrap_or(ffn),
            embedding,
            positions: self.max_position_embeddings.unwrap_or(512),
            types: self.type_vocab_size.unwrap_or(2),
            norm_epsilon: self.layer_norm_eps.unwrap_or(1e-12),
        };
        let vocab = self.vocab_size.unwrap_or(30_522);
        let sizes = [
            ("hidden_size", shape.hidden),
            ("num_hidden_layers", shape.layers),
            ("num_attention_heads", shape.heads),
            ("intermediate_size", shape.ffn),
            ("embedding_size", shape.embedding),
            ("max_position_embeddings", shape.positions),
            ("type_vocab_size", shape.types),
            ("vocab_size", vocab),
        ];
        if let Some((name, size)) = sizes.into_iter().find(|(_, size)| !(1..=1 << 24).contains(size)) {
            return Err(format!("{name} is {size}"));
        }
        if !shape.hidden.is_multiple_of(shape.heads) {
            return Err(format!(
                "hidden_size {hidden} is not a multiple of num_attention_heads {}",
                shape.heads
            ));
        }
        let rate = |name: &str, rate: Option<f64>| match rate.unwrap_or(0.1) {
            rate if (0.0..1.0).contains(&rate) => Ok(rate),
            rate => Err(format!("{name} is {rate}")),
        };
        let rates = DropoutRates {
            hidden: rate("hidden_dropout_prob", self.hidden_dropout_prob)?,
            attention: rate("attention_probs_dropout_prob", self.attention_probs_dropout_prob)?,
        };
        let network = EncoderNetwork { shape, rates, vocab };
        Ok(Config { family, network, pad: self.pad_token_id.unwrap_or(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<Config, String> {
        let file = serde_json::from_str::<File>(text).unwrap();
        file.family().and_then(|family| file.checked(family))
    }

    #[test]
    fn missing_fields_have_the_defaults_of_transformers() {
        let electra = parse(r#"{"model_type": "electra"}"#).unwrap();
        assert_eq!(
            (electra.network.shape.hidden, electra.network.shape.embedding, electra.network.shape.heads),
            (256, 128, 4)
        );
        let bert = parse(r#"{"model_type": "bert", "hidden_size": 384}"#).unwrap();
        assert_eq!(
            (bert.network.shape.hidden, bert.network.shape.embedding, bert.network.shape.ffn),
            (384, 384, 3072)
        );
        assert_eq!(bert.network.shape.norm_epsilon, 1e-12);
    }

    #[test]
    fn unsupported_options_are_errors_by_name() {
        for (text, expected) in [
            (r#"{"model_type": "roberta"}"#, "model_type is roberta, neither electra nor bert"),
            (r#"{"hidden_size": 3}"#, "model_type is missing"),
            (r#"{"model_type": "bert", "hidden_act": "relu"}"#, "hidden_act is relu, not gelu"),
            (
                r#"{"model_type": "bert", "is_decoder": true}"#,
                "is_decoder is true: decoders are not supported",
            ),
            (
                r#"{"model_type": "bert", "position_embedding_type": "relative_key"}"#,
                "position_embedding_type is relative_key, not absolute",
            ),
            (r#"{"model_type": "bert", "vocab_size": 0}"#, "vocab_size is 0"),
            (r#"{"model_type": "bert", "hidden_dropout_prob": 1.5}"#, "hidden_dropout_prob is 1.5"),
            (
                r#"{"model_type": "bert", "num_attention_heads": 5}"#,
                "hidden_size 768 is not a multiple of num_attention_heads 5",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_class_stands_for_a_missing_model_type() {
        let family =
            |class: &str| parse(&format!(r#"{{"architectures": ["{class}"]}}"#)).map(|config| config.family);
        assert_eq!(family("BertForMaskedLM"), Ok(Family::Bert));
        assert_eq!(family("ElectraModel"), Ok(Family::Electra));
        assert_eq!(family("RobertaModel"), Err("model_type is missing".into()));
    }

    #[test]
    fn a_written_configuration_is_read_back() {
        let config =
            parse(r#"{"model_type": "electra", "hidden_size": 64, "layer_norm_eps": 1e-7}"#).unwrap();
        assert_eq!(parse(&config.to_json("ElectraModel").to_string()).unwrap(), config);
    }
}
