//! How a class is drawn from a row of logits.
//!
//! Each row compares one uniform number of 53 bits with the cumulative sum of
//! exp((logit - max) / temperature), so that every class has its exact probability, however rare. (Gumbel
//! noise of limited range never draws the tail of 30,522 tokens.)

use crate::ops::cpu::vector;
use crate::rng::{Purpose, Stream};

/// Number of classes whose weights are summed first. The search then enters one such block.
const BLOCK: usize = 256;

/// How a class is drawn for each row: row i takes stream (seed, Sample, step, first + i).
#[derive(Clone, Copy, Debug)]
pub struct Sampler {
    /// Divides the logits; 1 is the softmax itself.
    pub temperature: f64,
    /// Seed of the trial.
    pub seed: u64,
    /// The step, or the number of a held-out batch.
    pub step: u64,
    /// Stream of the first row.
    pub first: u64,
}

impl Sampler {
    /// Writes the classes' probabilities, not yet divided by their sum; `max` is the largest logit.
    pub fn weigh(&self, logits: &[f32], max: f32, weights: &mut [f32]) {
        let sharpness = 1.0 / self.temperature as f32;
        vector::vectorized!(|| {
            for (weight, &logit) in weights.iter_mut().zip(logits) {
                *weight = vector::exp((logit - max) * sharpness);
            }
        });
    }

    /// A class of row `row` by its weights.
    pub fn draw(&self, weights: &[f32], row: usize) -> u32 {
        pick(weights, Stream::new(self.seed, Purpose::Sample, self.step, self.first + row as u64).uniform())
    }
}

/// The class at which the cumulative probability passes `uniform`.
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
            // Rounding can leave a remainder; the block's last class gets it.
            return (block * BLOCK + weights.len() - 1) as u32;
        }
        left -= sum;
    }
    weights.len().saturating_sub(1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

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
