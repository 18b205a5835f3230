//! Replaced-token detection, ELECTRA's objective (§2), and its variant ELECTRA 15% (§3.5).
//!
//! A generator predicts the masked tokens, by cross-entropy at the masked positions, and its samples replace
//! them. The discriminator predicts for every token, `[CLS]` and `[SEP]` included, whether it was replaced,
//! by binary cross-entropy over all tokens (over the masked ones only in ELECTRA 15%). A sample that equals
//! the original counts as original. The samples are constants: no gradient of the discriminator reaches the
//! generator, except through parameters that both share. Without a generator network the discriminator's loss
//! is the only one.

use candle_core::Tensor;

use super::batch_share;
use super::deferred_metrics::DeferredMetrics;
use super::detection::measure_detection;
use super::interface::Objective;
use super::masking::{MaskProbabilities, Masked, Masker};
use super::proposals::{Proposer, Replacements, Sampling};
use super::scoring::{MaskedScorer, OnePassScorer, TokenScorers};
use super::step::{Losses, StepContext};
use crate::error::Result;
use crate::experiment::{ModelSpec, Normalise};
use crate::model::{Discriminator, Electra, EncoderNetwork};
use crate::nn::Parameters;
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::ops::gather::gather;
use crate::text::Batch;

/// Every chosen token becomes `[MASK]`.
pub const PAPER: MaskProbabilities = MaskProbabilities { mask: 1.0, random: 0.0 };

/// Numbers of the objective.
#[derive(Clone, Copy, Debug)]
pub struct RtdWeights {
    /// λ: weight of the discriminator's loss. The generator's loss has weight 1.
    pub discriminator: f64,
    /// How replacements are drawn.
    pub sampling: Sampling,
    /// The tokens that the discriminator's loss covers.
    pub judged: Judged,
}

/// The tokens that the discriminator's loss covers.
#[derive(Clone, Copy, Debug)]
pub enum Judged {
    /// All tokens, by a mean.
    AllTokens,
    /// The masked positions, each once, by a sum that is divided as the choice says.
    Masked(Normalise),
}

/// Generator and discriminator, trained together.
pub struct ReplacedTokenDetection {
    generator: Proposer,
    discriminator: Discriminator,
    parameters: Parameters,
    masker: Masker,
    weights: RtdWeights,
}

impl ReplacedTokenDetection {
    /// Makes both networks in `parameters`. If replacements come from a table, it makes the discriminator
    /// alone.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        masker: Masker,
        weights: RtdWeights,
        table: Option<Proposer>,
    ) -> Result<Self> {
        let vocab = masker.vocab_size();
        let (generator, discriminator) = match table {
            None => {
                let Electra { generator, discriminator } = Electra::new(&mut parameters, model, vocab)?;
                (Proposer::Network(generator), discriminator)
            }
            Some(table) => {
                let network = EncoderNetwork::of_spec(model, vocab);
                (table, Discriminator::new(&mut parameters, &network)?)
            }
        };
        Ok(Self { generator, discriminator, parameters, masker, weights })
    }
}

