//! The kernels as operations on candle's tensors, where these lie on a CUDA device: one file an operation.
//!
//! The functions have the names and the contracts of those in `ops/`, which call them where [`takes`] says so.

pub mod adam;
pub mod attention;
pub mod corruption;
pub mod detection;
pub mod elementwise;
pub mod embedding;
pub mod layer;
pub mod linear;
pub mod norm;
pub mod readings;
#[cfg(test)]
mod tests;
mod three;

use candle_core::{CpuStorage, Result, Shape, Tensor, bail};

pub use super::cuda::takes;
use super::cuda::{Gpu, with};
use super::elementwise::add_to;
use crate::ops::gradients::deposit_tensor;

/// What an operation of this folder does with a tensor in host memory.
fn elsewhere(name: &str) -> Result<(CpuStorage, Shape)> {
    bail!("the CUDA operation {name} was given a tensor in host memory")
}

/// Errors unless a tensor that a kernel reads by address has this shape.
fn expect(what: &str, got: &Shape, shape: &[usize]) -> Result<()> {
    if got.dims() == shape {
        return Ok(());
    }
    bail!("{what} of shape {:?} where {shape:?} is needed", got.dims())
}

/// Puts a parameter's whole gradient in its place, or returns it where it has none, for candle to take.
fn hand_over(parameter: &Tensor, gradient: Tensor) -> Result<Option<Tensor>> {
    deposit_tensor(parameter, |before| match before {
        None => Ok(gradient),
        Some(before) => {
            let gpu = Gpu::of_tensor(before)?;
            // The place holds the only copy of what it holds, so it may be added to.
            with([before, &gradient], |[sum, more]| add_to(&gpu, sum, more, gradient.elem_count()))?;
            Ok(before.clone())
        }
    })
}
