//! `linear` over a vocabulary and `softmax_stats` of its output as one operation.
//!
//! x `[M, E]`, w `[V, E]`, b `[V]` → the loss and the softmax statistics of the rows of z = x · wᵀ + b, with
//! the same bits. z is the largest tensor of a step, and nothing reads it twice: it lies in a buffer of this
//! operation, the backward pass writes its gradient over it, and candle neither copies that gradient nor adds
//! it to zeros. Cost: 2·M·E·V FLOPs forward, twice that backward.

pub mod cpu;
pub mod cuda;

use std::sync::Arc;

use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::backend::{CudaBackend, ForwardCache, fused};
use super::cross_entropy::check;
use super::gradients::InputGrads;
use super::linear::cpu::LinearInputs;
use super::linear::linear;
use super::row_stats::{Outputs, Sampler};
use super::softmax_stats::{SoftmaxStats, softmax_stats};
use crate::precision::Precision;

/// What candle calls the operation.
const NAME: &str = "fused-linear-softmax-stats";

/// The loss and the statistics of the rows of x · wᵀ + b, each with its target class.
pub fn fused_linear_softmax_stats(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    targets: &[u32],
    sampler: Option<Sampler>,
    precision: Precision,
) -> Result<SoftmaxStats> {
    check(x.dim(0)?, weight.dim(0)?, targets)?;
    if !fused(x) {
        return reference(x, weight, bias, targets, sampler, precision);
    }
    let outputs = Arc::new(ForwardCache::new(NAME));
    let op = FusedLinearSoftmaxStats {
        targets: targets.into(),
        sampler,
        precision,
        outputs: outputs.clone(),
        cpu: ForwardCache::new(NAME),
        cuda: ForwardCache::new(NAME),
    };
    let loss = x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?;
    outputs.with(|outputs: &mut Outputs| Ok(SoftmaxStats::new(loss, outputs.clone())))
}

/// The same from `linear` and `softmax_stats`.
pub fn reference(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    targets: &[u32],
    sampler: Option<Sampler>,
    precision: Precision,
) -> Result<SoftmaxStats> {
    softmax_stats(&linear(x, weight, bias, precision)?, targets, sampler)
}

struct FusedLinearSoftmaxStats {
    targets: Arc<[u32]>,
    sampler: Option<Sampler>,
    precision: Precision,
    /// The statistics other than the loss, for the caller.
    outputs: Arc<ForwardCache<Outputs>>,
    cpu: ForwardCache<cpu::Forward>,
    cuda: ForwardCache<cuda::Forward<CudaBackend>>,
}

impl CustomOp3 for FusedLinearSoftmaxStats {
    fn name(&self) -> &'static str {
        NAME
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
        let inputs = LinearInputs::of([(x, x_layout), (weight, weight_layout), (bias, bias_layout)])?;
        let (loss, outputs, forward) = cpu::forward(&inputs, &self.targets, self.sampler)?;
        self.outputs.store(outputs)?;
        self.cpu.store(forward)?;
        Ok((CpuStorage::F32(vec![loss]), Shape::from(())))
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
        let (loss, outputs, forward) = cuda::forward(inputs, &self.targets, self.sampler, self.precision)?;
        self.outputs.store(outputs)?;
        self.cuda.store(forward)?;
        Ok((loss, Shape::from(())))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _loss: &Tensor,
        grad: &Tensor,
    ) -> Result<InputGrads> {
        let inputs = [x, weight, bias];
        match CudaBackend::of(x)? {
            Some(backend) => {
                self.cuda.with(|forward| cuda::backward(&backend, forward, inputs, grad, self.precision))
            }
            None => self.cpu.with(|forward| cpu::backward(forward, inputs, &self.targets, grad)),
        }
    }
}

#[cfg(test)]
mod tests;
