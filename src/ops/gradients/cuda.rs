//! Gradients on a CUDA device.

use candle_core::{Result, Tensor};

use super::accumulate_grad_tensor;
use crate::ops::backend::{CudaBackend, primitives, with_ptrs};

/// Adds a parameter's whole gradient, or returns it for candle to take, as
/// [`accumulate_grad_or_return`](super::accumulate_grad_or_return) does in host memory.
pub fn accumulate_grad_or_return(parameter: &Tensor, gradient: Tensor) -> Result<Option<Tensor>> {
    accumulate_grad_tensor(parameter, |before| match before {
        None => Ok(gradient),
        Some(before) => {
            let backend = CudaBackend::of_tensor(before)?;
            with_ptrs([before, &gradient], |[sum, more]| {
                primitives::add(&backend, sum, more, gradient.elem_count())
            })?;
            Ok(before.clone())
        }
    })
}
