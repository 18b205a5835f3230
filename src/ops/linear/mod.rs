//! A dense layer: y = x · wᵀ + b.
//!
//! x `[N, I]`, w `[O, I]`, b `[O]` → y `[N, O]`. Cost: 2·N·I·O FLOPs forward, twice that backward.

pub mod cpu;
pub mod cuda;

use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::backend::{CudaBackend, fused};
use super::cpu::host;
use super::gradients::InputGrads;
use crate::precision::Precision;

/// The dense layer; `precision` is that of a CUDA device.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, precision: Precision) -> Result<Tensor> {
    if fused(x) {
        x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Linear(precision))
    } else {
        reference(x, weight, bias)
    }
}

/// The same from candle's primitives.
pub fn reference(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.matmul(&weight.t()?)?.broadcast_add(bias)
}

struct Linear(Precision);

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let inputs = cpu::LinearInputs::of([(x, x_layout), (weight, weight_layout), (bias, bias_layout)])?;
        let (n, o) = (inputs.rows(), inputs.bias.len());
        Ok((CpuStorage::F32(inputs.forward(0..n)), Shape::from((n, o))))
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let inputs = [(x, x_layout), (weight, weight_layout), (bias, bias_layout)];
        cuda::forward(inputs, self.0)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<InputGrads> {
        if let Some(backend) = CudaBackend::of(x)? {
            return cuda::backward(&backend, [x, weight, bias], grad, self.0);
        }
        host::with(grad, |grad| cpu::backward(x, weight, bias, grad))
    }
}

#[cfg(test)]
mod tests;
