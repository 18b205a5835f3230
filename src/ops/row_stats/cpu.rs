//! Softmax statistics on the CPU.

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::outputs::Outputs;
use super::sampler::Sampler;
use crate::ops::cpu::vector;
use crate::ops::entropy::entropy_of;

/// The statistics of all rows.
pub struct RowStats {
    /// log Σ exp. `[M]`
    pub log_sums: Vec<f32>,
    best: Vec<u32>,
    entropy: f32,
    samples: Option<Vec<u32>>,
}

impl RowStats {
    /// The statistics of row-major logits of `classes` classes.
    pub fn new(logits: &[f32], classes: usize, sampler: Option<Sampler>) -> Self {
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

    /// The statistics that callers read, as tensors, with the cross-entropies of the rows' targets.
    pub fn outputs(&self, losses: impl Iterator<Item = f64>) -> Result<Outputs> {
        let losses: Vec<f32> = losses.map(|loss| loss as f32).collect();
        let losses = Tensor::from_slice(&losses, losses.len(), &Device::Cpu)?;
        let entropy = Tensor::new(self.entropy, &Device::Cpu)?;
        let samples = self.samples.as_deref().map(classes_tensor).transpose()?;
        Ok(Outputs { losses, best: classes_tensor(&self.best)?, entropy, samples })
    }
}

/// A tensor of u32 in host memory.
pub fn classes_tensor(values: &[u32]) -> Result<Tensor> {
    Tensor::from_slice(values, values.len(), &Device::Cpu)
}

/// The index at which `max` stands first in a row.
pub fn argmax(row: &[f32], max: f32) -> u32 {
    row.iter().position(|&logit| logit == max).unwrap_or(0) as u32
}

struct Row {
    log_sum: f32,
    entropy: f32,
    best: u32,
    sample: Option<u32>,
}

/// The statistics of one row. `powers` is scratch memory for the exponential of every logit less the largest.
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
    Row { log_sum: max + sum.ln(), entropy: entropy_of(sum, weighted), best: argmax(logits, max), sample }
}
