//! LayerNorm, alone and behind a residual connection with dropout.
//!
//! norm:          y = (x - mean) / √(variance + ε) · γ + β, over the last dimension;
//! residual_norm: y = norm(residual + dropout(x)).
//!
//! ε is ELECTRA's 1e-12 (TensorFlow's layer_norm default, not PyTorch's 1e-5), or what a published model says.
//! x, residual [N, H]; γ and β are the two rows of one parameter [2, H], since candle's custom operations take
//! at most three tensors. Neither the sum nor the statistics are kept for the backward pass: recomputing them
//! costs less than the memory traffic.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::dropout::{self, DropoutKey};
use super::gradients::hand_over;
use super::{fused, host, rows, vector};

/// LayerNorm of x [N, H] with parameters [2, H].
pub fn norm(x: &Tensor, parameters: &Tensor, epsilon: f64) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(x) {
        return super::gpu::tensors::norm::norm(x, parameters, epsilon);
    }
    if fused(x) {
        let x = x.contiguous()?;
        // The residual argument is not read: the op is told that there is none.
        x.apply_op3(&x.detach(), parameters, Norm { key: None, residual: false, epsilon })
    } else {
        reference(x, parameters, epsilon)
    }
}

/// LayerNorm of residual + dropout(x).
pub fn residual_norm(
    x: &Tensor,
    residual: &Tensor,
    parameters: &Tensor,
    key: Option<DropoutKey>,
    epsilon: f64,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(x) {
        return super::gpu::tensors::norm::residual_norm(x, residual, parameters, key, epsilon);
    }
    if fused(x) {
        x.contiguous()?.apply_op3(&residual.contiguous()?, parameters, Norm::behind(key, epsilon))
    } else {
        let key = key.filter(|key| !key.is_off());
        residual_reference(x, residual, parameters, key, epsilon)
    }
}

/// LayerNorm from candle's primitives (candle_nn's own has no backward).
pub fn reference(x: &Tensor, parameters: &Tensor, epsilon: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = centred.broadcast_div(&(variance + epsilon)?.sqrt()?)?;
    normed.broadcast_mul(&parameters.get(0)?)?.broadcast_add(&parameters.get(1)?)
}

/// `residual_norm` from candle's primitives.
pub fn residual_reference(
    x: &Tensor,
    residual: &Tensor,
    parameters: &Tensor,
    key: Option<DropoutKey>,
    epsilon: f64,
) -> Result<Tensor> {
    let dropped = match key {
        Some(key) => dropout::reference(x, key)?,
        None => x.clone(),
    };
    reference(&(residual + dropped)?, parameters, epsilon)
}

