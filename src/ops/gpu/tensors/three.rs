//! Operations of three tensors, as kernels see them: addresses and shapes, whatever candle wraps around them.

use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::cuda::{Gpu, at};
use super::super::launch::Address;
use super::super::machine::Machine;
use super::elsewhere;

/// A tensor that a kernel reads.
pub type Input<'a> = (Address<'a>, &'a Shape);

/// Of three inputs, less what has a place of its own.
pub type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

/// What an operation does with its kernels.
pub trait Kernels: Send + Sync + 'static {
    /// What candle calls it.
    const NAME: &'static str;

    /// The output and its shape.
    fn forward(&self, gpu: &Gpu, inputs: [Input<'_>; 3]) -> Result<(<Gpu as Machine>::Floats, Shape)>;

    /// The gradients of the inputs, from that of the output, which is contiguous.
    fn backward(&self, inputs: [&Tensor; 3], grad: &Tensor) -> Result<Gradients>;
}

/// Applies an operation to three tensors.
pub fn apply([x, y, z]: [&Tensor; 3], kernels: impl Kernels) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&y.contiguous()?, &z.contiguous()?, Op(kernels))
}

struct Op<K>(K);

impl<K: Kernels> CustomOp3 for Op<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        elsewhere(K::NAME)
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        y: &CudaStorage,
        y_layout: &Layout,
        z: &CudaStorage,
        z_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let gpu = Gpu::of(x);
        let inputs = [
            (at(x, x_layout)?, x_layout.shape()),
            (at(y, y_layout)?, y_layout.shape()),
            (at(z, z_layout)?, z_layout.shape()),
        ];
        let (output, shape) = self.0.forward(&gpu, inputs)?;
        Ok((gpu.storage(output), shape))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, z: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Gradients> {
        self.0.backward([x, y, z], &grad.contiguous()?)
    }
}
