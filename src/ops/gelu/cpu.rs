//! GELU on the CPU.

use crate::ops::cpu::{rows, vector};

/// Elements of a block.
const BLOCK: usize = 1024;

/// φ(0) = 1 / √(2π).
const DENSITY_AT_ZERO: f32 = 0.398_942_3;

/// Φ(x).
#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    0.5 + 0.5 * vector::erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

/// Φ(x) + x·φ(x), the derivative of GELU, where `cdf` is Φ(x).
#[inline(always)]
fn gelu_grad(x: f32, cdf: f32) -> f32 {
    cdf + x * (DENSITY_AT_ZERO * vector::exp(-0.5 * x * x))
}

/// y = gelu(x).
pub fn gelu_into(x: &[f32], y: &mut [f32]) {
    vector::vectorized!(|| {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * normal_cdf(x);
        }
    });
}

/// Writes y = gelu(x) again, and turns the gradient of y into that of x.
pub fn gelu_backward_inplace(x: &[f32], y: &mut [f32], gradient: &mut [f32]) {
    vector::vectorized!(|| {
        for ((y, gradient), &x) in y.iter_mut().zip(gradient).zip(x) {
            let cdf = normal_cdf(x);
            *y = x * cdf;
            *gradient *= gelu_grad(x, cdf);
        }
    });
}

/// gelu(x).
pub fn forward(x: &[f32]) -> Vec<f32> {
    let mut y = vec![0f32; x.len()];
    rows::for_each_block(&mut y, BLOCK, |row, y| gelu_into(&x[row * BLOCK..], y));
    y
}

/// The gradient of x.
pub fn backward(x: &[f32], grad: &[f32]) -> Vec<f32> {
    let mut dx = vec![0f32; x.len()];
    rows::for_each_block(&mut dx, BLOCK, |row, dx| {
        let (x, grad) = (&x[row * BLOCK..], &grad[row * BLOCK..]);
        vector::vectorized!(|| {
            for ((dx, &x), &grad) in dx.iter_mut().zip(x).zip(grad) {
                *dx = grad * gelu_grad(x, normal_cdf(x));
            }
        });
    });
    dx
}
