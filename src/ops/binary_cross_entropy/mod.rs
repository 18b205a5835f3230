//! Mean binary cross-entropy of logits, stable for confident ones (candle_nn's gives NaN on them).
//!
//! logits `[N]`, labels `[N]` from 0 to 1 → scalar: mean of max(z, 0) - z·y + ln(1 + e^-|z|). No gradient
//! reaches the labels.

pub mod cuda;

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::backend::{CudaBackend, fused};
use super::cpu::host;

/// The mean binary cross-entropy of labels in f32 on the logits' device.
pub fn binary_cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let (n, labels) = (logits.dims1()?, &labels.detach());
    if labels.dims() != [n] || n == 0 {
        bail!("binary cross-entropy of {:?} logits got {:?} labels", logits.dims(), labels.dims());
    }
    if fused(logits) {
        logits.contiguous()?.apply_op1(BinaryCrossEntropy { labels: labels.contiguous()? })
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

struct BinaryCrossEntropy {
    labels: Tensor,
}

impl CustomOp1 for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary-cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = host::slice(logits, layout)?;
        let of = |(&z, &y): (&f32, &f32)| f64::from(z.max(0.0) - z * y + (-z.abs()).exp().ln_1p());
        let total: f64 = host::with(&self.labels, |labels| Ok(logits.iter().zip(labels).map(of).sum()))?;
        Ok((CpuStorage::F32(vec![(total / logits.len() as f64) as f32]), Shape::from(())))
    }

    fn cuda_fwd(&self, logits: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::forward(logits, layout, &self.labels)
    }

    fn bwd(&self, logits: &Tensor, _mean: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        if let Some(backend) = CudaBackend::of(logits)? {
            return cuda::backward(&backend, logits, &self.labels, grad).map(Some);
        }
        let scale = grad.to_scalar::<f32>()? / self.labels.elem_count() as f32;
        let of = |(&z, &y): (&f32, &f32)| scale * (1.0 / (1.0 + (-z).exp()) - y);
        let d_logits: Vec<f32> = host::with(&self.labels, |labels| {
            host::with(logits, |logits| Ok(logits.iter().zip(labels).map(of).collect()))
        })?;
        Tensor::from_vec(d_logits, logits.shape(), logits.device()).map(Some)
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

    #[cfg(target_os = "linux")]
    #[test]
    fn emulated_kernels_agree_with_the_cpu() {
        use crate::ops::backend::Backend;
        use crate::ops::testing::{EMULATOR, close, numbers, on_cpu, var};

        let n = 3000;
        let z: Vec<f32> = numbers(n, 1).iter().map(|value| 4.0 * value).collect();
        let labels: Vec<f32> = (0..n).map(|i| f32::from(i % 7 == 0)).collect();
        let on = [&z, &labels, &vec![2.0]].map(|values| EMULATOR.upload(values).unwrap());
        let [at_logits, at_labels, at_grad] = on.each_ref().map(|buffer| EMULATOR.ptr(buffer));
        let mean = cuda::mean_loss(&EMULATOR, at_logits, at_labels, n).unwrap();
        let d = cuda::logit_grad(&EMULATOR, at_logits, at_labels, at_grad, n).unwrap();
        let logits = var(&z, &[n]);
        let labels = Tensor::new(&labels[..], &candle_core::Device::Cpu).unwrap();
        let (expected, gradients) =
            on_cpu(&[&logits], &[2.0], || binary_cross_entropy(&logits, &labels).unwrap());
        close("loss", &mean.read(), &expected, 1e-6);
        close("gradient", &d.read(), &gradients[0], 1e-5);
    }
}
