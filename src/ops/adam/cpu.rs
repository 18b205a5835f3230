//! Adam on the CPU.

use candle_core::{Result, Var};
use rayon::prelude::*;

use super::update::Update;
use crate::ops::cpu::{host, vector};
use crate::ops::gradients::host::{BLOCK, HostGradient};

/// Updates `parameter` and its moments with a gradient in host memory; all have one shape. `alive` has a flag
/// per block ([`BLOCK`]) that says whether the block's moments may differ from zero, and is updated too. A
/// block whose moments and gradient are zero only decays, so the rows of tokens that never occurred cost
/// nothing.
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

/// One block; without a gradient it is all zeros.
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
