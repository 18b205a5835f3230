//! The numbers of one update.

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
