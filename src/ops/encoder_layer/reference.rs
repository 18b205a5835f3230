//! Composes the layer from the operations of `ops/`, for tests and for sizes that the fused one does not
//! take.
//!
//! Each operation runs over the whole batch, with its own fused kernels. So this reference is one of other
//! fused operations, unlike the `reference.rs` of the other folders, which use candle's primitives.

use candle_core::{Result, Tensor};

use super::config::{Dense, LayerParameters, LayerSettings};
use crate::ops::attention::attention;
use crate::ops::gelu::gelu;
use crate::ops::layer_norm::residual_layer_norm;
use crate::ops::linear::linear;

/// `encoder_layer`, composed from other operations.
pub fn reference(x: &Tensor, parameters: &LayerParameters, settings: &LayerSettings) -> Result<Tensor> {
    let LayerSettings { offsets, heads, mask, dropout, epsilon, precision } = settings;
    let dense = |x: &Tensor, [weight, bias]: &Dense| linear(x, weight, bias, *precision);
    let [in_attention, after_attention, after_output] = *dropout;
    let qkv = dense(x, &parameters.qkv)?;
    let context = attention(&qkv, offsets, *heads, *mask, in_attention)?;
    let attended = dense(&context, &parameters.attention_output)?;
    let x = residual_layer_norm(&attended, x, &parameters.attention_norm, after_attention, *epsilon)?;
    let inner = gelu(&dense(&x, &parameters.intermediate)?)?;
    let inner = dense(&inner, &parameters.output)?;
    residual_layer_norm(&inner, &x, &parameters.output_norm, after_output, *epsilon)
}
