//! GELU and dropout.

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::super::cuda::{Gpu, at, with};
use super::super::elementwise;
use super::super::launch::Dropout;
use super::super::machine::Machine;
use super::elsewhere;
use crate::ops::dropout::DropoutKey;

/// As `ops::gelu::gelu`.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Gelu)
}

/// As `ops::dropout::dropout`, of a key that drops something.
pub fn dropout(x: &Tensor, key: DropoutKey) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Drop(key))
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu-cuda"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        elsewhere(self.name())
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (gpu, n) = (Gpu::of(x), layout.shape().elem_count());
        let y = gpu.room(n)?;
        elementwise::gelu(&gpu, at(x, layout)?, gpu.at(&y), n)?;
        Ok((gpu.storage(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (gpu, n) = (Gpu::of_tensor(x)?, x.elem_count());
        let dx = gpu.room(n)?;
        with([x, &grad.contiguous()?], |[x, grad]| {
            elementwise::gelu_gradient(&gpu, x, grad, gpu.at(&dx), n)
        })?;
        Ok(Some(gpu.tensor(dx, x.shape())))
    }
}

struct Drop(DropoutKey);

impl Drop {
    fn site(&self, shape: &Shape) -> Dropout {
        Dropout::new(Some(self.0), shape.dims().last().copied().unwrap_or(1))
    }
}

impl CustomOp1 for Drop {
    fn name(&self) -> &'static str {
        "dropout-cuda"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        elsewhere(self.name())
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (gpu, n) = (Gpu::of(x), layout.shape().elem_count());
        let y = gpu.room(n)?;
        elementwise::dropout(&gpu, at(x, layout)?, gpu.at(&y), n, self.site(layout.shape()))?;
        Ok((gpu.storage(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (gpu, n) = (Gpu::of_tensor(x)?, x.elem_count());
        let dx = gpu.room(n)?;
        with([&grad.contiguous()?], |[grad]| {
            elementwise::dropout(&gpu, grad, gpu.at(&dx), n, self.site(x.shape()))
        })?;
        Ok(Some(gpu.tensor(dx, x.shape())))
    }
}
