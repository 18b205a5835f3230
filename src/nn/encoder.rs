//! The transformer encoder: post-LayerNorm BERT blocks on a ragged batch.
//!
//! Hidden states are [N, H] for the N tokens of all sequences.

use candle_core::Tensor;

use super::{Builder, Embeddings, Init, Linear, Mode, Norm, Tokens};
use crate::fault::Result;
use crate::ops::attention::attention;
use crate::ops::gelu::gelu;
use crate::spec::EncoderShape;

/// Dropout probabilities of an encoder.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// On embeddings and residual branches.
    pub hidden: f64,
    /// On attention probabilities.
    pub attention: f64,
}

/// Embeddings, a projection where the widths differ, and the layers.
#[derive(Clone, Debug)]
pub struct Encoder {
    embeddings: Embeddings,
    embedding_site: u64,
    project: Option<Linear>,
    layers: Vec<Layer>,
}

impl Encoder {
    /// An encoder of `shape` over `embeddings`.
    pub fn new(
        mut builder: Builder<'_>,
        embeddings: Embeddings,
        shape: &EncoderShape,
        rates: Rates,
    ) -> Result<Self> {
        let project = (shape.embedding != shape.hidden)
            .then(|| {
                Linear::new(builder.within("embeddings_project"), shape.embedding, shape.hidden, Init::Glorot)
            })
            .transpose()?;
        let embedding_site = builder.site();
        let layers = (0..shape.layers)
            .map(|i| Layer::new(builder.at_depth(i + 1).within(&format!("layer.{i}")), shape, rates))
            .collect::<Result<_>>()?;
        Ok(Self { embeddings, embedding_site, project, layers })
    }

    /// Hidden states of the last layer, [N, H].
    pub fn forward(&self, tokens: &Tokens, mode: Mode) -> Result<Tensor> {
        let mut hidden = self.embeddings.forward(tokens, self.embedding_site, mode)?;
        if let Some(project) = &self.project {
            hidden = project.forward(&hidden)?;
        }
        for layer in &self.layers {
            hidden = layer.forward(&hidden, tokens, mode)?;
        }
        Ok(hidden)
    }
}

/// Self-attention and feed-forward, each with a residual connection and a LayerNorm behind it.
#[derive(Clone, Debug)]
struct Layer {
    qkv: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    output: Linear,
    output_norm: Norm,
    heads: usize,
    rates: Rates,
    sites: [u64; 3],
}

impl Layer {
    fn new(mut builder: Builder<'_>, shape: &EncoderShape, rates: Rates) -> Result<Self> {
        let (hidden, ffn, init) = (shape.hidden, shape.ffn, Init::TruncatedNormal);
        Ok(Self {
            qkv: Linear::new(builder.within("attention.qkv"), hidden, 3 * hidden, init)?,
            attention_output: Linear::new(builder.within("attention.output"), hidden, hidden, init)?,
            attention_norm: Norm::new(builder.within("attention.norm"), hidden, shape.norm_epsilon)?,
            intermediate: Linear::new(builder.within("intermediate"), hidden, ffn, init)?,
            output: Linear::new(builder.within("output"), ffn, hidden, init)?,
            output_norm: Norm::new(builder.within("output.norm"), hidden, shape.norm_epsilon)?,
            heads: shape.heads,
            rates,
            sites: [builder.site(), builder.site(), builder.site()],
        })
    }

