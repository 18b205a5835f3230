//! LayerNorm from candle's primitives (candle_nn's own has no backward pass).

use candle_core::{D, Result, Tensor};

use crate::ops::dropout::{self, DropoutKey};

/// `layer_norm` from candle's primitives.
pub fn reference(x: &Tensor, parameters: &Tensor, epsilon: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = centred.broadcast_div(&(variance + epsilon)?.sqrt()?)?;
    normed.broadcast_mul(&parameters.get(0)?)?.broadcast_add(&parameters.get(1)?)
}

/// `residual_layer_norm` from candle's primitives.
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
