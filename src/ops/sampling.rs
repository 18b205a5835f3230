//! The most probable class of each row of logits, or one drawn from its softmax. Not differentiable.
//!
//! logits `[M, V]` → M classes.

use candle_core::{DType, Device, Result, Tensor};
use rayon::prelude::*;

use super::backend::CudaBackend;
use super::cpu::{host, vector};
pub use super::row_stats::Sampler;
use super::row_stats::cpu::argmax;
use super::row_stats::cuda;

/// Draws a class for every row, `[M]`, u32: on a CUDA device where the logits lie there, else in host memory.
pub fn sample(logits: &Tensor, sampler: Sampler) -> Result<Tensor> {
    if let Some(backend) = CudaBackend::of(logits)? {
        let stats = cuda::read(&backend, &logits.contiguous()?, Some(sampler))?;
        return Ok(backend.tensor_u32(stats.samples, logits.dim(0)?));
    }
    let (n, classes) = logits.dims2()?;
    let logits = on_host(logits)?;
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

/// The most probable class of every row of logits `[M, V]`; the first of equals. Waits for the logits'
/// device.
pub fn most_probable(logits: &Tensor) -> Result<Vec<u32>> {
    let (n, classes) = logits.dims2()?;
    if let Some(backend) = CudaBackend::of(logits)? {
        if n == 0 {
            return Ok(Vec::new());
        }
        let stats = cuda::read(&backend, &logits.contiguous()?, None)?;
        return backend.tensor_u32(stats.best, n).to_vec1();
    }
    let logits = on_host(logits)?;
    host::with(&logits, |logits| {
        let best = |row: &[f32]| argmax(row, vector::vectorized!(|| vector::max(row)));
        Ok(logits.par_chunks_exact(classes).map(best).collect())
    })
}

/// A copy in host memory, in f32.
fn on_host(logits: &Tensor) -> Result<Tensor> {
    logits.detach().to_device(&Device::Cpu)?.to_dtype(DType::F32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trap 15 of `tests/suite/traps.rs`: one class with half of the probability, 30,521 classes that share
    /// the rest. Pearson's chi-square over the peak and ten slices of the tail.
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

    /// Trap 15 of `tests/suite/traps.rs`: of 100 equal classes the first and the last are drawn as often as
    /// any. Noise of a limited range never draws them.
    #[test]
    fn both_ends_of_the_vocabulary_are_drawn() {
        let (rows, classes) = (10_000, 100);
        let logits = Tensor::zeros((rows, classes), DType::F32, &Device::Cpu).unwrap();
        let drawn = sample(&logits, Sampler { temperature: 1.0, seed: 1, step: 0, first: 0 }).unwrap();
        let drawn = drawn.to_vec1::<u32>().unwrap();
        for class in [0, classes as u32 - 1] {
            let count = drawn.iter().filter(|&&other| other == class).count();
            // 100 expected, with a standard deviation of 10.
            assert!((60..140).contains(&count), "class {class} was drawn {count} times of {rows}");
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
}
