//! A dense layer.

use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::cuda::{Gpu, at, with};
use super::super::dense;
use super::super::launch::Address;
use super::super::machine::Machine;
use super::{elsewhere, expect, hand_over};
use crate::ops::Precision;

/// As `ops::linear::linear`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, precision: Precision) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Linear(precision))
}

struct Linear(Precision);

/// The gradients of x [N, I], weight [O, I] and bias [O], less what has a place of its own, from that of the output [N, O].
pub fn gradients_at(
    [x, weight, bias]: [&Tensor; 3],
    grad: Address<'_>,
    precision: Precision,
) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
    let gpu = Gpu::of_tensor(x)?;
    let ((n, i), o) = (x.dims2()?, weight.dim(0)?);
    let dx = gpu.room(n * i)?;
    let [dw, db] = with([x, weight], |[x, weight]| {
        let inputs = dense::Inputs { x, weight, sizes: [n, o, i], precision };
        dense::input_gradient(&gpu, inputs, grad, gpu.at(&dx), false)?;
        dense::parameter_gradients(&gpu, inputs, grad)
    })?;
    Ok((
        Some(gpu.tensor(dx, x.shape())),
        hand_over(weight, gpu.tensor(dw, weight.shape()))?,
        hand_over(bias, gpu.tensor(db, bias.shape()))?,
    ))
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear-cuda"
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
        elsewhere(self.name())
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
        let gpu = Gpu::of(x);
        let ((n, i), o) = (x_layout.shape().dims2()?, bias_layout.shape().elem_count());
        expect("a weight", weight_layout, &[o, i])?;
        let inputs = dense::Inputs {
            x: at::<f32>(x, x_layout)?,
            weight: at::<f32>(weight, weight_layout)?,
            sizes: [n, o, i],
            precision: self.0,
        };
        let y = gpu.room(n * o)?;
        dense::forward(&gpu, inputs, at::<f32>(bias, bias_layout)?, gpu.at(&y))?;
        Ok((gpu.storage(y), Shape::from((n, o))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        with([&grad], |[grad]| gradients_at([x, weight, bias], grad, self.0))
    }
}
