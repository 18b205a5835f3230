//! Adam from candle's primitives.

use candle_core::{Result, Tensor, Var};

use super::update::Update;

/// `adam` from candle's primitives.
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
