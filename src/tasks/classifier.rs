//! The encoder with a classification head for one task.
//!
//! The paper's head is dropout and one dense layer on the hidden state of `[CLS]` (Glorot initialisation, no
//! pooler). The head of transformers' ElectraForSequenceClassification has one more dense layer, with GELU
//! and dropout between the two. A score is regressed as (y - min) / (max - min) with squared error.

use candle_core::{Device, Tensor};

use super::encode::EncodedExample;
use super::table::LabelKind;
use crate::error::Result;
use crate::experiment::{EncoderShape, HeadKind};
use crate::model::{EncoderNetwork, encoder};
use crate::nn::{Builder, Encoder, Init, Linear, Mode, Parameters};
use crate::objective::tokens;
use crate::ops::cross_entropy::cross_entropy;
use crate::ops::dropout::dropout;
use crate::ops::gather::gather;
use crate::ops::gelu::gelu;
use crate::text::Batch;

/// Encoder and head.
pub struct Classifier {
    encoder: Encoder,
    head: ClassificationHead,
    dropout: f64,
    labels: LabelKind,
}

/// New parameters of an encoder with a head, under the names of a fine-tuned model, to load weights into.
pub fn classifier_parameters(
    network: &EncoderNetwork,
    labels: LabelKind,
    head: HeadKind,
) -> Result<Parameters> {
    let mut parameters = Parameters::expecting(0, &Device::Cpu, |_| true);
    Classifier::new(&mut parameters, network, labels, head)?;
    Ok(parameters)
}

/// A head. Dropout sites are numbers in the random streams.
enum ClassificationHead {
    Paper { dense: Linear, site: u64 },
    Huggingface { dense: Linear, output: Linear, sites: [u64; 2] },
}

impl ClassificationHead {
    /// A head with `outputs` outputs, one layer above the encoder's last.
    fn new(builder: &mut Builder<'_>, kind: HeadKind, shape: &EncoderShape, outputs: usize) -> Result<Self> {
        let hidden = shape.hidden;
        match kind {
            HeadKind::Paper => {
                let site = builder.site();
                let mut top = builder.at_depth(shape.layers + 1);
                let dense = Linear::new(top.within("task_head"), hidden, outputs, Init::Glorot)?;
                Ok(Self::Paper { dense, site })
            }
            HeadKind::Huggingface => {
                let sites = [builder.site(), builder.site()];
                let mut top = builder.at_depth(shape.layers + 1);
                let mut part = top.within("task_head");
                let init = Init::TruncatedNormal;
                let dense = Linear::new(part.within("dense"), hidden, hidden, init)?;
                let output = Linear::new(part.within("out_proj"), hidden, outputs, init)?;
                Ok(Self::Huggingface { dense, output, sites })
            }
        }
    }

    /// Hidden states of `[CLS]`, `[B, H]` → [B, outputs].
    fn forward(&self, first: &Tensor, rate: f64, mode: Mode) -> Result<Tensor> {
        match self {
            Self::Paper { dense, site } => dense.forward(&dropout(first, mode.dropout(*site, rate))?),
            Self::Huggingface { dense, output, sites: [before, between] } => {
                let inner = gelu(&dense.forward(&dropout(first, mode.dropout(*before, rate))?)?)?;
                output.forward(&dropout(&inner, mode.dropout(*between, rate))?)
            }
        }
    }
}

impl Classifier {
    /// Adds all parameters to `parameters`.
    pub fn new(
        parameters: &mut Parameters,
        network: &EncoderNetwork,
        labels: LabelKind,
        head: HeadKind,
    ) -> Result<Self> {
        let mut builder = parameters.builder();
        let (_, encoder) = encoder(&mut builder, network)?;
        let head = ClassificationHead::new(&mut builder, head, &network.shape, labels.n_outputs())?;
        Ok(Self { encoder, head, dropout: network.rates.hidden, labels })
    }

    /// Logits or regression outputs, [B, classes] or `[B, 1]`.
    pub fn outputs(&self, examples: &[&EncodedExample], mode: Mode) -> Result<Tensor> {
        let mut batch = Batch::new();
        for example in examples {
            batch.push(&example.input_ids, &example.token_type_ids);
        }
        let hidden = self.encoder.forward(&tokens(&batch, batch.input_ids.clone()), mode)?;
        let first_tokens: Vec<u32> =
            batch.offsets.iter().take(examples.len()).map(|&offset| offset as u32).collect();
        self.head.forward(&gather(&hidden, &first_tokens)?, self.dropout, mode)
    }

    /// Mean loss of the examples.
    pub fn loss(&self, examples: &[&EncodedExample], mode: Mode) -> Result<Tensor> {
        let outputs = self.outputs(examples, mode)?;
        match self.labels {
            LabelKind::Classes(_) => {
                let targets: Vec<u32> = examples.iter().map(|example| example.label as u32).collect();
                Ok(cross_entropy(&outputs, &targets.into())?)
            }
            LabelKind::Score { min, max } => {
                let targets: Vec<f32> =
                    examples.iter().map(|example| (example.label - min) / (max - min)).collect();
                let targets = Tensor::from_vec(targets, (examples.len(), 1), outputs.device())?;
                Ok((outputs - targets)?.sqr()?.mean_all()?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::fixture::a_model;

    fn classifier(head: HeadKind) -> (Classifier, Parameters) {
        let mut parameters = Parameters::new(1, &Device::Cpu);
        let labels = LabelKind::Classes(&["a", "b", "c"]);
        let classifier =
            Classifier::new(&mut parameters, &EncoderNetwork::of_spec(&a_model(), 20), labels, head).unwrap();
        (classifier, parameters)
    }

    /// Trap 6: transformers' head has a dense layer that the paper's does not.
    #[test]
    fn parameters_of_the_heads() {
        let names = |head| {
            let (_, parameters) = classifier(head);
            let of_head = parameters.iter().filter(|parameter| parameter.name.starts_with("task_head"));
            of_head
                .map(|parameter| format!("{} {:?}", parameter.name, parameter.var.dims()))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(HeadKind::Paper), ["task_head.weight [3, 8]", "task_head.bias [3]"]);
        assert_eq!(
            names(HeadKind::Huggingface),
            [
                "task_head.dense.weight [8, 8]",
                "task_head.dense.bias [8]",
                "task_head.out_proj.weight [3, 8]",
                "task_head.out_proj.bias [3]"
            ]
        );
    }

    #[test]
    fn every_parameter_gets_a_gradient() {
        let example = |label| EncodedExample {
            idx: 0,
            input_ids: vec![2, 9, 7, 3, 5, 3],
            token_type_ids: vec![0, 0, 0, 0, 1, 1],
            label,
            is_cut: false,
        };
        for head in [HeadKind::Paper, HeadKind::Huggingface] {
            let (classifier, parameters) = classifier(head);
            let loss = classifier.loss(&[&example(0.0), &example(2.0)], Mode::train(1, 1)).unwrap();
            let grads = parameters.gradients(&loss);
            for parameter in parameters.iter() {
                let grad =
                    grads.get(&parameter.name).unwrap_or_else(|| panic!("{} has none", parameter.name));
                let largest = grad.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(largest > 0.0, "{} has a zero gradient", parameter.name);
            }
        }
    }
}
