//! What distinguishes one LayerNorm from another.

use crate::ops::dropout::DropoutKey;

/// The settings of a LayerNorm.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormConfig {
    /// Dropout between x and the sum; None where nothing is dropped.
    pub key: Option<DropoutKey>,
    /// Whether a residual is added.
    pub residual: bool,
    /// Added to the variance under the root.
    pub epsilon: f64,
}

impl LayerNormConfig {
    /// A LayerNorm of x itself.
    pub fn alone(epsilon: f64) -> Self {
        Self { key: None, residual: false, epsilon }
    }

    /// A LayerNorm of residual + dropout(x).
    pub fn after_residual(key: Option<DropoutKey>, epsilon: f64) -> Self {
        Self { key: key.filter(|key| !key.is_off()), residual: true, epsilon }
    }
}
