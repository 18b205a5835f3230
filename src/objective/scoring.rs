//! How the networks of an objective score the tokens of a whole text: for minimal pairs.
//!
//! A one-pass scorer reads the text as it is and scores every token. A masked language model reads it with
//! `[MASK]` in place of a token and scores that token. Scores are computed in f64 from f32 logits. Must
//! never: draw a random number or compute a gradient. Next: `tasks/minimal_pairs/`, which sums them.

use candle_core::Tensor;

use super::step::f32_values;
use super::tokens::tokens;
use crate::error::Result;
use crate::model::{CopyGate, Discriminator, MaskedLm, TwoTowers};
use crate::nn::{Encoder, Mode};
use crate::ops::gather::gather;
use crate::text::Batch;

/// The networks of an objective that score text.
#[derive(Default)]
pub struct TokenScorers<'a> {
    /// Those that score every token in one pass.
    pub one_pass: Vec<OnePassScorer<'a>>,
    /// Those that score tokens where `[MASK]` stands.
    pub masked: Vec<MaskedScorer<'a>>,
}

impl TokenScorers<'_> {
    /// The same scorers but those of generators.
    pub fn without_generators(mut self) -> Self {
        self.one_pass.retain(|scorer| scorer.kind != OnePassKind::Towers);
        self.masked.retain(|scorer| !scorer.is_generator);
        self
    }
}

/// A network that scores every token of a text in one pass.
pub struct OnePassScorer<'a> {
    /// What the sum of its scores is called.
    pub kind: OnePassKind,
    network: OnePassNetwork<'a>,
}

/// What a one-pass scorer computes of a token x in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnePassKind {
    /// log(1 - D), where D is the probability that x was replaced (ELECTRA); for a copy gate log of the
    /// probability that x is the original.
    Discriminator,
    /// -E: the log of the unnormalised probability of x in its context (Electric, Clark et al. 2020b).
    Electric,
    /// log p(x) by a network that restores originals and reads x itself.
    Restorer,
    /// log p(x) by a cloze model of two towers, neither of which reads x.
    Towers,
}

