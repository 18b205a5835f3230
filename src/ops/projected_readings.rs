//! Readings of the softmax over a vocabulary behind an output matrix: `linear` and `readings` in one operation.
//!
//! x [M, E], w [V, E], b [V] → what `readings` tells of the rows of z = x · wᵀ + b. The same bits. z is the largest tensor of a step,
//! and nobody reads it twice: it lies in a buffer of this operation, the backward pass writes its gradient over it, and candle
//! neither copies that gradient nor adds it to zeros. Cost: 2·M·E·V FLOPs forward, twice that backward.

use std::sync::{Arc, Mutex, OnceLock};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::buffers::Buffer;
use super::cross_entropy::{check, mean_loss, turn_row};
use super::linear::{Gradients, Operands, dense_gradients, dense_into};
use super::matmul::View;
use super::readings::{Readings, Rows, read};
use super::sampling::Sampler;
use super::{Precision, fused, linear};

/// Reads the rows of x · wᵀ + b, each with its target class.
pub fn read_projected(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    targets: &[u32],
    sampler: Option<Sampler>,
    precision: Precision,
) -> Result<Readings> {
    check(x.dim(0)?, weight.dim(0)?, targets)?;
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(x) {
        return super::gpu::tensors::readings::read_projected([x, weight, bias], targets, sampler, precision);
    }
    if !fused(x) {
        return reference(x, weight, bias, targets, sampler, precision);
    }
    let rows = Arc::new(OnceLock::new());
    let op = Projected { targets: targets.into(), sampler, rows: rows.clone(), logits: Mutex::new(None) };
    let loss = x.contiguous()?.apply_op3(weight, bias, op)?;
    match rows.get() {
        Some(rows) => rows.readings(loss),
        None => bail!("a reading of logits had no forward pass"),
    }
}

/// The same from `linear` and `readings`.
pub fn reference(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    targets: &[u32],
    sampler: Option<Sampler>,
    precision: Precision,
) -> Result<Readings> {
    read(&linear::linear(x, weight, bias, precision)?, targets, sampler)
}

struct Projected {
    targets: Arc<[u32]>,
    sampler: Option<Sampler>,
    rows: Arc<OnceLock<Rows>>,
    /// From the forward pass to the backward pass.
    logits: Mutex<Option<Buffer>>,
}

impl CustomOp3 for Projected {
    fn name(&self) -> &'static str {
        "projected-readings"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let operands = Operands::of([(x, x_layout), (weight, weight_layout), (bias, bias_layout)])?;
        let (logits, classes) = (project(&operands), operands.bias.len());
        let rows = self.rows.get_or_init(|| Rows::of(&logits, classes, self.sampler));
        let loss = mean_loss(&logits, classes, &self.targets, rows.log_sums());
        self.keep(Some(logits))?;
        Ok((CpuStorage::F32(vec![loss]), Shape::from(())))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<Gradients> {
        let (n, classes) = (x.dim(0)?, weight.dim(0)?);
        let Some(rows) = self.rows.get() else {
            bail!("a reading's backward pass came before its forward pass")
        };
        let scale = grad.to_scalar::<f32>()? / n as f32;
        let mut d = match self.keep(None)? {
            Some(logits) => logits,
            // A second backward pass: the first has written over them.
            None => Operands::with([x, weight, bias], |operands| Ok(project(&operands)))?,
        };
        let turning = d.par_chunks_exact_mut(classes).zip(rows.log_sums().par_iter()).zip(&self.targets[..]);
        turning.for_each(|((row, &log_sum), &target)| turn_row(row, log_sum, target, scale));
        dense_gradients(x, weight, bias, &d)
    }
}

impl Projected {
    /// What was kept before.
    fn keep(&self, logits: Option<Buffer>) -> Result<Option<Buffer>> {
        match self.logits.lock() {
            Ok(mut kept) => Ok(std::mem::replace(&mut *kept, logits)),
            Err(_) => bail!("another thread failed inside a reading of logits"),
        }
    }
}

/// x · wᵀ + b.
fn project(operands: &Operands<'_>) -> Buffer {
    let Operands { x, weight, bias, width } = *operands;
    let n = operands.rows();
    let mut logits = Buffer::stale(n * bias.len());
    dense_into(&mut logits, View::dense(x, n, width), weight, bias);
    logits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{gradients, testing};
    use candle_core::Var;

    const TARGETS: [u32; 7] = [0, 899, 3, 3, 500, 17, 256];

    fn parameters() -> [Var; 3] {
        let shapes: [&[usize]; 3] = [&[7, 24], &[900, 24], &[900]];
        let mut index = 0;
        shapes.map(|shape| {
            index += 1;
            Var::from_tensor(&testing::tensor(shape, index)).unwrap()
        })
    }

    fn bits(tensor: &Tensor) -> Vec<u32> {
        let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        values.into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn one_operation_is_two_to_the_bit() {
        let p = parameters();
        for sampler in [None, Some(Sampler { temperature: 1.0, seed: 3, step: 9, first: 0 })] {
            let one = read_projected(&p[0], &p[1], &p[2], &TARGETS, sampler, Precision::F32).unwrap();
            let two = reference(&p[0], &p[1], &p[2], &TARGETS, sampler, Precision::F32).unwrap();
            assert_eq!((bits(&one.loss), bits(&one.entropy)), (bits(&two.loss), bits(&two.entropy)));
            let words = |tensor: &Tensor| tensor.to_vec1::<u32>().unwrap();
            let samples = |readings: &Readings| readings.samples.as_ref().map(words);
            assert_eq!((words(&one.best), samples(&one)), (words(&two.best), samples(&two)));
            // Whichever way the gradients go, and a second time.
            let mut places = gradients::Gradients::new(p.iter());
            for _ in 0..2 {
                places.backward(&one.loss).unwrap();
                let (fast, slow) = (one.loss.backward().unwrap(), two.loss.backward().unwrap());
                for (place, var) in p.iter().enumerate() {
                    let expected = bits(slow.get(var).unwrap());
                    assert!(bits(fast.get(var).unwrap()) == expected, "parameter {place}");
                    assert!(bits(&places.tensor(place).unwrap().unwrap()) == expected, "parameter {place}");
                }
            }
        }
    }

    #[test]
    fn a_target_outside_the_vocabulary_is_an_error() {
        let p = parameters();
        let message = |targets: &[u32]| {
            read_projected(&p[0], &p[1], &p[2], targets, None, Precision::F32).err().unwrap().to_string()
        };
        assert!(message(&[900; 7]).contains("7 rows of 900 classes"));
        assert!(message(&[1; 6]).contains("got 6 targets"));
    }
}
