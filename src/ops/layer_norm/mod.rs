//! LayerNorm, alone and after a residual connection with dropout.
//!
//! ```text
//! layer_norm:          y = (x - mean) / √(variance + ε) · γ + β, over the last dimension;
//! residual_layer_norm: y = layer_norm(residual + dropout(x)).
//! ```
//!
//! ε is ELECTRA's 1e-12 (TensorFlow's layer_norm default, not PyTorch's 1e-5), or that of a published model.
//! x, residual `[N, H]`; γ and β are the two rows of one parameter `[2, H]`, since candle's custom operations
//! take at most three tensors. Neither the sum nor the statistics are kept for the backward pass: recomputing
//! them costs less than the memory traffic.

pub mod config;
pub mod cpu;
pub mod cuda;
mod reference;

use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::backend::{CudaBackend, fused};
use super::cpu::host;
use super::dropout::DropoutKey;
use super::gradients::{InputGrads, accumulate_grad_or_return};
use config::LayerNormConfig;
pub use reference::{reference, residual_reference};

/// LayerNorm of x `[N, H]` with parameters `[2, H]`.
pub fn layer_norm(x: &Tensor, parameters: &Tensor, epsilon: f64) -> Result<Tensor> {
    if fused(x) {
        let x = x.contiguous()?;
        // The residual argument is not read: the configuration says that there is none.
        x.apply_op3(&x.detach(), &parameters.contiguous()?, LayerNorm(LayerNormConfig::alone(epsilon)))
    } else {
        reference(x, parameters, epsilon)
    }
}

/// LayerNorm of residual + dropout(x).
pub fn residual_layer_norm(
    x: &Tensor,
    residual: &Tensor,
    parameters: &Tensor,
    key: Option<DropoutKey>,
    epsilon: f64,
) -> Result<Tensor> {
    let config = LayerNormConfig::after_residual(key, epsilon);
    if fused(x) {
        let residual = residual.contiguous()?;
        x.contiguous()?.apply_op3(&residual, &parameters.contiguous()?, LayerNorm(config))
    } else {
        residual_reference(x, residual, parameters, config.key, epsilon)
    }
}

struct LayerNorm(LayerNormConfig);

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, residual) = (host::slice(x, x_layout)?, host::slice(residual, residual_layout)?);
        let y = cpu::forward(&self.0, x, residual, host::slice(parameters, parameters_layout)?);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        residual: &CudaStorage,
        residual_layout: &Layout,
        parameters: &CudaStorage,
        parameters_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let inputs = [(x, x_layout), (residual, residual_layout), (parameters, parameters_layout)];
        cuda::forward(&self.0, inputs)
    }

    fn bwd(
        &self,
        x: &Tensor,
        residual: &Tensor,
        parameters: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<InputGrads> {
        if let Some(backend) = CudaBackend::of(x)? {
            return cuda::backward(&backend, &self.0, [x, residual, parameters], grad);
        }
        let (_, width) = x.dims2()?;
        let (d_sum, dx, d_parameters) = host::with(x, |x| {
            host::with(residual, |residual| {
                host::with(parameters, |p| {
                    let gamma = &p[..width];
                    host::with(grad, |grad| Ok(cpu::backward(&self.0, [x, residual, grad], gamma)))
                })
            })
        })?;
        let d_sum = Tensor::from_vec(d_sum, x.shape(), x.device())?;
        let dx = match dx {
            Some(dx) => Tensor::from_vec(dx, x.shape(), x.device())?,
            None => d_sum.clone(),
        };
        let d_parameters = accumulate_grad_or_return(parameters, d_parameters)?;
        Ok((Some(dx), self.0.residual.then_some(d_sum), d_parameters))
    }
}

#[cfg(test)]
mod tests;
