//! What the softmax of every row of logits tells, in one pass over the row while it is in the cache.
//!
//! logits [M, V] → for each row its log-sum, its most probable class and, where asked for, a sample; and the mean entropy. The
//! same bits as `cross_entropy`, `most_probable`, `sample` and `entropy` one after the other, which read the logits
//! five times and raise every one to an exponential four times. Not differentiable: `cross_entropy_of` takes
//! the log-sums and is.

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::cross_entropy::cross_entropy_of;
use super::entropy::{entropy, entropy_of};
use super::sampling::{Sampler, largest, most_probable, sample};
use super::{cross_entropy, fused, host, vector};

/// Loss, measures and samples of rows of logits, on the logits' device: reading them there waits for it.
pub struct Readings {
    /// Mean cross-entropy of the targets, differentiable. []
    pub loss: Tensor,
    /// The most probable class of every row, the first of equals. [M], u32
    pub best: Tensor,
    /// Mean entropy of the rows, in nats. [], f32
    pub entropy: Tensor,
    /// A sample of every row, where a sampler was given. [M], u32
    pub samples: Option<Tensor>,
}

/// Reads rows of logits, each with its target class.
pub fn read(logits: &Tensor, targets: &[u32], sampler: Option<Sampler>) -> Result<Readings> {
    let (rows, classes) = logits.dims2()?;
    cross_entropy::check(rows, classes, targets)?;
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(logits) {
        return super::gpu::tensors::readings::read(logits, targets, sampler);
    }
    if !fused(logits) {
        return reference(logits, targets, sampler);
    }
    let logits = logits.contiguous()?;
    let rows = host::with(&logits, |logits| Ok(Rows::of(logits, classes, sampler)))?;
    let loss = cross_entropy_of(&logits, &targets.into(), rows.log_sums.clone())?;
    rows.readings(loss)
}

/// What one pass over the rows tells.
pub(super) struct Rows {
    log_sums: Vec<f32>,
    best: Vec<u32>,
    entropy: f32,
    samples: Option<Vec<u32>>,
}

impl Rows {
    /// Of row-major logits of so many classes.
    pub fn of(logits: &[f32], classes: usize, sampler: Option<Sampler>) -> Self {
        let rows = logits.par_chunks_exact(classes).enumerate();
        let rows: Vec<Row> =
            rows.map_init(Vec::new, |powers, (row, logits)| read_row(logits, row, sampler, powers)).collect();
        let total: f64 = rows.iter().map(|row| f64::from(row.entropy)).sum();
        Self {
            log_sums: rows.iter().map(|row| row.log_sum).collect(),
            best: rows.iter().map(|row| row.best).collect(),
            entropy: (total / rows.len() as f64) as f32,
            samples: sampler.map(|_| rows.iter().filter_map(|row| row.sample).collect()),
        }
    }

    /// log Σ exp of every row.
    pub fn log_sums(&self) -> &[f32] {
        &self.log_sums
    }

    /// Beside their loss.
    pub fn readings(&self, loss: Tensor) -> Result<Readings> {
        let entropy = Tensor::new(self.entropy, &Device::Cpu)?;
        let samples = self.samples.as_deref().map(words).transpose()?;
        Ok(Readings { loss, best: words(&self.best)?, entropy, samples })
    }
}

/// The same from the operations of this folder.
pub fn reference(logits: &Tensor, targets: &[u32], sampler: Option<Sampler>) -> Result<Readings> {
    Ok(Readings {
        loss: cross_entropy::cross_entropy(logits, &targets.into())?,
        best: words(&most_probable(logits)?)?,
        entropy: entropy(&logits.detach())?.to_dtype(candle_core::DType::F32)?,
        samples: sampler.map(|sampler| sample(logits, sampler)).transpose()?,
    })
}

fn words(values: &[u32]) -> Result<Tensor> {
    Tensor::from_slice(values, values.len(), &Device::Cpu)
}

struct Row {
    log_sum: f32,
    entropy: f32,
    best: u32,
    sample: Option<u32>,
}

/// `powers` is room for e to the power of every logit less the largest.
fn read_row(logits: &[f32], row: usize, sampler: Option<Sampler>, powers: &mut Vec<f32>) -> Row {
    powers.resize(logits.len(), 0.0);
    let (max, sum, weighted) = vector::vectorized!(|| {
        let max = vector::max(logits);
        for (power, &logit) in powers.iter_mut().zip(logits) {
            *power = vector::exp(logit - max);
        }
        let sum = vector::sum(powers.len(), |i| powers[i]);
        (max, sum, vector::sum(powers.len(), |i| powers[i] * (logits[i] - max)))
    });
    let sample = sampler.map(|sampler| {
        if sampler.temperature != 1.0 {
            sampler.weigh(logits, max, powers);
        }
        sampler.draw(powers, row)
    });
    Row { log_sum: max + sum.ln(), entropy: entropy_of(sum, weighted), best: largest(logits, max), sample }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    fn numbers(tensor: &Tensor) -> Vec<u32> {
        tensor.to_vec1().unwrap()
    }

    #[test]
    fn one_pass_is_the_operations_to_the_bit() {
        let logits = (testing::tensor(&[7, 1000], 1) * 3.0).unwrap();
        let targets = [0, 999, 3, 3, 500, 17, 256];
        let sampler = |temperature| Some(Sampler { temperature, seed: 3, step: 9, first: 0 });
        for sampler in [None, sampler(1.0), sampler(0.5), sampler(2.0)] {
            let (one, many) =
                (read(&logits, &targets, sampler).unwrap(), reference(&logits, &targets, sampler).unwrap());
            let loss = |readings: &Readings| readings.loss.to_scalar::<f32>().unwrap().to_bits();
            assert_eq!(loss(&one), loss(&many));
            let entropy = |readings: &Readings| readings.entropy.to_scalar::<f32>().unwrap().to_bits();
            assert_eq!(entropy(&one), entropy(&many));
            let samples = |readings: &Readings| readings.samples.as_ref().map(numbers);
            assert_eq!((numbers(&one.best), samples(&one)), (numbers(&many.best), samples(&many)));
            assert_eq!(samples(&one).map(|samples| samples.len()), sampler.map(|_| 7));
        }
    }

    #[test]
    fn the_loss_has_the_gradient_of_the_reference() {
        let logits = (testing::tensor(&[5, 51], 1) * 3.0).unwrap();
        let targets = [0, 3, 50, 7, 7];
        testing::compare(
            &[logits],
            |t| Ok(read(&t[0], &targets, None)?.loss),
            |t| cross_entropy::reference(&t[0], &targets),
        );
    }
}