/// The operation on slices; the encoder layer (`encoder_layer/`) runs it chunk by chunk.
pub(super) struct Norm {
    pub(super) key: Option<DropoutKey>,
    residual: bool,
    epsilon: f64,
}

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn statistics(row: &[f32], epsilon: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = vector::sum(row.len(), |i| row[i]) / n;
    let variance = vector::sum(row.len(), |i| (row[i] - mean) * (row[i] - mean)) / n;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

impl Norm {
    /// Behind a residual connection.
    pub(super) fn behind(key: Option<DropoutKey>, epsilon: f64) -> Self {
        Self { key: key.filter(|key| !key.is_off()), residual: true, epsilon }
    }

    /// Writes residual + dropout(x) into `sum`, rows of `width`; `start` is the first element's number among all of the
    /// operation's, and `mask` receives the factors.
    #[inline(always)]
    fn sum(&self, [x, residual]: [&[f32]; 2], width: usize, start: usize, sum: &mut [f32], mask: &mut [f32]) {
        match &self.key {
            Some(key) => {
                key.fill(key.first_element(width) + start, mask);
                for ((s, &x), &m) in sum.iter_mut().zip(x).zip(mask.iter()) {
                    *s = x * m;
                }
            }
            None => sum.copy_from_slice(x),
        }
        if self.residual {
            for (s, &r) in sum.iter_mut().zip(residual) {
                *s += r;
            }
        }
    }

    /// The output of some rows, of which the first begins with element `start` of the batch.
    pub(super) fn forward_rows(
        &self,
        x: &[f32],
        residual: &[f32],
        parameters: &[f32],
        start: usize,
        y: &mut [f32],
    ) {
        let width = parameters.len() / 2;
        let (gamma, beta) = parameters.split_at(width);
        let mut mask = vec![0f32; if self.key.is_some() { y.len() } else { 0 }];
        vector::vectorized!(|| {
            self.sum([x, residual], width, start, y, &mut mask);
            for row in y.chunks_exact_mut(width) {
                let (mean, rstd) = statistics(row, self.epsilon as f32);
                for ((v, &g), &b) in row.iter_mut().zip(gamma).zip(beta) {
                    *v = (*v - mean) * rstd * g + b;
                }
            }
        });
    }

    fn forward(&self, x: &[f32], residual: &[f32], parameters: &[f32], width: usize) -> Vec<f32> {
        let mut y = vec![0f32; x.len()];
        rows::for_each_block(&mut y, width, |first, y| {
            let at = first * width..first * width + y.len();
            self.forward_rows(&x[at.clone()], &residual[at], parameters, first * width, y);
        });
        y
    }

    /// Gradients of some rows, of which the first begins with element `start` of the batch: of the sum, of x (empty where it
    /// is the sum's) and, returned, of γ and β by the block.
    pub(super) fn backward_rows(
        &self,
        inputs: [&[f32]; 3],
        gamma: &[f32],
        start: usize,
        d_sum: &mut [f32],
        dx: &mut [f32],
    ) -> Vec<Vec<f32>> {
        let blocks = blocks(d_sum, dx, gamma.len()).into_iter();
        blocks.map(|block| self.backward_block(inputs, gamma, start, block)).collect()
    }

    /// One block of [`Self::backward_rows`]; returns the gradients of γ and β.
    fn backward_block(
        &self,
        inputs: [&[f32]; 3],
        gamma: &[f32],
        start: usize,
        Block { first, d_sum, dx }: Block<'_>,
    ) -> Vec<f32> {
        let width = gamma.len();
        let [x, residual, grad] = inputs.map(|values| &values[first..first + d_sum.len()]);
        let mut partial = vec![0f32; 2 * width];
        let mut mask = vec![0f32; dx.len()];
        vector::vectorized!(|| {
            self.sum([x, residual], width, start + first, d_sum, &mut mask);
            for (row, dy) in d_sum.chunks_exact_mut(width).zip(grad.chunks_exact(width)) {
                row_backward(row, dy, gamma, &mut partial, self.epsilon as f32);
            }
            for ((dx, &d), &m) in dx.iter_mut().zip(d_sum.iter()).zip(&mask) {
                *dx = d * m;
            }
        });
        partial
    }

    /// Gradients of the sum, of x (None where it is the sum's) and of the parameters.
    fn backward(&self, inputs: [&[f32]; 3], gamma: &[f32]) -> (Vec<f32>, Option<Vec<f32>>, Vec<f32>) {
        let len = inputs[0].len();
        let mut d_sum = vec![0f32; len];
        let mut dx = vec![0f32; if self.key.is_some() { len } else { 0 }];
        let blocks = blocks(&mut d_sum, &mut dx, gamma.len()).into_par_iter();
        let partials: Vec<Vec<f32>> =
            blocks.map(|block| self.backward_block(inputs, gamma, 0, block)).collect();
        let d_parameters = rows::total(&partials, 2 * gamma.len());
        (d_sum, self.key.map(|_| dx), d_parameters)
    }
}

/// A block of the rows whose gradients are summed together ([`rows::block_rows`]).
struct Block<'a> {
    /// Its first element among the rows at hand.
    first: usize,
    d_sum: &'a mut [f32],
    /// Empty without dropout: there the gradient of x is the sum's.
    dx: &'a mut [f32],
}

fn blocks<'a>(d_sum: &'a mut [f32], dx: &'a mut [f32], width: usize) -> Vec<Block<'a>> {
    let len = rows::block_rows(width) * width;
    let mut dx = dx.chunks_mut(len);
    let block = |(index, d_sum)| Block { first: index * len, d_sum, dx: dx.next().unwrap_or_default() };
    d_sum.chunks_mut(len).enumerate().map(block).collect()
}