    fn forward(&self, x: &Tensor, tokens: &Tokens, mode: Mode) -> Result<Tensor> {
        let [in_attention, after_attention, after_output] = self.sites;
        let qkv = self.qkv.forward(x)?;
        let key = mode.dropout(in_attention, self.rates.attention);
        let context = attention(&qkv, &tokens.offsets, self.heads, key)?;
        let context = self.attention_output.forward(&context)?;
        let key = mode.dropout(after_attention, self.rates.hidden);
        let x = self.attention_norm.residual(&context, x, key)?;
        let inner = gelu(&self.intermediate.forward(&x)?)?;
        let inner = self.output.forward(&inner)?;
        self.output_norm.residual(&inner, &x, mode.dropout(after_output, self.rates.hidden))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::{DType, Device};
    use candle_nn::VarBuilder;
    use candle_transformers::models::bert::{BertModel, Config};

    use super::*;
    use crate::nn::Parameters;
    use crate::ops::embedding::Indices;

    const SHAPE: EncoderShape = EncoderShape {
        hidden: 24,
        layers: 2,
        heads: 3,
        ffn: 40,
        embedding: 24,
        positions: 16,
        types: 2,
        norm_epsilon: 1e-12,
    };

    /// Our parameters under BERT's names: queries, keys, values and γ, β taken apart.
    fn as_bert(parameters: &Parameters) -> HashMap<String, Tensor> {
        let mut tensors = HashMap::new();
        for parameter in parameters.iter() {
            let name = parameter
                .name
                .replace("embeddings.word", "embeddings.word_embeddings")
                .replace("embeddings.position", "embeddings.position_embeddings")
                .replace("embeddings.type", "embeddings.token_type_embeddings")
                .replace("embeddings.norm", "embeddings.LayerNorm")
                .replace("attention.output", "attention.output.dense")
                .replace("attention.norm", "attention.output.LayerNorm")
                .replace("output.norm", "output.LayerNorm")
                .replace("intermediate", "intermediate.dense");
            let name = match name.rsplit_once('.') {
                Some((layer, part)) if layer.ends_with(".output") && !layer.contains("attention") => {
                    format!("{layer}.dense.{part}")
                }
                _ => name,
            };
            let tensor = parameter.var.as_detached_tensor();
            if let Some(norm) = name.strip_suffix(".weight_and_bias") {
                tensors.insert(format!("{norm}.weight"), tensor.get(0).unwrap());
                tensors.insert(format!("{norm}.bias"), tensor.get(1).unwrap());
            } else if name.contains("attention.qkv") {
                for (part, third) in ["query", "key", "value"].into_iter().zip(tensor.chunk(3, 0).unwrap()) {
                    tensors.insert(name.replace("attention.qkv", &format!("attention.self.{part}")), third);
                }
            } else {
                tensors.insert(name, tensor);
            }
        }
        tensors
    }

    /// The same weights in candle-transformers' BERT give the same hidden states: the layout of heads, the order
    /// of the norms, the exact GELU and ε are BERT's.
    #[test]
    fn hidden_states_are_those_of_bert() {
        let mut parameters = Parameters::new(5, &Device::Cpu);
        let mut builder = parameters.builder();
        let embeddings = Embeddings::new(builder.within("embeddings"), &SHAPE, 50, 0.1).unwrap();
        let encoder = Encoder::new(
            builder.within("encoder"),
            embeddings,
            &SHAPE,
            Rates { hidden: 0.1, attention: 0.1 },
        )
        .unwrap();
        // Weights far from their small initial values, so that every path counts.
        for (index, parameter) in parameters.iter().enumerate() {
            let noise = crate::ops::testing::tensor(parameter.var.dims(), index as u64);
            parameter
                .var
                .set(&(parameter.var.as_detached_tensor() + (noise * 0.2).unwrap()).unwrap())
                .unwrap();
        }
        let config: Config = serde_json::from_value(serde_json::json!({
            "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
            "intermediate_size": 40, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "max_position_embeddings": 16, "type_vocab_size": 2, "initializer_range": 0.02,
            "layer_norm_eps": 1e-12, "pad_token_id": 0
        }))
        .unwrap();
        let variables = VarBuilder::from_tensors(as_bert(&parameters), DType::F32, &Device::Cpu);
        let bert = BertModel::load(variables, &config).unwrap();

        let sequences: [(&[u32], &[u32]); 2] =
            [(&[2, 9, 17, 33, 3, 8, 3], &[0, 0, 0, 0, 0, 1, 1]), (&[2, 49, 1, 3], &[0, 0, 0, 0])];
        let tokens = Tokens {
            indices: Indices {
                words: sequences.iter().flat_map(|(ids, _)| ids.iter().copied()).collect(),
                positions: sequences.iter().flat_map(|(ids, _)| 0..ids.len() as u32).collect(),
                kinds: sequences.iter().flat_map(|(_, kinds)| kinds.iter().copied()).collect(),
            },
            offsets: vec![0, 7, 11].into(),
        };
        let ours = encoder.forward(&tokens, Mode::evaluate()).unwrap().to_vec2::<f32>().unwrap();
        let mut theirs = Vec::new();
        for (ids, kinds) in sequences {
            let row = |values: &[u32]| Tensor::new(values, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
            let hidden = bert.forward(&row(ids), &row(kinds), None).unwrap();
            theirs.extend(hidden.squeeze(0).unwrap().to_vec2::<f32>().unwrap());
        }
        for (a, b) in ours.iter().flatten().zip(theirs.iter().flatten()) {
            assert!((a - b).abs() < 1e-5, "{a} against {b}");
        }
        assert_eq!((ours.len(), theirs.len()), (11, 11));
    }
}
