//! One optimizer update of one parameter, in place.
//!
//! m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², p ← p - rate·(m·c₁ / (√(v·c₂) + ε) + decay·p), where g is the
//! gradient times the clipping factor and c₁, c₂ are 1 (the released ELECTRA code: no bias correction) or the
//! bias corrections of AdamW.

use candle_core::{Result, Tensor, Var};
use rayon::prelude::*;

use super::host_gradient::{BLOCK, HostGradient};
use super::{host, vector};

/// The numbers of one update.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// Learning rate of this step.
    pub rate: f32,
    /// Decay of the first moment. In f64, since 1 - 0.999 in f32 is 1.3e-5 too small: the released code and
    /// PyTorch subtract in f64 too.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay; 0 for LayerNorm and biases.
    pub decay: f32,
    /// Factor on the gradient (clipping).
    pub gradient_scale: f32,
    /// Bias corrections of the moments; 1 for none.
    pub corrections: (f32, f32),
}

/// Updates `parameter` and its moments with a gradient in host memory; all have one shape. `alive` says of each block
/// ([`BLOCK`]) whether its moments may differ from zero, and is kept up. A block whose moments and gradient are
/// zero does not move but for its decay, so the rows of words that never occurred cost nothing.
pub fn adam(
    parameter: &Var,
    first: &Var,
    second: &Var,
    gradient: &HostGradient,
    alive: &mut [bool],
    update: Update,
) -> Result<()> {
    let update = &update;
    host::with_mut(first, |first| {
        host::with_mut(second, |second| {
            host::with_mut(parameter, |parameter| {
                let moments = first.par_chunks_mut(BLOCK).zip(second.par_chunks_mut(BLOCK));
                let blocks = parameter.par_chunks_mut(BLOCK).zip(moments).zip(alive).enumerate();
                blocks.for_each(|(index, ((p, (m, v)), alive))| {
                    let gradient = gradient.block(index);
                    *alive |= gradient.is_some();
                    if *alive {
                        vector::vectorized!(|| block(p, m, v, gradient, update));
                    } else if update.decay != 0.0 {
                        vector::vectorized!(|| decay(p, update));
                    }
                });
                Ok(())
            })
        })
    })
}

