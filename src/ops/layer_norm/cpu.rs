//! LayerNorm on the CPU. The encoder layer calls it with some rows at a time.

use rayon::prelude::*;

use super::config::LayerNormConfig;
use crate::ops::cpu::{rows, vector};

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn statistics(row: &[f32], epsilon: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = vector::sum(row.len(), |i| row[i]) / n;
    let variance = vector::sum(row.len(), |i| (row[i] - mean) * (row[i] - mean)) / n;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

/// Writes residual + dropout(x) over `sum`, rows of `width`. `start` is the number of the first element in
/// the operation's input; `mask` receives the dropout factors.
#[inline(always)]
fn residual_sum(
    config: &LayerNormConfig,
    [x, residual]: [&[f32]; 2],
    width: usize,
    start: usize,
    sum: &mut [f32],
    mask: &mut [f32],
) {
    match &config.key {
        Some(key) => {
            key.fill(key.first_element(width) + start, mask);
            for ((s, &x), &m) in sum.iter_mut().zip(x).zip(mask.iter()) {
                *s = x * m;
            }
        }
        None => sum.copy_from_slice(x),
    }
    if config.residual {
        for (s, &r) in sum.iter_mut().zip(residual) {
            *s += r;
        }
    }
}

/// Writes the output of some rows over `y`; the first begins with element `start` of the batch.
pub fn forward_rows(
    config: &LayerNormConfig,
    x: &[f32],
    residual: &[f32],
    parameters: &[f32],
    start: usize,
    y: &mut [f32],
) {
    let width = parameters.len() / 2;
    let (gamma, beta) = parameters.split_at(width);
    let mut mask = vec![0f32; if config.key.is_some() { y.len() } else { 0 }];
    vector::vectorized!(|| {
        residual_sum(config, [x, residual], width, start, y, &mut mask);
        for row in y.chunks_exact_mut(width) {
            let (mean, rstd) = statistics(row, config.epsilon as f32);
            for ((v, &g), &b) in row.iter_mut().zip(gamma).zip(beta) {
                *v = (*v - mean) * rstd * g + b;
            }
        }
    });
}

/// The output of all rows.
pub fn forward(config: &LayerNormConfig, x: &[f32], residual: &[f32], parameters: &[f32]) -> Vec<f32> {
    let width = parameters.len() / 2;
    let mut y = vec![0f32; x.len()];
    rows::for_each_block(&mut y, width, |first, y| {
        let at = first * width..first * width + y.len();
        forward_rows(config, &x[at.clone()], &residual[at], parameters, first * width, y);
    });
    y
}

/// The gradients of some rows, of which the first begins with element `start` of the batch. Writes that of
/// the sum over `d_sum` and that of x over `dx` (empty where it equals that of the sum); returns those of γ
/// and β block by block. `inputs` are x, the residual and the output's gradient.
pub fn backward_rows(
    config: &LayerNormConfig,
    inputs: [&[f32]; 3],
    gamma: &[f32],
    start: usize,
    d_sum: &mut [f32],
    dx: &mut [f32],
) -> Vec<Vec<f32>> {
    let blocks = blocks(d_sum, dx, gamma.len()).into_iter();
    blocks.map(|block| backward_block(config, inputs, gamma, start, block)).collect()
}

/// One block of [`backward_rows`]; returns the gradients of γ and β.
fn backward_block(
    config: &LayerNormConfig,
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
        residual_sum(config, [x, residual], width, start + first, d_sum, &mut mask);
        for (row, dy) in d_sum.chunks_exact_mut(width).zip(grad.chunks_exact(width)) {
            row_backward_inplace(row, dy, gamma, &mut partial, config.epsilon as f32);
        }
        for ((dx, &d), &m) in dx.iter_mut().zip(d_sum.iter()).zip(&mask) {
            *dx = d * m;
        }
    });
    partial
}

/// The gradients of the sum, of x (None where it equals that of the sum) and of the parameters.
pub fn backward(
    config: &LayerNormConfig,
    inputs: [&[f32]; 3],
    gamma: &[f32],
) -> (Vec<f32>, Option<Vec<f32>>, Vec<f32>) {
    let len = inputs[0].len();
    let mut d_sum = vec![0f32; len];
    let mut dx = vec![0f32; if config.key.is_some() { len } else { 0 }];
    let blocks = blocks(&mut d_sum, &mut dx, gamma.len()).into_par_iter();
    let partials: Vec<Vec<f32>> =
        blocks.map(|block| backward_block(config, inputs, gamma, 0, block)).collect();
    let d_parameters = rows::total(&partials, 2 * gamma.len());
    (d_sum, config.key.map(|_| dx), d_parameters)
}

/// A block of rows whose gradients of γ and β are summed together ([`rows::block_rows`]).
struct Block<'a> {
    /// Its first element.
    first: usize,
    d_sum: &'a mut [f32],
    /// Empty without dropout: then the gradient of x is that of the sum.
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
fn row_backward_inplace(row: &mut [f32], dy: &[f32], gamma: &[f32], d_parameters: &mut [f32], epsilon: f32) {
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
