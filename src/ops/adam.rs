//! One optimizer update of one parameter, in place.
//!
//! m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², p ← p - rate·(m·c₁ / (√(v·c₂) + ε) + decay·p), where g is the
//! gradient times the clipping factor and c₁, c₂ are 1 (the released ELECTRA code: no bias correction) or the
//! bias corrections of AdamW.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var};
use rayon::prelude::*;

use super::{fused, host, rows, vector};

const BLOCK: usize = 4096;

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

/// Updates `parameter` and its moments with `gradient`; all four have one shape.
pub fn adam(parameter: &Var, first: &Var, second: &Var, gradient: &Tensor, update: Update) -> Result<()> {
    if !fused(parameter) {
        return reference(parameter, first, second, gradient, update);
    }
    let gradient = gradient.contiguous()?;
    let Update { beta1, beta2, gradient_scale: scale, .. } = update;
    let (add1, add2) = ((1.0 - beta1) as f32 * scale, (1.0 - beta2) as f32 * scale * scale);
    first.inplace_op2(&gradient, &Moment { keep: beta1 as f32, add: add1, squared: false })?;
    second.inplace_op2(&gradient, &Moment { keep: beta2 as f32, add: add2, squared: true })?;
    parameter.inplace_op3(first.as_tensor(), second.as_tensor(), &Step(update))
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

/// Sum of the squares of a tensor's elements, in f64 and in a fixed order.
pub fn sum_of_squares(tensor: &Tensor) -> Result<f64> {
    if !fused(tensor) {
        return tensor.sqr()?.sum_all()?.to_dtype(candle_core::DType::F64)?.to_scalar();
    }
    host::with(tensor, |values| {
        let partials: Vec<f32> = values
            .par_chunks(BLOCK)
            .map(|chunk| vector::vectorized(|| vector::sum(chunk.len(), |i| chunk[i] * chunk[i])))
            .collect();
        Ok(partials.iter().map(|&partial| f64::from(partial)).sum())
    })
}

struct Moment {
    keep: f32,
    add: f32,
    squared: bool,
}

impl InplaceOp2 for Moment {
    fn name(&self) -> &'static str {
        "moment"
    }

    fn cpu_fwd(
        &self,
        moment: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let gradient = host::slice(gradient, gradient_layout)?;
        rows::for_each_block(host::slice_mut(moment, layout)?, BLOCK, |row, moment| {
            let gradient = &gradient[row * BLOCK..];
            vector::vectorized(|| {
                for (m, &g) in moment.iter_mut().zip(gradient) {
                    let g = if self.squared && g.abs() < 1e-15 { 0.0 } else { g };
                    let g = if self.squared { g * g } else { g };
                    *m = vector::flush(self.keep * *m + self.add * g);
                }
            });
        });
        Ok(())
    }
}

struct Step(Update);

impl InplaceOp3 for Step {
    fn name(&self) -> &'static str {
        "adam-step"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> Result<()> {
        let Update { rate, epsilon, decay, corrections, .. } = self.0;
        let (first, second) = (host::slice(first, first_layout)?, host::slice(second, second_layout)?);
        rows::for_each_block(host::slice_mut(parameter, layout)?, BLOCK, |row, parameter| {
            let (first, second) = (&first[row * BLOCK..], &second[row * BLOCK..]);
            vector::vectorized(|| {
                for ((p, &m), &v) in parameter.iter_mut().zip(first).zip(second) {
                    let direction = m * corrections.0 / ((v * corrections.1).sqrt() + epsilon);
                    *p -= rate * (direction + decay * *p);
                }
            });
        });
        Ok(())
    }
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

    /// Facts, trap 21: from zero moments the uncorrected first step is 0.1 / √0.001 = 3.16 times the rate.
    #[test]
    fn the_first_step_has_no_bias_correction() {
        let zero = || Var::zeros(4, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let gradient = Tensor::new(&[5f32, -5.0, 100.0, -0.5], &candle_core::Device::Cpu).unwrap();
        let step = |update: Update| {
            let parameter = zero();
            adam(&parameter, &zero(), &zero(), &gradient, update).unwrap();
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
        let var = || Var::zeros(1, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let (first, second) = (var(), var());
        let gradient = Tensor::new(&[1f32], &candle_core::Device::Cpu).unwrap();
        adam(&var(), &first, &second, &gradient, PLAIN).unwrap();
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
            adam(&fast[0], &fast[1], &fast[2], &gradient, update).unwrap();
            reference(&slow[0], &slow[1], &slow[2], &gradient, update).unwrap();
        }
        for (a, b) in fast.iter().zip(&slow) {
            for (x, y) in values(a).iter().zip(values(b)) {
                assert!((x - y).abs() < 1e-5 * (1.0 + y.abs()), "{x} {y}");
            }
        }
    }

    #[test]
    fn squares_are_summed_over_every_element() {
        let sum = sum_of_squares(&testing::tensor(&[9001], 1)).unwrap();
        let exact: f64 = values(&testing::tensor(&[9001], 1)).iter().map(|&v| f64::from(v).powi(2)).sum();
        assert!((sum - exact).abs() < 1e-5 * exact);
    }
}