/// The same from candle's primitives.
pub fn reference(
    parameter: &Var,
    first: &Var,
    second: &Var,
    gradient: &Tensor,
    update: Update,
) -> Result<()> {
    let Update { rate, beta1, beta2, epsilon, decay, gradient_scale, corrections } = update;
    let wide = f64::from;
    let gradient = (gradient.detach() * wide(gradient_scale))?;
    let m = ((first.as_detached_tensor() * beta1)? + (&gradient * (1.0 - beta1))?)?;
    let v = ((second.as_detached_tensor() * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
    let p = parameter.as_detached_tensor();
    let direction = ((&m * wide(corrections.0))? / ((&v * wide(corrections.1))?.sqrt()? + wide(epsilon))?)?;
    let direction = (direction + (&p * wide(decay))?)?;
    first.set(&m)?;
    second.set(&v)?;
    parameter.set(&(p - (direction * wide(rate))?)?)
}

/// One block. Without a gradient it is all zeros.
#[inline(always)]
fn block(p: &mut [f32], m: &mut [f32], v: &mut [f32], g: Option<&[f32]>, update: &Update) {
    let Update { beta1, beta2, gradient_scale: scale, .. } = *update;
    let (keep1, add1) = (beta1 as f32, (1.0 - beta1) as f32 * scale);
    let (keep2, add2) = (beta2 as f32, (1.0 - beta2) as f32 * scale * scale);
    match g {
        Some(g) => {
            for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
                *m = vector::flush(keep1 * *m + add1 * g);
                let g = if g.abs() < 1e-15 { 0.0 } else { g };
                *v = vector::flush(keep2 * *v + add2 * (g * g));
                *p -= step(*p, *m, *v, update);
            }
        }
        None => {
            for ((p, m), v) in p.iter_mut().zip(m).zip(v) {
                *m = vector::flush(keep1 * *m);
                *v = vector::flush(keep2 * *v);
                *p -= step(*p, *m, *v, update);
            }
        }
    }
}

/// A block that only decays.
#[inline(always)]
fn decay(p: &mut [f32], update: &Update) {
    for p in p {
        *p -= step(*p, 0.0, 0.0, update);
    }
}

/// How far a number moves.
#[inline(always)]
fn step(p: f32, m: f32, v: f32, update: &Update) -> f32 {
    let Update { rate, epsilon, decay, corrections, .. } = *update;
    rate * (m * corrections.0 / ((v * corrections.1).sqrt() + epsilon) + decay * p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    const PLAIN: Update = Update {
        rate: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-6,
        decay: 0.0,
        gradient_scale: 1.0,
        corrections: (1.0, 1.0),
    };

    fn values(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn zeros(n: usize) -> Var {
        Var::zeros(n, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap()
    }

    fn update_once(parameter: &Var, first: &Var, second: &Var, gradient: &[f32], update: Update) {
        let mut alive = vec![true; gradient.len().div_ceil(BLOCK)];
        adam(parameter, first, second, &HostGradient::of(gradient.to_vec()), &mut alive, update).unwrap();
    }

    /// Facts, trap 21: from zero moments the uncorrected first step is 0.1 / √0.001 = 3.16 times the rate.
    #[test]
    fn the_first_step_has_no_bias_correction() {
        let step = |update: Update| {
            let parameter = zeros(4);
            update_once(&parameter, &zeros(4), &zeros(4), &[5.0, -5.0, 100.0, -0.5], update);
            values(parameter.as_tensor())
        };
        for (p, sign) in step(PLAIN).iter().zip([-1.0, 1.0, -1.0, 1.0]) {
            assert!((p - sign * 0.031_622_8).abs() < 1e-5, "{p}");
        }
        let corrected = Update { corrections: (1.0 / (1.0 - 0.9), 1.0 / (1.0 - 0.999)), ..PLAIN };
        for (p, sign) in step(corrected).iter().zip([-1.0, 1.0, -1.0, 1.0]) {
            assert!((p - sign * 0.01).abs() < 1e-5, "{p}");
        }
    }

    /// The second moment of one gradient of 1 is 1 - 0.999, not f32's 0.000999987.
    #[test]
    fn one_minus_beta_is_exact() {
        let (first, second) = (zeros(1), zeros(1));
        update_once(&zeros(1), &first, &second, &[1.0], PLAIN);
        assert_eq!((values(first.as_tensor()), values(second.as_tensor())), (vec![0.1], vec![0.001]));
    }

    #[test]
    fn fused_agrees_with_the_reference() {
        let update = Update { decay: 0.01, gradient_scale: 0.3, ..PLAIN };
        let var = |index| Var::from_tensor(&testing::tensor(&[20_000], index)).unwrap();
        let square = |index| Var::from_tensor(&testing::tensor(&[20_000], index).sqr().unwrap()).unwrap();
        let (fast, slow) = ([var(1), var(2), square(3)], [var(1), var(2), square(3)]);
        for step in 0..3 {
            let gradient = testing::tensor(&[20_000], 10 + step);
            update_once(&fast[0], &fast[1], &fast[2], &values(&gradient), update);
            reference(&slow[0], &slow[1], &slow[2], &gradient, update).unwrap();
        }
        for (a, b) in fast.iter().zip(&slow) {
            for (x, y) in values(a).iter().zip(values(b)) {
                assert!((x - y).abs() < 1e-5 * (1.0 + y.abs()), "{x} {y}");
            }
        }
    }

    /// Blocks that no gradient ever reached are passed over: to the bit what computing with their zeros gives.
    #[test]
    fn blocks_without_gradients_are_those_with_zero_gradients() {
        let n = 5 * BLOCK + 7;
        for decay in [0.0, 0.01] {
            let update = Update { decay, gradient_scale: 0.5, ..PLAIN };
            let parameter = || Var::from_tensor(&testing::tensor(&[n], 1)).unwrap();
            let (fast, slow) = ([parameter(), zeros(n), zeros(n)], [parameter(), zeros(n), zeros(n)]);
            let mut alive = vec![false; n.div_ceil(BLOCK)];
            for step in 0..4u64 {
                let mut gradient = vec![0f32; n];
                // Block 1 in the first step, block 3 later, the others never.
                let reached = if step == 0 { BLOCK } else { 3 * BLOCK };
                gradient[reached..reached + 50].copy_from_slice(&values(&testing::tensor(&[50], step)));
                let [p, m, v] = &fast;
                adam(p, m, v, &HostGradient::of(gradient.clone()), &mut alive, update).unwrap();
                let mut all = vec![true; alive.len()];
                let [p, m, v] = &slow;
                let whole = HostGradient::whole(gradient);
                adam(p, m, v, &whole, &mut all, update).unwrap();
            }
            assert_eq!(alive, [false, true, false, true, false, false]);
            for (a, b) in fast.iter().zip(&slow) {
                assert!(values(a) == values(b), "decay {decay}");
            }
        }
    }
}
