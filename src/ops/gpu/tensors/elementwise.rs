//! GELU and dropout.

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::super::cuda::{Gpu, at, with};
use super::super::elementwise;
use super::super::machine::Machine;
use super::elsewhere;
use crate::ops::dropout::DropoutKey;

/// As `ops::gelu::gelu`.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Gelu)
}

/// As `ops::dropout::dropout`, of a key that drops something.
pub fn dropout(x: &Tensor, key: DropoutKey) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Dropout(key))
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

struct Dropout(DropoutKey);

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout-cuda"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        elsewhere(self.name())
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (gpu, n) = (Gpu::of(x), layout.shape().elem_count());
        let y = gpu.room(n)?;
        elementwise::dropout(&gpu, at(x, layout)?, gpu.at(&y), n, Some(self.0).into())?;
        Ok((gpu.storage(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (gpu, n) = (Gpu::of_tensor(x)?, x.elem_count());
        let dx = gpu.room(n)?;
        with([&grad.contiguous()?], |[grad]| {
            elementwise::dropout(&gpu, grad, gpu.at(&dx), n, Some(self.0).into())
        })?;
        Ok(Some(gpu.tensor(dx, x.shape())))
    }
}
