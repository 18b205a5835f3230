//! Mean binary cross-entropy of logits, stable for confident ones (candle_nn's gives NaN on them).
//!
//! logits [N], labels [N] from 0 to 1 → scalar: mean of max(z, 0) - z·y + ln(1 + e^-|z|). No gradient reaches the labels.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{fused, host};

/// The mean binary cross-entropy of labels in f32 on the logits' device.
pub fn binary_cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let (n, labels) = (logits.dims1()?, &labels.detach());
    if labels.dims() != [n] || n == 0 {
        candle_core::bail!(
            "binary cross-entropy of {:?} logits got {:?} labels",
            logits.dims(),
            labels.dims()
        );
    }
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(logits) {
        return super::gpu::tensors::detection::binary_cross_entropy(logits, labels);
    }
    if fused(logits) {
        logits.contiguous()?.apply_op1(BinaryCrossEntropy(labels.contiguous()?))
    } else {
        reference(logits, labels)
    }
}

/// The same from candle's primitives.
pub fn reference(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let labels = labels.detach().to_dtype(logits.dtype())?;
    let softplus = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    ((logits.relu()? - (logits * labels)?)? + softplus)?.mean_all()
}

struct BinaryCrossEntropy(Tensor);

impl CustomOp1 for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary-cross-entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = host::slice(storage, layout)?;
        let of = |(&z, &y): (&f32, &f32)| f64::from(z.max(0.0) - z * y + (-z.abs()).exp().ln_1p());
        let total: f64 = host::with(&self.0, |labels| Ok(logits.iter().zip(labels).map(of).sum()))?;
        Ok((CpuStorage::F32(vec![(total / logits.len() as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let scale = grad.to_scalar::<f32>()? / self.0.elem_count() as f32;
        let of = |(&z, &y): (&f32, &f32)| scale * (1.0 / (1.0 + (-z).exp()) - y);
        let d_logits: Vec<f32> = host::with(&self.0, |labels| {
            host::with(logits, |logits| Ok(logits.iter().zip(labels).map(of).collect()))
        })?;
        Ok(Some(Tensor::from_vec(d_logits, logits.shape(), logits.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    #[test]
    fn fused_agrees_with_the_reference() {
        let labels = Tensor::new(&[0f32, 1.0, 1.0, 0.0, 1.0, 0.0], &candle_core::Device::Cpu).unwrap();
        let logits = (testing::tensor(&[6], 1) * 4.0).unwrap();
        testing::compare(&[logits], |t| binary_cross_entropy(&t[0], &labels), |t| reference(&t[0], &labels));
    }

    #[test]
    fn confident_logits_stay_finite() {
        let logits = Tensor::new(&[200f32, -200.0], &candle_core::Device::Cpu).unwrap();
        let loss = |labels: [f32; 2]| {
            let labels = Tensor::new(&labels, logits.device()).unwrap();
            binary_cross_entropy(&logits, &labels).unwrap().to_scalar::<f32>().unwrap()
        };
        assert_eq!((loss([1.0, 0.0]), loss([0.0, 1.0])), (0.0, 200.0));
    }
}
