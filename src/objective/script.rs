//! SCRIPT (Nijkamp et al. 2021, "SCRIPT: Self-Critic PreTraining of Transformers"): one encoder with one
//! masked-language-model head is generator and critic.
//!
//! It predicts the masked tokens, and reads its own samples in their place. With z the logits over the
//! vocabulary at a token that it reads, the logit that the token was replaced is
//!
//! ```text
//! s = log Σ exp(z)
//! ```
//!
//! which the softmax of the prediction does not depend on. The samples are constants. Next: `rtd.rs`, whose
//! two networks may share an encoder (`model.sharing: all`) and have a head each.

use super::batch_share;
use super::deferred_metrics::DeferredMetrics;
use super::detection::measure_detection;
use super::interface::Objective;
use super::masking::{Masked, Masker};
use super::prediction::predict;
use super::proposals::Replacements;
use super::scoring::{MaskedScorer, OnePassScorer, TokenScorers};
use super::step::{Losses, StepContext};
use super::tokens::tokens;
use crate::error::Result;
use crate::experiment::ModelSpec;
use crate::model::{EncoderNetwork, MaskedLm};
use crate::nn::Parameters;
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::text::Batch;

/// Numbers of the objective.
#[derive(Clone, Copy, Debug)]
pub struct ScriptWeights {
    /// Weight of the critic's loss. The prediction's loss has weight 1.
    pub critic: f64,
    /// Temperature of the samples.
    pub temperature: f64,
}

/// One network that proposes tokens and judges them.
pub struct Script {
    /// The network as it predicts masked tokens.
    predictor: MaskedLm,
    /// The same weights with dropout masks of their own.
    critic: MaskedLm,
    parameters: Parameters,
    masker: Masker,
    weights: ScriptWeights,
}

impl Script {
    /// Makes the network in `parameters`.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        masker: Masker,
        weights: ScriptWeights,
    ) -> Result<Self> {
        let network = EncoderNetwork::of_spec(model, masker.vocab_size());
        let predictor = MaskedLm::new(&mut parameters, &network)?;
        let encoder = predictor.encoder.with_own_dropout(&mut parameters.builder());
        let critic = MaskedLm { encoder, head: predictor.head.clone() };
        Ok(Self { predictor, critic, parameters, masker, weights })
    }
}

impl Objective for Script {
    fn masker(&self) -> &Masker {
        &self.masker
    }

    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses> {
        let mode = context.mode(batch);
        let input = tokens(batch, masked.input_ids.clone());
        let sampler = context.sampler(self.weights.temperature, masked.first_slot);
        let predicted = predict(&self.predictor, &input, masked, Some(sampler), mode, context.trace)?;
        let samples = predicted.samples()?;
        let device = self.parameters.device();
        let replacements = Replacements::new(batch, &masked.positions, samples, device)?;
        let hidden = self.critic.encoder.forward(&replacements.tokens, mode)?;
        let logits = self.critic.head.log_sums(&hidden)?;
        let rtd_loss = binary_cross_entropy(&logits, &replacements.replaced)?;
        let weighted = (batch_share::scale_token_mean(&rtd_loss, batch)? * self.weights.critic)?;
        let total = (batch_share::scale_slot_mean(&predicted.loss, masked)? + weighted)?;

        let mut metrics = DeferredMetrics::default();
        predicted.measure(masked, &mut metrics)?;
        metrics.loss("rtd_loss", &rtd_loss, batch.n_tokens() as f64)?;
        metrics.total_loss(&total, batch)?;
        measure_detection(&logits, &replacements.replaced, &mut metrics)?;
        let trace = context.trace(|| {
            let mut trace = predicted.trace(masked)?;
            trace.push(("samples", samples.clone()));
            trace.extend(replacements.trace_detection(&logits, &rtd_loss)?);
            Ok(trace)
        })?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn scorers(&self) -> TokenScorers<'_> {
        TokenScorers {
            one_pass: vec![OnePassScorer::critic(&self.critic)],
            masked: vec![MaskedScorer::encoder(&self.predictor)],
        }
    }
}
