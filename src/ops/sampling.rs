//! Draws one class a row from the softmax of logits. Not differentiable.
//!
//! logits [M, V] → M classes. One uniform number of 53 bits a row against the cumulative sum of
//! exp((logit - max) / temperature), so that every class has its exact probability, however rare (Gumbel noise
//! of limited range never draws the tail of 30,522 tokens).

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::{host, vector};
use crate::rng::{Purpose, Stream};

/// Classes whose weights are summed before the walk looks inside.
const BLOCK: usize = 256;

/// How a class is drawn for each row: row i takes stream (seed, Sample, step, first + i).
#[derive(Clone, Copy, Debug)]
pub struct Sampler {
    /// Divides the logits; 1 is the softmax itself.
    pub temperature: f64,
    /// Seed of the trial.
    pub seed: u64,
    /// Step, or what stands for it.
    pub step: u64,
    /// Stream of the first row.
    pub first: u64,
}

/// Draws a class for every row, [M], u32: on a CUDA device of logits that lie there.
pub fn sample(logits: &Tensor, sampler: Sampler) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(logits) {
        return super::gpu::tensors::readings::sample(logits, sampler);
    }
    let (n, classes) = logits.dims2()?;
    let logits = logits.detach().to_device(&Device::Cpu)?.to_dtype(candle_core::DType::F32)?;
    host::with(&logits, |logits| {
        let rows = logits.par_chunks_exact(classes).enumerate();
        let drawn = rows.map_init(Vec::new, |weights, (row, logits)| {
            let max = vector::vectorized!(|| vector::max(logits));
            weights.resize(classes, 0.0);
            sampler.weigh(logits, max, weights);
            sampler.draw(weights, row)
        });
        Tensor::from_vec(drawn.collect(), n, &Device::Cpu)
    })
}

/// The most probable class of every row of logits [M, V]; the first of equals.
pub fn most_probable(logits: &Tensor) -> Result<Vec<u32>> {
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(logits) {
        return super::gpu::tensors::readings::most_probable(logits);
    }
    let (_, classes) = logits.dims2()?;
    let logits = logits.detach().to_device(&Device::Cpu)?.to_dtype(candle_core::DType::F32)?;
    host::with(&logits, |logits| {
        let best = |row: &[f32]| largest(row, vector::vectorized!(|| vector::max(row)));
        Ok(logits.par_chunks_exact(classes).map(best).collect())
    })
}

/// Where `max` stands first in a row.
pub(super) fn largest(row: &[f32], max: f32) -> u32 {
    row.iter().position(|&logit| logit == max).unwrap_or(0) as u32
}

impl Sampler {
    /// Writes the classes' shares, not yet divided by their sum; `max` is the largest logit.
    pub(super) fn weigh(&self, logits: &[f32], max: f32, weights: &mut [f32]) {
        let sharpness = 1.0 / self.temperature as f32;
        vector::vectorized!(|| {
            for (weight, &logit) in weights.iter_mut().zip(logits) {
                *weight = vector::exp((logit - max) * sharpness);
            }
        });
    }

    /// A class of row `row` by its weights.
    pub(super) fn draw(&self, weights: &[f32], row: usize) -> u32 {
        pick(weights, Stream::new(self.seed, Purpose::Sample, self.step, self.first + row as u64).uniform())
    }
}

/// The class at which the cumulative share passes `uniform`.
fn pick(weights: &[f32], uniform: f64) -> u32 {
    let sums: Vec<f64> = vector::vectorized!(|| {
        weights.chunks(BLOCK).map(|block| f64::from(vector::sum(block.len(), |i| block[i]))).collect()
    });
    let mut left = uniform * sums.iter().sum::<f64>();
    for (sum, (block, weights)) in sums.iter().zip(weights.chunks(BLOCK).enumerate()) {
        if left < *sum {
            for (i, &weight) in weights.iter().enumerate() {
                left -= f64::from(weight);
                if left < 0.0 {
                    return (block * BLOCK + i) as u32;
                }
            }
            // Rounding left a sliver of the block's sum: it belongs to its last class.
            return (block * BLOCK + weights.len() - 1) as u32;
        }
        left -= sum;
    }
    weights.len().saturating_sub(1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts, trap 15: one class with half of the probability, 30,521 classes that share the rest.
    /// Pearson's chi-square over the peak and ten slices of the tail.
    fn chi_square(temperature: f64) -> f64 {
        let classes = 30_522;
        let peak = (classes as f64 - 1.0).ln() as f32;
        let n = 4_000;
        let mut row = vec![0f32; classes];
        row[123] = peak;
        let logits = Tensor::from_vec(row, (1, classes), &Device::Cpu).unwrap();
        let slice = |class: u32| if class == 123 { 10 } else { class as usize * 10 / classes };
        let mut counts = [0f64; 11];
        for step in 0..n {
            let samples = sample(&logits, Sampler { temperature, seed: 1, step, first: 0 }).unwrap();
            assert_eq!(most_probable(&logits).unwrap(), [123]);
            counts[slice(samples.to_vec1().unwrap()[0])] += 1.0;
        }
        let peak_weight = (f64::from(peak) / temperature).exp();
        let total = peak_weight + classes as f64 - 1.0;
        let mut weights = [0f64; 11];
        for class in 0..classes as u32 {
            weights[slice(class)] += if class == 123 { peak_weight } else { 1.0 };
        }
        counts
            .iter()
            .zip(weights)
            .map(|(&count, weight)| {
                let expected = n as f64 * weight / total;
                (count - expected).powi(2) / expected
            })
            .sum()
    }

    #[test]
    fn samples_follow_the_softmax_at_both_temperatures() {
        // 99.99 % quantile of chi-square with 10 degrees of freedom: 35.6.
        for temperature in [1.0, 2.0] {
            let statistic = chi_square(temperature);
            assert!(statistic < 35.6, "chi-square {statistic} at temperature {temperature}");
        }
    }

    #[test]
    fn some_of_the_rows_are_drawn_as_all_are() {
        let logits = crate::ops::testing::tensor(&[40, 900], 3);
        let of = |logits: &Tensor, first| {
            let drawn = sample(logits, Sampler { temperature: 1.0, seed: 1, step: 2, first }).unwrap();
            drawn.to_vec1::<u32>().unwrap()
        };
        assert_eq!(of(&logits, 0)[17..29], of(&logits.narrow(0, 17, 12).unwrap(), 17));
    }

    #[test]
    fn the_ends_of_the_unit_interval_stay_in_range() {
        let weights = vec![0.5f32; 700];
        assert_eq!((pick(&weights, 0.0), pick(&weights, 1.0 - 1e-16)), (0, 699));
        let sampler = Sampler { temperature: 1.0, seed: 1, step: 1, first: 0 };
        let mut weights = [0.0; 3];
        sampler.weigh(&[-1e30, 3.0, -1e30], 3.0, &mut weights);
        assert_eq!(pick(&weights, 0.5), 1);
    }
}