enum OnePassNetwork<'a> {
    Discriminator(&'a Discriminator),
    Gate { encoder: &'a Encoder, gate: &'a CopyGate },
    Energy(&'a Discriminator),
    Restorer { network: &'a MaskedLm, gate: Option<&'a CopyGate> },
    Critic(&'a MaskedLm),
    Towers(&'a TwoTowers),
}

impl<'a> OnePassScorer<'a> {
    /// Scores by a discriminator.
    pub fn discriminator(network: &'a Discriminator) -> Self {
        Self { kind: OnePassKind::Discriminator, network: OnePassNetwork::Discriminator(network) }
    }

    /// Scores by a copy gate on an encoder.
    pub fn gate(encoder: &'a Encoder, gate: &'a CopyGate) -> Self {
        Self { kind: OnePassKind::Discriminator, network: OnePassNetwork::Gate { encoder, gate } }
    }

    /// Scores by a critic whose logit is the log of the summed exponentials over the vocabulary.
    pub fn critic(network: &'a MaskedLm) -> Self {
        Self { kind: OnePassKind::Discriminator, network: OnePassNetwork::Critic(network) }
    }

    /// Scores by Electric's energies.
    pub fn energy(network: &'a Discriminator) -> Self {
        Self { kind: OnePassKind::Electric, network: OnePassNetwork::Energy(network) }
    }

    /// Scores by a network that restores originals, with its copy gate if it has one.
    pub fn restorer(network: &'a MaskedLm, gate: Option<&'a CopyGate>) -> Self {
        Self { kind: OnePassKind::Restorer, network: OnePassNetwork::Restorer { network, gate } }
    }

    /// Scores by Electric's cloze model.
    pub fn towers(network: &'a TwoTowers) -> Self {
        Self { kind: OnePassKind::Towers, network: OnePassNetwork::Towers(network) }
    }

    /// The score of each of T tokens in nats, `[T]`.
    pub fn scores(&self, batch: &Batch) -> Result<Vec<f64>> {
        let read = tokens(batch, batch.input_ids.clone());
        let values = |tensor: &Tensor| -> Result<Vec<f64>> {
            Ok(f32_values(tensor)?.into_iter().map(f64::from).collect())
        };
        match &self.network {
            OnePassNetwork::Discriminator(network) => {
                let logits = values(&network.forward(&read, Mode::evaluate())?)?;
                Ok(logits.into_iter().map(|logit| log_sigmoid(-logit)).collect())
            }
            OnePassNetwork::Gate { encoder, gate } => {
                let logits = values(&gate.forward(&encoder.forward(&read, Mode::evaluate())?)?)?;
                Ok(logits.into_iter().map(log_sigmoid).collect())
            }
            OnePassNetwork::Critic(network) => {
                let hidden = network.encoder.forward(&read, Mode::evaluate())?;
                let logits = values(&network.head.log_sums(&hidden)?)?;
                Ok(logits.into_iter().map(|logit| log_sigmoid(-logit)).collect())
            }
            OnePassNetwork::Energy(network) => {
                let energies = values(&network.forward(&read, Mode::evaluate())?)?;
                Ok(energies.into_iter().map(|energy| -energy).collect())
            }
            OnePassNetwork::Restorer { network, gate } => {
                let hidden = network.encoder.forward(&read, Mode::evaluate())?;
                let nll = values(&network.head.losses(&hidden, &batch.input_ids.as_slice().into())?.losses)?;
                let Some(gate) = gate else { return Ok(nll.into_iter().map(|nll| -nll).collect()) };
                let gates = values(&gate.forward(&hidden)?)?;
                Ok(gates.into_iter().zip(nll).map(|(gate, nll)| log_copy(gate, nll)).collect())
            }
            OnePassNetwork::Towers(network) => {
                let context = network.forward(&read, Mode::evaluate())?;
                let nll = values(&network.head.losses(&context, &batch.input_ids.as_slice().into())?.losses)?;
                Ok(nll.into_iter().map(|nll| -nll).collect())
            }
        }
    }
}

/// A masked language model.
pub struct MaskedScorer<'a> {
    network: &'a MaskedLm,
    /// Whether it is a generator rather than the encoder that is fine-tuned.
    pub is_generator: bool,
}

impl<'a> MaskedScorer<'a> {
    /// The encoder that is fine-tuned, as a masked language model.
    pub fn encoder(network: &'a MaskedLm) -> Self {
        Self { network, is_generator: false }
    }

    /// A generator.
    pub fn generator(network: &'a MaskedLm) -> Self {
        Self { network, is_generator: true }
    }

    /// log p in nats of the tokens `targets` `[M]` at the positions `[M]` of a batch whose ids already have
    /// `[MASK]` there.
    pub fn scores(&self, masked: &Batch, positions: &[u32], targets: &[u32]) -> Result<Vec<f64>> {
        let read = tokens(masked, masked.input_ids.clone());
        let hidden = gather(&self.network.encoder.forward(&read, Mode::evaluate())?, positions)?;
        let nll = f32_values(&self.network.head.losses(&hidden, &targets.into())?.losses)?;
        Ok(nll.into_iter().map(|nll| -f64::from(nll)).collect())
    }
}

/// log of 1 / (1 + e^-x), without overflow.
fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

/// log(D + (1 - D)·e^-nll), where D is the sigmoid of the gate's logit: the probability of the token that was
/// read under a copy mechanism (ELECTRA §3.4).
fn log_copy(gate: f64, nll: f64) -> f64 {
    let (copied, predicted) = (log_sigmoid(gate), log_sigmoid(-gate) - nll);
    let (high, low) = if copied > predicted { (copied, predicted) } else { (predicted, copied) };
    high + (low - high).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_by_hand() {
        assert!((log_sigmoid(0.0) + 2f64.ln()).abs() < 1e-15);
        assert!((log_sigmoid(-800.0) + 800.0).abs() < 1e-9 && log_sigmoid(800.0).abs() < 1e-9);
        // D = 3/4 and p = 1/2: 3/4 + 1/4·1/2 = 7/8.
        let found = log_copy(3f64.ln(), 2f64.ln());
        assert!((found - (7f64 / 8.0).ln()).abs() < 1e-12, "{found}");
        assert!((log_copy(-50.0, 2f64.ln()) - 0.5f64.ln()).abs() < 1e-9);
    }
}
