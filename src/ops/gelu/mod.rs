//! The exact GELU: y = x · Φ(x), where Φ is the standard normal distribution function, by erf (not the tanh
//! approximation; google-research/electra, modeling.gelu). Any shape.

pub mod cpu;
pub mod cuda;

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::backend::{CudaBackend, fused};
use super::cpu::host;

/// GELU, element by element.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if fused(x) { x.contiguous()?.apply_op1(Gelu) } else { reference(x) }
}

/// The same from candle's primitives.
pub fn reference(x: &Tensor) -> Result<Tensor> {
    x.gelu_erf()
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = cpu::forward(host::slice(x, layout)?);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::forward(x, layout)
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        if let Some(backend) = CudaBackend::of(x)? {
            return cuda::backward(&backend, x, grad).map(Some);
        }
        let dx = host::with(x, |x| host::with(grad, |grad| Ok(cpu::backward(x, grad))))?;
        Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    #[test]
    fn fused_agrees_with_the_reference() {
        let x = (testing::tensor(&[70, 300], 1) * 2.0).unwrap();
        testing::compare(&[x], |t| gelu(&t[0]), |t| reference(&t[0]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn emulated_kernels_agree_with_the_cpu() {
        use crate::ops::backend::Backend;
        use crate::ops::testing::{EMULATOR, close, numbers, on_cpu, var};

        let n = 70_000;
        let (x, grad) = (numbers(n, 1), numbers(n, 2));
        let input = var(&x, &[n / 100, 100]);
        let (x, y) = (EMULATOR.upload(&x).unwrap(), EMULATOR.alloc::<f32>(n).unwrap());
        let d = EMULATOR.upload(&grad).unwrap();
        cuda::gelu(&EMULATOR, EMULATOR.ptr(&x), EMULATOR.ptr(&y), n).unwrap();
        // In place, as the encoder layer does it.
        cuda::gelu_grad(&EMULATOR, EMULATOR.ptr(&x), EMULATOR.ptr(&d), EMULATOR.ptr(&d), n).unwrap();
        let (expected, gradients) = on_cpu(&[&input], &grad, || gelu(&input).unwrap());
        close("gelu", &y.read(), &expected, 1e-6);
        close("gelu's gradient", &d.read(), &gradients[0], 1e-6);
    }
}
