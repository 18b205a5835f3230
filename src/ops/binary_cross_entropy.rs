//! Mean binary cross-entropy of logits, stable for confident ones (candle_nn's gives NaN on them).
//!
//! logits [N], labels of N tokens in {0, 1} → scalar: mean of max(z, 0) - z·y + ln(1 + e^-|z|).

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{fused, host};

/// The mean binary cross-entropy.
pub fn binary_cross_entropy(logits: &Tensor, labels: &Arc<[f32]>) -> Result<Tensor> {
    if logits.dims1()? != labels.len() || labels.is_empty() {
        candle_core::bail!("binary cross-entropy of {:?} logits got {} labels", logits.dims(), labels.len());
    }
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(logits) {
        return super::gpu::tensors::detection::binary_cross_entropy(logits, labels);
    }
    if fused(logits) {
        logits.contiguous()?.apply_op1(BinaryCrossEntropy(labels.clone()))
    } else {
        reference(logits, labels)
    }
}

/// The same from candle's primitives.
pub fn reference(logits: &Tensor, labels: &[f32]) -> Result<Tensor> {
    let labels = Tensor::from_slice(labels, labels.len(), logits.device())?.to_dtype(logits.dtype())?;
    let softplus = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    ((logits.relu()? - (logits * labels)?)? + softplus)?.mean_all()
}

struct BinaryCrossEntropy(Arc<[f32]>);

impl CustomOp1 for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary-cross-entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = host::slice(storage, layout)?;
        let total: f64 = logits
            .iter()
            .zip(self.0.iter())
            .map(|(&z, &y)| f64::from(z.max(0.0) - z * y + (-z.abs()).exp().ln_1p()))
            .sum();
        Ok((CpuStorage::F32(vec![(total / logits.len() as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let scale = grad.to_scalar::<f32>()? / self.0.len() as f32;
        let d_logits: Vec<f32> = host::with(logits, |logits| {
            let each = logits.iter().zip(self.0.iter());
            Ok(each.map(|(&z, &y)| scale * (1.0 / (1.0 + (-z).exp()) - y)).collect())
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
        let labels: Arc<[f32]> = vec![0.0, 1.0, 1.0, 0.0, 1.0, 0.0].into();
        let logits = (testing::tensor(&[6], 1) * 4.0).unwrap();
        testing::compare(&[logits], |t| binary_cross_entropy(&t[0], &labels), |t| reference(&t[0], &labels));
    }

    #[test]
    fn confident_logits_stay_finite() {
        let logits = Tensor::new(&[200f32, -200.0], &candle_core::Device::Cpu).unwrap();
        let loss = |labels: Vec<f32>| {
            binary_cross_entropy(&logits, &labels.into()).unwrap().to_scalar::<f32>().unwrap()
        };
        assert_eq!((loss(vec![1.0, 0.0]), loss(vec![0.0, 1.0])), (0.0, 200.0));
    }
}
