//! The mean binary cross-entropy of logits.

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::super::cuda::{Gpu, at, with};
use super::super::detection;
use super::elsewhere;

/// As `ops::binary_cross_entropy::binary_cross_entropy`.
pub fn binary_cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(BinaryCrossEntropy(labels.contiguous()?))
}

struct BinaryCrossEntropy(Tensor);

impl CustomOp1 for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary-cross-entropy-cuda"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        elsewhere(self.name())
    }

    fn cuda_fwd(&self, logits: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let gpu = Gpu::of(logits);
        let (logits, n) = (at(logits, layout)?, self.0.elem_count());
        let mean = with([&self.0], |[labels]| detection::loss(&gpu, logits, labels, n))?;
        Ok((gpu.storage(mean), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let gpu = Gpu::of_tensor(logits)?;
        let d = with([logits, &self.0, grad], |[at_logits, labels, grad]| {
            detection::gradient(&gpu, at_logits, labels, grad, logits.elem_count())
        })?;
        Ok(Some(gpu.tensor(d, logits.shape())))
    }
}
