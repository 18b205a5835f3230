//! Cross-entropy of every row through an output matrix over a vocabulary, without keeping the logits.
//!
//! x `[N, E]`, w `[V, E]`, b `[V]`, targets of N rows in 0..V → losses `[N]`:
//!
//! ```text
//! z = x · wᵀ + b
//! loss = log Σ exp(z) - z[target]
//! ```
//!
//! `CHUNK` rows of logits exist at a time; the backward pass computes them again. Cost: 2·N·E·V FLOPs
//! forward, 6·N·E·V backward. For the logits of a few masked positions, `fused_linear_softmax_stats` is
//! cheaper. There is no CUDA kernel: `linear` and `row_cross_entropy` run there.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::backend::ForwardCache;
use super::cpu::matmul::{View, multiply, multiply_add};
use super::cpu::{host, vector};
use super::cross_entropy::cpu::{backward_inplace, log_sum};
use super::cross_entropy::{check, row_cross_entropy};
use super::gradients::{InputGrads, accumulate_grad_or_return};
use super::linear::cpu::{LinearInputs, column_sums};
use super::linear::linear;
use super::row_stats::cpu::argmax;
use super::sampling::most_probable;
use crate::precision::Precision;

/// Rows whose logits are held at once: 32 MB of them over 30,522 tokens.
const CHUNK: usize = 256;

/// What candle calls the operation.
const NAME: &str = "fused-linear-cross-entropy";

/// Losses of the rows, and their most probable classes.
pub struct RowLosses {
    /// Differentiable, `[N]`.
    pub losses: Tensor,
    /// The class of the largest logit, the first of equals. `[N]`
    pub best: Vec<u32>,
}

/// The cross-entropy of every row.
pub fn fused_linear_cross_entropy(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    targets: &Arc<[u32]>,
    precision: Precision,
) -> Result<RowLosses> {
    let ((n, _), (classes, _)) = (x.dims2()?, weight.dims2()?);
    check(n, classes, targets)?;
    if !host::holds(x) {
        let logits = linear(x, weight, bias, precision)?;
        return Ok(RowLosses { losses: row_cross_entropy(&logits, targets)?, best: most_probable(&logits)? });
    }
    let rows = Arc::new(ForwardCache::new(NAME));
    let op = FusedLinearCrossEntropy { targets: targets.clone(), rows: rows.clone() };
    let losses = x.contiguous()?.apply_op3(weight, bias, op)?;
    rows.with(|rows: &mut Rows| Ok(RowLosses { losses, best: rows.best.clone() }))
}

/// What the forward pass keeps of each row.
struct Rows {
    log_sums: Vec<f32>,
    best: Vec<u32>,
}

struct FusedLinearCrossEntropy {
    targets: Arc<[u32]>,
    rows: Arc<ForwardCache<Rows>>,
}

/// Runs of at most [`CHUNK`] rows.
fn chunks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(CHUNK).map(move |first| first..(first + CHUNK).min(rows))
}

impl CustomOp3 for FusedLinearCrossEntropy {
    fn name(&self) -> &'static str {
        NAME
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
        let inputs = LinearInputs::of([(x, x_layout), (weight, weight_layout), (bias, bias_layout)])?;
        let (n, classes) = (inputs.rows(), inputs.bias.len());
        let mut rows = Rows { log_sums: Vec::with_capacity(n), best: Vec::with_capacity(n) };
        let mut losses = Vec::with_capacity(n);
        for chunk in chunks(n) {
            let targets = &self.targets[chunk.clone()];
            let logits = inputs.forward(chunk);
            let read = logits.par_chunks_exact(classes);
            let read = read.map(|row| (log_sum(row), argmax(row, vector::vectorized!(|| vector::max(row)))));
            for (((sum, best), row), &target) in
                read.collect::<Vec<_>>().into_iter().zip(logits.chunks_exact(classes)).zip(targets)
            {
                losses.push(sum - row[target as usize]);
                rows.log_sums.push(sum);
                rows.best.push(best);
            }
        }
        self.rows.store(rows)?;
        Ok((CpuStorage::F32(losses), Shape::from(n)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _losses: &Tensor,
        grad: &Tensor,
    ) -> Result<InputGrads> {
        let ((n, width), (classes, _)) = (x.dims2()?, weight.dims2()?);
        let scales = grad.to_vec1::<f32>()?;
        let mut dx = Vec::with_capacity(n * width);
        let (mut dw, mut db) = (vec![0f32; classes * width], vec![0f32; classes]);
        self.rows.with(|rows| {
            LinearInputs::with([x, weight, bias], |inputs| {
                for chunk in chunks(n) {
                    let mut d = inputs.forward(chunk.clone());
                    let (log_sums, targets) = (&rows.log_sums[chunk.clone()], &self.targets[chunk.clone()]);
                    backward_inplace(&mut d, classes, log_sums, targets, &scales[chunk.clone()]);
                    let d_view = View::dense(&d, chunk.len(), classes);
                    dx.extend(multiply(d_view, inputs.weight));
                    multiply_add(&mut dw, d_view.transposed(), inputs.x_rows(chunk.clone()), true);
                    for (sum, more) in db.iter_mut().zip(column_sums(&d, chunk.len(), classes)) {
                        *sum += more;
                    }
                }
                Ok(())
            })
        })?;
        let dx = Tensor::from_vec(dx, (n, width), x.device())?;
        let dw = accumulate_grad_or_return(weight, dw)?;
        Ok((Some(dx), dw, accumulate_grad_or_return(bias, db)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::cross_entropy::row_reference;
    use crate::ops::linear;
    use crate::ops::testing;

    /// Over more than one chunk.
    #[test]
    fn fused_agrees_with_the_reference() {
        let n = CHUNK + 40;
        let targets: Arc<[u32]> = (0..n as u32).map(|i| i * 7 % 30).collect();
        let inputs = [testing::tensor(&[n, 6], 1), testing::tensor(&[30, 6], 2), testing::tensor(&[30], 3)];
        testing::compare(
            &inputs,
            |t| Ok(fused_linear_cross_entropy(&t[0], &t[1], &t[2], &targets, Precision::F32)?.losses),
            |t| row_reference(&linear::reference(&t[0], &t[1], &t[2])?, &targets),
        );
        let [x, weight, bias] = &inputs;
        let best = fused_linear_cross_entropy(x, weight, bias, &targets, Precision::F32).unwrap().best;
        assert_eq!(best, most_probable(&linear::reference(x, weight, bias).unwrap()).unwrap());
    }
}
