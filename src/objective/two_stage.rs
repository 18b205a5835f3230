//! Two-stage training (ELECTRA §3.2): the generator alone, then the discriminator on a frozen generator's samples.
//!
//! The stage is a function of the step. At the boundary the discriminator's embeddings and encoder become copies of
//! the generator's and Adam's moments start anew, before the first step of the second stage and at no other time, so
//! that a checkpoint of any step continues alike. Held-out metrics cover both networks at any time; the loss there is
//! the sum of both stages' losses. Next: `rtd.rs`, which trains both at once.

use super::deferred_metrics::DeferredMetrics;
use super::detection::measure_detection;
use super::masking::Masker;
use super::proposals::{Proposer, Replacements, Sampling};
use super::{Losses, Objective, Span, StepContext, batch_share, integers};
use crate::error::{Error, Result};
use crate::experiment::{ModelSpec, StageSchedule};
use crate::model::{Discriminator, Electra, is_encoder_parameter};
use crate::nn::{Mode, Parameters};
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::text::Batch;

/// How the two stages follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Steps of the first stage.
    pub n_generator: u64,
    /// Whether the discriminator starts as a copy of the generator.
    pub initialise: bool,
    /// Learning rate of the second stage.
    pub schedule: StageSchedule,
    /// How the generator is sampled.
    pub sampling: Sampling,
}

/// Generator and discriminator that share nothing, one trained after the other.
pub struct TwoStage {
    generator: Proposer,
    discriminator: Discriminator,
    parameters: Parameters,
    masker: Masker,
    plan: Plan,
}

impl TwoStage {
    /// Makes both networks in `parameters`.
    pub fn new(mut parameters: Parameters, model: &ModelSpec, masker: Masker, plan: Plan) -> Result<Self> {
        let Electra { generator, discriminator } = Electra::new(&mut parameters, model, masker.vocab_size())?;
        Ok(Self { generator: Proposer::Network(generator), discriminator, parameters, masker, plan })
    }

    fn trains_generator(&self, step: u64) -> bool {
        step < self.plan.n_generator
    }
}

impl Objective for TwoStage {
    fn losses(&self, batch: &Batch, at: StepContext) -> Result<Losses> {
        let masked = self.masker.mask(batch, at.seed, at.draw());
        let first_stage = at.training && self.trains_generator(at.step);
        // A frozen generator has no dropout.
        let mode = if first_stage { at.mode(batch) } else { Mode::evaluate() };
        let proposals = self.generator.propose(batch, &masked, self.plan.sampling, at, mode)?;
        let mut metrics = DeferredMetrics::default();
        proposals.measure(&masked, &mut metrics)?;
        let mut trace = at.trace(|| proposals.trace(&masked))?;
        let mlm_loss =
            proposals.loss().ok_or_else(|| Error::internal("two stages need a generator network"))?;
        let mlm_share = batch_share::scale_slot_mean(mlm_loss, &masked)?;
        if first_stage {
            metrics.total(&mlm_share, batch)?;
            return Ok(Losses { total: mlm_share, metrics, trace });
        }

        let device = self.parameters.device();
        let read = Replacements::new(batch, &masked.positions, &proposals.samples, device)?;
        let logits = self.discriminator.forward(&read.tokens, at.mode(batch))?;
        let rtd_loss = binary_cross_entropy(&logits, &read.replaced)?;
        metrics.loss("rtd_loss", &rtd_loss, batch.n_tokens() as f64)?;
        measure_detection(&logits, &read.replaced, &mut metrics)?;
        let own =
            || Ok(vec![("discriminator_input", integers(&read.ids()?)?), ("rtd_loss", rtd_loss.detach())]);
        trace.extend(at.trace(own)?);
        let rtd_share = batch_share::scale_token_mean(&rtd_loss, batch)?;
        let total = if at.training { rtd_share } else { (rtd_share + mlm_share)? };
        metrics.total(&total, batch)?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn span(&self, step: u64, n_steps: u64) -> Span {
        let Plan { n_generator, schedule, .. } = self.plan;
        let (first, steps) = match self.trains_generator(step) {
            true => (0, n_generator),
            false => (n_generator, n_steps.saturating_sub(n_generator)),
        };
        match schedule {
            StageSchedule::Restart => Span { first, schedule_first: first, schedule_steps: steps },
            StageSchedule::Single => Span { first, schedule_first: 0, schedule_steps: n_steps },
        }
    }

    fn begin_stage(&self) -> Result<()> {
        if !self.plan.initialise {
            return Ok(());
        }
        let of_the_generator = |name: &str| {
            let own = self
                .parameters
                .iter()
                .find(|parameter| parameter.name.strip_prefix("generator.").is_some_and(|rest| rest == name));
            own.map(|parameter| parameter.var.as_detached_tensor())
        };
        self.parameters.load(is_encoder_parameter, of_the_generator)
    }

    fn trains(&self, step: u64, parameter: &str) -> bool {
        parameter.starts_with("generator.") == self.trains_generator(step)
    }
}
