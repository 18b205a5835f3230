//! How the factors of matrix products are rounded.

/// Sums, softmax, losses, sampling and the parameters themselves are f32 in any precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Not at all; the only one on the CPU.
    #[default]
    F32,
    /// To 10 bits of mantissa, by a CUDA device itself.
    Tf32,
    /// To bfloat16.
    Bf16,
}
