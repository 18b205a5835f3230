//! Cross-entropy of every row through an output matrix over a vocabulary, without keeping the logits.
//!
//! x [N, E], w [V, E], b [V], targets of N rows in 0..V → [N]: log Σ exp(z) - z[target] of z = x · wᵀ + b.
//! `CHUNK` rows of logits exist at a time; the backward pass computes them again. Cost: 2·N·E·V FLOPs forward,
//! 6·N·E·V backward. For the logits of a few masked positions, `projected_readings` is cheaper.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::cross_entropy::{log_sum, row_cross_entropy, turn_row};
use super::gradients::hand_over;
use super::linear::{Operands, column_sums, dense};
use super::matmul::{View, multiply, multiply_add};
use super::sampling::{largest, most_probable};
use super::{Precision, fused, linear, vector};

/// Rows whose logits are held at once: 32 MB of them over 30,522 tokens.
const CHUNK: usize = 256;

/// Losses of the rows, and their most probable classes.
pub struct RowLosses {
    /// Differentiable, [N].
    pub losses: Tensor,
    /// The class of the largest logit, the first of equals. [N]
    pub best: Vec<u32>,
}

/// The cross-entropy of every row.
pub fn projected_cross_entropy(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    targets: &Arc<[u32]>,
    precision: Precision,
) -> Result<RowLosses> {
    let ((n, _), (classes, _)) = (x.dims2()?, weight.dims2()?);
    if n == 0 || n != targets.len() || targets.iter().any(|&target| target as usize >= classes) {
        candle_core::bail!("cross-entropy of {n} rows over {classes} classes got {} targets", targets.len());
    }
    if !fused(x) {
        let logits = linear::linear(x, weight, bias, precision)?;
        return Ok(RowLosses { losses: row_cross_entropy(&logits, targets)?, best: most_probable(&logits)? });
    }
    let seen = Arc::new(OnceLock::new());
    let op = Projected { targets: targets.clone(), seen: seen.clone() };
    let losses = x.contiguous()?.apply_op3(weight, bias, op)?;
    let best = seen.get().map(|seen: &Seen| seen.best.clone()).unwrap_or_default();
    Ok(RowLosses { losses, best })
}

/// What the forward pass keeps of each row.
struct Seen {
    log_sums: Vec<f32>,
    best: Vec<u32>,
}

struct Projected {
    targets: Arc<[u32]>,
    seen: Arc<OnceLock<Seen>>,
}

impl CustomOp3 for Projected {
    fn name(&self) -> &'static str {
        "projected-cross-entropy"
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
        let (n, classes) = (operands.rows(), operands.bias.len());
        let Operands { x, weight, bias, width } = operands;
        let mut seen = Seen { log_sums: Vec::with_capacity(n), best: Vec::with_capacity(n) };
        let mut losses = Vec::with_capacity(n);
        for (x, targets) in x.chunks(CHUNK * width).zip(self.targets.chunks(CHUNK)) {
            let logits = dense(View::dense(x, targets.len(), width), weight, bias, targets.len());
            let rows = logits.par_chunks_exact(classes);
            let rows = rows.map(|row| (log_sum(row), largest(row, vector::vectorized!(|| vector::max(row)))));
            for (((sum, best), row), &target) in
                rows.collect::<Vec<_>>().into_iter().zip(logits.chunks_exact(classes)).zip(targets)
            {
                losses.push(sum - row[target as usize]);
                seen.log_sums.push(sum);
                seen.best.push(best);
            }
        }
        let _ = self.seen.set(seen);
        Ok((CpuStorage::F32(losses), Shape::from(n)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((n, width), (classes, _)) = (x.dims2()?, weight.dims2()?);
        let Some(Seen { log_sums, .. }) = self.seen.get() else {
            candle_core::bail!("the backward pass of a cross-entropy that had no forward pass")
        };
        let scales = grad.to_vec1::<f32>()?;
        let mut dx = Vec::with_capacity(n * width);
        let (mut dw, mut db) = (vec![0f32; classes * width], vec![0f32; classes]);
        Operands::with([x, weight, bias], |Operands { x, weight, bias, width }| {
            for (chunk, x) in x.chunks(CHUNK * width).enumerate() {
                let (first, rows) = (chunk * CHUNK, x.len() / width);
                let mut d = dense(View::dense(x, rows, width), weight, bias, rows);
                d.par_chunks_exact_mut(classes).enumerate().for_each(|(i, d)| {
                    turn_row(d, log_sums[first + i], self.targets[first + i], scales[first + i]);
                });
                let d_view = View::dense(&d, rows, classes);
                dx.extend(multiply(d_view, weight));
                multiply_add(&mut dw, d_view.transposed(), View::dense(x, rows, width), true);
                for (sum, more) in db.iter_mut().zip(column_sums(&d, rows, classes)) {
                    *sum += more;
                }
            }
            Ok(())
        })?;
        let dx = Tensor::from_vec(dx, (n, width), x.device())?;
        Ok((Some(dx), hand_over(weight, dw)?, hand_over(bias, db)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::cross_entropy::row_reference;
    use crate::ops::testing;

    /// Over more than one chunk.
    #[test]
    fn fused_agrees_with_the_reference() {
        let n = CHUNK + 40;
        let targets: Arc<[u32]> = (0..n as u32).map(|i| i * 7 % 30).collect();
        let inputs = [testing::tensor(&[n, 6], 1), testing::tensor(&[30, 6], 2), testing::tensor(&[30], 3)];
        testing::compare(
            &inputs,
            |t| Ok(projected_cross_entropy(&t[0], &t[1], &t[2], &targets, Precision::F32)?.losses),
            |t| row_reference(&linear::reference(&t[0], &t[1], &t[2])?, &targets),
        );
        let [x, weight, bias] = &inputs;
        let best = projected_cross_entropy(x, weight, bias, &targets, Precision::F32).unwrap().best;
        assert_eq!(best, most_probable(&linear::reference(x, weight, bias).unwrap()).unwrap());
    }
}