impl Objective for ReplacedTokenDetection {
    fn masker(&self) -> &Masker {
        &self.masker
    }

    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses> {
        let Self { discriminator, weights, .. } = self;
        let mode = context.mode(batch);
        let proposals = self.generator.propose(batch, masked, weights.sampling, context, mode)?;

        let device = self.parameters.device();
        let replacements = Replacements::new(batch, &masked.positions, &proposals.samples, device)?;
        let (logits, replaced) = (discriminator.forward(&replacements.tokens, mode)?, &replacements.replaced);
        let (rtd_loss, n_judged) = match weights.judged {
            Judged::AllTokens => (binary_cross_entropy(&logits, replaced)?, batch.n_tokens()),
            Judged::Masked(_) => masked_detection_loss(&logits, replaced, &masked.positions)?,
        };
        let divisor = match weights.judged {
            Judged::Masked(Normalise::Masked) => masked.full_batch.distinct,
            Judged::AllTokens | Judged::Masked(Normalise::AllTokens) => batch.full_batch().n_tokens(),
        };
        let rtd_share = batch_share::scale_to_full_batch(&rtd_loss, n_judged, divisor)?;
        let weighted = (rtd_share * weights.discriminator)?;
        let total = match proposals.loss() {
            Some(mlm_loss) => (batch_share::scale_slot_mean(mlm_loss, masked)? + weighted)?,
            None => weighted,
        };

        let mut metrics = DeferredMetrics::default();
        proposals.measure(masked, &mut metrics)?;
        metrics.loss("rtd_loss", &rtd_loss, n_judged as f64)?;
        metrics.total_loss(&total, batch)?;
        measure_detection(&logits, replaced, &mut metrics)?;
        let trace = context.trace(|| {
            let mut trace = proposals.trace(masked)?;
            trace.extend(replacements.trace_detection(&logits, &rtd_loss)?);
            Ok(trace)
        })?;
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
}

/// Mean binary cross-entropy of logits `[T]` over the masked positions (ascending), and how many positions it
/// covers. A position that was drawn twice counts once.
fn masked_detection_loss(logits: &Tensor, replaced: &Tensor, positions: &[u32]) -> Result<(Tensor, usize)> {
    let mut positions = positions.to_vec();
    positions.dedup();
    let at_positions = |all: &Tensor| gather(&all.unsqueeze(1)?, &positions)?.squeeze(1);
    let loss = binary_cross_entropy(&at_positions(logits)?, &at_positions(replaced)?)?;
    Ok((loss, positions.len()))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::experiment::{Masking, Sharing};
    use crate::objective::masking::tests::vocabulary;
    use crate::objective::proposals::Temperature;
    use crate::objective::step::u32_tensor;
    use crate::ops::corruption::place_samples;

    const WEIGHTS: RtdWeights = RtdWeights {
        discriminator: 50.0,
        sampling: Sampling { temperature: Temperature::constant(1.0), disallow_correct: false },
        judged: Judged::AllTokens,
    };

    fn masker(masking: Masking, size: usize) -> Masker {
        Masker::new(masking, 0.15, 128, &vocabulary(size), PAPER)
    }

    fn objective(sharing: Sharing) -> ReplacedTokenDetection {
        with_masking(sharing, Masking::Paper)
    }

    fn with_masking(sharing: Sharing, masking: Masking) -> ReplacedTokenDetection {
        let model = ModelSpec {
            hidden: Some(16),
            layers: Some(2),
            heads: Some(2),
            embedding: Some(8),
            positions: 32,
            generator_ratio: 0.5,
            sharing,
            ..Default::default()
        };
        let parameters = Parameters::new(3, &Device::Cpu);
        ReplacedTokenDetection::new(parameters, &model, masker(masking, 50), WEIGHTS, None).unwrap()
    }

    fn batch() -> Batch {
        let mut batch = Batch::new();
        for start in 0..6u32 {
            let mut ids = vec![2];
            ids.extend((0..20).map(|i| 5 + (start * 7 + i * 3) % 45));
            ids.push(3);
            batch.push(&ids, &vec![0; ids.len()]);
        }
        batch
    }

    const CONTEXT: StepContext = StepContext { seed: 1, step: 5, training: true, trace: true };

    /// The guard against candle's silently dropped gradients.
    #[test]
    fn every_parameter_gets_a_gradient() {
        for (sharing, masking) in [
            (Sharing::None, Masking::Paper),
            (Sharing::Embeddings, Masking::Paper),
            (Sharing::Embeddings, Masking::ReleasedCode),
        ] {
            let objective = with_masking(sharing, masking);
            let grads = objective.parameters().gradients(&objective.losses(&batch(), CONTEXT).unwrap().total);
            for parameter in objective.parameters().iter() {
                let grad =
                    grads.get(&parameter.name).unwrap_or_else(|| panic!("{} has none", parameter.name));
                let largest = grad.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(largest > 0.0, "{} has a zero gradient", parameter.name);
            }
        }
    }

    /// Trap 9 of `tests/suite/traps.rs`: the discriminator's loss must not reach the generator's own
    /// parameters.
    #[test]
    fn the_discriminator_does_not_train_the_generator() {
        let objective = objective(Sharing::Embeddings);
        let with_full = objective.parameters().gradients(&objective.losses(&batch(), CONTEXT).unwrap().total);
        let quieter = RtdWeights { discriminator: 25.0, ..WEIGHTS };
        let halved = ReplacedTokenDetection { weights: quieter, ..objective };
        let with_half = halved.parameters().gradients(&halved.losses(&batch(), CONTEXT).unwrap().total);
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for parameter in halved.parameters().iter() {
            let (a, b) = (&with_full[&parameter.name], &with_half[&parameter.name]);
            if parameter.name.starts_with("generator.") {
                assert_eq!(values(a), values(b), "{}", parameter.name);
            } else {
                assert_ne!(values(a), values(b), "{}", parameter.name);
            }
        }
    }

    fn corrupt(batch: &Batch, positions: &[u32], samples: &[u32]) -> (Vec<u32>, Vec<bool>) {
        let samples = u32_tensor(samples).unwrap();
        let replacements = Replacements::new(batch, positions, &samples, &Device::Cpu).unwrap();
        (replacements.ids().unwrap(), replacements.flags().unwrap())
    }

    /// Traps 8, 10, 11 and 13 of `tests/suite/traps.rs`: a replaced token has label 1, and a sample that
    /// equals the original has label 0. No `[MASK]` is left. Every token has a label, `[CLS]` and `[SEP]`
    /// too.
    #[test]
    fn corruption_by_hand() {
        let mut batch = Batch::new();
        batch.push(&[2, 10, 11, 12, 3], &[0; 5]);
        batch.push(&[2, 20, 3], &[0; 3]);
        let (corrupted, replaced) = corrupt(&batch, &[1, 3, 6], &[10, 40, 41]);
        assert_eq!(corrupted, [2, 10, 11, 40, 3, 2, 41, 3]);
        assert_eq!(replaced, [false, false, false, true, false, false, true, false]);
    }

    /// Two samples for one position average to a third token. If the average is the original, it counts as
    /// original although neither sample was.
    #[test]
    fn corruption_by_the_released_code_by_hand() {
        let mut batch = Batch::new();
        batch.push(&[2, 10, 11, 12, 3], &[0; 5]);
        let (corrupted, replaced) = corrupt(&batch, &[1, 1, 2, 2, 3], &[20, 23, 8, 15, 12]);
        assert_eq!(corrupted, [2, 21, 11, 12, 3]);
        assert_eq!(replaced, [false, true, false, false, false]);
    }

    /// Trap 11 of `tests/suite/traps.rs`: before the discriminator reads the text, samples replace every
    /// token that the generator read as `[MASK]` or that the released code drew and left in place. Everything
    /// else is the original.
    #[test]
    fn the_discriminator_reads_samples_where_the_generator_read_masks() {
        for masking in [Masking::Paper, Masking::ReleasedCode] {
            let (objective, mut unmasked_slots) = (with_masking(Sharing::Embeddings, masking), 0);
            for step in 0..20 {
                let batch = batch();
                let losses = objective.losses(&batch, StepContext { step, ..CONTEXT }).unwrap();
                let traced = |wanted: &str| -> Vec<u32> {
                    let (_, tensor) = losses.trace.iter().find(|(name, _)| *name == wanted).unwrap();
                    tensor.to_vec1().unwrap()
                };
                let (positions, samples) = (traced("masked_positions"), traced("samples"));
                let (generator, discriminator) = (traced("generator_input"), traced("discriminator_input"));
                assert_eq!(discriminator, place_samples(&batch.input_ids, &positions, &samples));
                for (position, &now) in discriminator.iter().enumerate() {
                    let slots = positions.iter().zip(&samples).filter(|(p, _)| **p == position as u32);
                    let sampled_a_mask = slots.clone().any(|(_, sample)| *sample == 4);
                    if slots.clone().next().is_none() {
                        assert_eq!(
                            (now, generator[position]),
                            (batch.input_ids[position], batch.input_ids[position])
                        );
                    } else if generator[position] != 4 {
                        unmasked_slots += 1;
                    }
                    let averaged = slots.count() > 1;
                    assert!(now != 4 || sampled_a_mask || averaged, "[MASK] at {position}");
                    assert_eq!(traced("labels")[position], u32::from(now != batch.input_ids[position]));
                }
            }
            assert_eq!(unmasked_slots > 0, masking == Masking::ReleasedCode);
        }
    }

    /// Trap 13 of `tests/suite/traps.rs`: the mean over every real token of the batch, `[CLS]` and `[SEP]`
    /// too. It is not a mean over masked tokens, and not a mean of the sequences' means.
    #[test]
    fn the_loss_is_a_mean_over_all_tokens() {
        let mut batch = Batch::new();
        for words in [3u32, 1, 9] {
            let ids: Vec<u32> = [2].into_iter().chain(10..10 + words).chain([3]).collect();
            batch.push(&ids, &vec![0; ids.len()]);
        }
        let losses = objective(Sharing::Embeddings).losses(&batch, CONTEXT).unwrap();
        let traced = |wanted: &str| losses.trace.iter().find(|(name, _)| *name == wanted).unwrap().1.clone();
        let logits: Vec<f32> = traced("discriminator_logits").to_vec1().unwrap();
        let labels: Vec<u32> = traced("labels").to_vec1().unwrap();
        assert_eq!((logits.len(), labels.len()), (19, 19));
        let of = |(&logit, &label): (&f32, &u32)| {
            let replaced = 1.0 / (1.0 + (-f64::from(logit)).exp());
            -(if label == 1 { replaced } else { 1.0 - replaced }).ln()
        };
        let mean = logits.iter().zip(&labels).map(of).sum::<f64>() / 19.0;
        let ours = f64::from(traced("rtd_loss").to_scalar::<f32>().unwrap());
        assert!((ours - mean).abs() < 1e-6, "{ours} against {mean}");
    }

    /// Trap 8 of `tests/suite/traps.rs`: the loss rewards positive logits on replaced tokens.
    #[test]
    fn training_raises_the_logits_of_replaced_tokens() {
        let logits = candle_core::Var::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
        let labels = Tensor::new(&[0f32, 1.0, 0.0], &Device::Cpu).unwrap();
        let loss = binary_cross_entropy(&logits, &labels).unwrap();
        let gradient = loss.backward().unwrap().get(&logits).unwrap().to_vec1::<f32>().unwrap();
        assert!(gradient[0] > 0.0 && gradient[1] < 0.0 && gradient[2] > 0.0, "{gradient:?}");
    }

    /// Loss and gradients at a size where gemm and every kernel run on several threads.
    #[test]
    fn the_bits_do_not_depend_on_the_threads() {
        let model = ModelSpec { layers: Some(1), positions: 128, ..Default::default() };
        let mut batch = Batch::new();
        for sequence in 0..10u32 {
            let ids: Vec<u32> = (0..113 + sequence).map(|i| 5 + (sequence * 31 + i * i) % 900).collect();
            batch.push(&ids, &vec![0; ids.len()]);
        }
        let step = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let parameters = Parameters::new(3, &Device::Cpu);
                let masker = masker(Masking::Paper, 1000);
                let objective =
                    ReplacedTokenDetection::new(parameters, &model, masker, WEIGHTS, None).unwrap();
                let total = objective.losses(&batch, CONTEXT).unwrap().total;
                let grads = objective.parameters().gradients(&total);
                let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let of = |p: &crate::nn::Parameter| values(&grads[&p.name]);
                (
                    values(&total.unsqueeze(0).unwrap()),
                    objective.parameters().iter().map(of).collect::<Vec<_>>(),
                )
            })
        };
        let one = step(1);
        for threads in [2, 3] {
            assert!(step(threads) == one, "{threads} threads");
        }
    }

    #[test]
    fn the_same_step_gives_the_same_numbers_and_another_step_does_not() {
        let objective = objective(Sharing::Embeddings);
        let total = |context| objective.losses(&batch(), context).unwrap().total.to_scalar::<f32>().unwrap();
        assert_eq!(total(CONTEXT), total(CONTEXT));
        assert_ne!(total(CONTEXT), total(StepContext { step: 6, ..CONTEXT }));
        assert_ne!(total(CONTEXT), total(StepContext { seed: 2, ..CONTEXT }));
        assert_ne!(total(CONTEXT), total(StepContext { training: false, ..CONTEXT }));
    }
}
