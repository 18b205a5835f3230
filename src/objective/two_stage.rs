//! Two-stage training (ELECTRA §3.2): first the generator, then the discriminator on samples of the frozen
//! generator; or, as a start for joint training, both networks in the second stage.
//!
//! The stage is a function of the step. Before the first step of the second stage, and at no other time, the
//! discriminator's embeddings and encoder become copies of the generator's and Adam's moments become zero, so
//! a run resumes from a checkpoint of any step with the same numbers. Held-out metrics always cover both
//! networks, and the held-out loss is the sum of both stages' losses. Next: `rtd.rs`, which trains both
//! networks at once.

use super::batch_share;
use super::deferred_metrics::DeferredMetrics;
use super::detection::measure_detection;
use super::interface::{Objective, StageSpan};
use super::masking::{Masked, Masker};
use super::proposals::{Proposer, Replacements, Sampling};
use super::scoring::{MaskedScorer, OnePassScorer, TokenScorers};
use super::step::{Losses, StepContext};
use crate::error::{Error, Result};
use crate::experiment::{ModelSpec, SecondStage, StageSchedule};
use crate::model::{Discriminator, Electra, is_encoder_parameter};
use crate::nn::{Mode, Parameters};
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::text::Batch;

/// How the second stage follows the first.
#[derive(Clone, Copy, Debug)]
pub struct StagePlan {
    /// Steps of the first stage.
    pub n_generator_steps: u64,
    /// Whether the discriminator starts as a copy of the generator.
    pub initialise: bool,
    /// Learning rate of the second stage.
    pub schedule: StageSchedule,
    /// What the second stage trains.
    pub second_stage: SecondStage,
    /// λ: weight of the discriminator's loss where both networks are trained.
    pub discriminator_weight: f64,
    /// How the generator is sampled.
    pub sampling: Sampling,
}

/// Generator and discriminator that share nothing and are trained one after the other.
pub struct TwoStage {
    generator: Proposer,
    discriminator: Discriminator,
    parameters: Parameters,
    masker: Masker,
    plan: StagePlan,
}

impl TwoStage {
    /// Makes both networks in `parameters`.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        masker: Masker,
        plan: StagePlan,
    ) -> Result<Self> {
        let Electra { generator, discriminator } = Electra::new(&mut parameters, model, masker.vocab_size())?;
        Ok(Self { generator: Proposer::Network(generator), discriminator, parameters, masker, plan })
    }

    fn trains_generator(&self, step: u64) -> bool {
        step < self.plan.n_generator_steps
    }
}

impl Objective for TwoStage {
    fn masker(&self) -> &Masker {
        &self.masker
    }

    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses> {
        let first_stage = context.training && self.trains_generator(context.step);
        let is_joint = self.plan.second_stage == SecondStage::Joint;
        // A frozen generator has no dropout.
        let mode = if first_stage || is_joint { context.mode(batch) } else { Mode::evaluate() };
        let proposals = self.generator.propose(batch, masked, self.plan.sampling, context, mode)?;
        let mut metrics = DeferredMetrics::default();
        proposals.measure(masked, &mut metrics)?;
        let mut trace = context.trace(|| proposals.trace(masked))?;
        let mlm_loss =
            proposals.loss().ok_or_else(|| Error::internal("two stages need a generator network"))?;
        let mlm_share = batch_share::scale_slot_mean(mlm_loss, masked)?;
        if first_stage {
            metrics.total_loss(&mlm_share, batch)?;
            return Ok(Losses { total: mlm_share, metrics, trace });
        }

        let device = self.parameters.device();
        let replacements = Replacements::new(batch, &masked.positions, &proposals.samples, device)?;
        let logits = self.discriminator.forward(&replacements.tokens, context.mode(batch))?;
        let rtd_loss = binary_cross_entropy(&logits, &replacements.replaced)?;
        metrics.loss("rtd_loss", &rtd_loss, batch.n_tokens() as f64)?;
        measure_detection(&logits, &replacements.replaced, &mut metrics)?;
        trace.extend(context.trace(|| replacements.trace_detection(&logits, &rtd_loss))?);
        let rtd_share = batch_share::scale_token_mean(&rtd_loss, batch)?;
        let total = match (is_joint, context.training) {
            (true, _) => ((rtd_share * self.plan.discriminator_weight)? + mlm_share)?,
            (false, true) => rtd_share,
            (false, false) => (rtd_share + mlm_share)?,
        };
        metrics.total_loss(&total, batch)?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn scorers(&self) -> TokenScorers<'_> {
        let one_pass = vec![OnePassScorer::discriminator(&self.discriminator)];
        TokenScorers {
            one_pass,
            masked: self.generator.network().map(MaskedScorer::generator).into_iter().collect(),
        }
    }

    fn stage(&self, step: u64, n_steps: u64) -> StageSpan {
        let StagePlan { n_generator_steps, schedule, .. } = self.plan;
        let (first, steps) = match self.trains_generator(step) {
            true => (0, n_generator_steps),
            false => (n_generator_steps, n_steps.saturating_sub(n_generator_steps)),
        };
        match schedule {
            StageSchedule::Restart => StageSpan { first, schedule_first: first, schedule_steps: steps },
            StageSchedule::Single => StageSpan { first, schedule_first: 0, schedule_steps: n_steps },
        }
    }

    fn begin_stage(&self) -> Result<()> {
        if !self.plan.initialise {
            return Ok(());
        }
        let from_generator = |name: &str| {
            let own = self
                .parameters
                .iter()
                .find(|parameter| parameter.name.strip_prefix("generator.").is_some_and(|rest| rest == name));
            own.map(|parameter| parameter.var.as_detached_tensor())
        };
        self.parameters.load(is_encoder_parameter, from_generator)
    }

    fn trains(&self, step: u64, parameter: &str) -> bool {
        match (self.trains_generator(step), self.plan.second_stage) {
            (true, _) => parameter.starts_with("generator."),
            (false, SecondStage::Discriminator) => !parameter.starts_with("generator."),
            (false, SecondStage::Joint) => true,
        }
    }
}
