//! How matrix products are rounded: one type for the experiment file, the networks and the operations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the factors of matrix products are rounded in pre-training. Parameters, sums, softmax, losses and
/// sampling are always f32. The CPU supports only f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// No rounding.
    #[default]
    F32,
    /// 10 bits of mantissa, on the tensor cores of a CUDA device.
    Tf32,
    /// bfloat16, 7 bits of mantissa, on a CUDA device.
    Bf16,
}
