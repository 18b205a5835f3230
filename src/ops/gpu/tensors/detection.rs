//! The mean binary cross-entropy of logits.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::super::cuda::{Gpu, at, with};
use super::super::detection;
use super::super::machine::Machine;
use super::elsewhere;

/// As `ops::binary_cross_entropy::binary_cross_entropy`.
pub fn binary_cross_entropy(logits: &Tensor, labels: &Arc<[f32]>) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(BinaryCrossEntropy { labels: labels.clone(), there: Mutex::new(None) })
}

struct BinaryCrossEntropy {
    labels: Arc<[f32]>,
    /// The labels on the device, for the backward pass.
    there: Mutex<Option<<Gpu as Machine>::Floats>>,
}

impl CustomOp1 for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary-cross-entropy-cuda"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        elsewhere(self.name())
    }

    fn cuda_fwd(&self, logits: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let gpu = Gpu::of(logits);
        let labels = gpu.floats(&self.labels)?;
        let mean = detection::loss(&gpu, at(logits, layout)?, gpu.at(&labels), self.labels.len())?;
        match self.there.lock() {
            Ok(mut there) => *there = Some(labels),
            Err(_) => bail!("another thread failed inside a binary cross-entropy"),
        }
        Ok((gpu.storage(mean), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let gpu = Gpu::of_tensor(logits)?;
        let Ok(there) = self.there.lock() else {
            bail!("another thread failed inside a binary cross-entropy")
        };
        let Some(labels) = &*there else { bail!("a loss's backward pass came before its forward pass") };
        let d = with([logits, grad], |[logits, grad]| {
            detection::gradient(&gpu, logits, gpu.at(labels), grad, self.labels.len())
        })?;
        Ok(Some(gpu.tensor(d, logits.shape())))
    }
}