/// Turns a row of sums into the gradient of that row, and adds to the gradients of γ and β.
#[inline(always)]
fn row_backward(row: &mut [f32], dy: &[f32], gamma: &[f32], d_parameters: &mut [f32], epsilon: f32) {
    let width = row.len();
    let n = width as f32;
    let (mean, rstd) = statistics(row, epsilon);
    for value in row.iter_mut() {
        *value = (*value - mean) * rstd;
    }
    let (d_gamma, d_beta) = d_parameters.split_at_mut(width);
    for (((dg, db), &dy), &xhat) in d_gamma.iter_mut().zip(d_beta).zip(dy).zip(row.iter()) {
        *dg += dy * xhat;
        *db += dy;
    }
    let along_mean = vector::sum(width, |i| dy[i] * gamma[i]) / n;
    let along_row = vector::sum(width, |i| dy[i] * gamma[i] * row[i]) / n;
    for ((value, &dy), &g) in row.iter_mut().zip(dy).zip(gamma) {
        *value = rstd * (dy * g - along_mean - *value * along_row);
    }
}

impl CustomOp3 for Norm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = x_layout.shape().dims2()?;
        let y = self.forward(
            host::slice(x, x_layout)?,
            host::slice(residual, residual_layout)?,
            host::slice(parameters, parameters_layout)?,
            width,
        );
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        residual: &Tensor,
        parameters: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (_, width) = x.dims2()?;
        let (d_sum, dx, d_parameters) = host::with(x, |x| {
            host::with(residual, |residual| {
                host::with(parameters, |p| {
                    host::with(grad, |grad| Ok(self.backward([x, residual, grad], &p[..width])))
                })
            })
        })?;
        let d_sum = Tensor::from_vec(d_sum, x.shape(), x.device())?;
        let dx = match dx {
            Some(dx) => Tensor::from_vec(dx, x.shape(), x.device())?,
            None => d_sum.clone(),
        };
        Ok((Some(dx), self.residual.then_some(d_sum), hand_over(parameters, d_parameters)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::dropout::Place;
    use crate::ops::testing;
    use crate::rng::{Purpose, StreamKey};

    #[test]
    fn norm_agrees_with_the_reference() {
        let inputs = [testing::tensor(&[1500, 24], 1), testing::tensor(&[2, 24], 2)];
        for epsilon in [1e-12, 0.5] {
            testing::compare(&inputs, |t| norm(&t[0], &t[1], epsilon), |t| reference(&t[0], &t[1], epsilon));
        }
    }

    /// Facts, trap 5: ε stands under the root, and ELECTRA's is 1e-12. A row of variance 1e-12 comes out as ±√½.
    #[test]
    fn epsilon_by_hand() {
        let x = Tensor::new(&[[1e-6f32, -1e-6]], &candle_core::Device::Cpu).unwrap();
        let parameters = Tensor::new(&[[1f32, 1.0], [0.0, 0.0]], &candle_core::Device::Cpu).unwrap();
        for y in [norm(&x, &parameters, 1e-12).unwrap(), reference(&x, &parameters, 1e-12).unwrap()] {
            let y = y.to_vec2::<f32>().unwrap();
            assert!((y[0][0] - 0.5f32.sqrt()).abs() < 1e-6 && y[0][1] == -y[0][0], "{y:?}");
        }
    }

    #[test]
    fn residual_norm_agrees_with_the_reference() {
        let key = DropoutKey {
            key: StreamKey::new(1, Purpose::Dropout, 4),
            site: 2,
            probability: 0.25,
            place: Place::default(),
        };
        for key in [None, Some(key)] {
            let inputs = [
                testing::tensor(&[1100, 16], 1),
                testing::tensor(&[1100, 16], 2),
                testing::tensor(&[2, 16], 3),
            ];
            testing::compare(
                &inputs,
                |t| residual_norm(&t[0], &t[1], &t[2], key, 1e-12),
                |t| residual_reference(&t[0], &t[1], &t[2], key, 1e-12),
            );
        }
    }
}
