//! LayerNorm, alone and behind a residual connection.

use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::cuda::{Gpu, at, with};
use super::super::launch::Address;
use super::super::machine::Machine;
use super::super::norm::{Inputs, backward, forward};
use super::{elsewhere, expect, hand_over};
use crate::ops::dropout::DropoutKey;

/// As `ops::norm::norm`.
pub fn norm(x: &Tensor, parameters: &Tensor, epsilon: f64) -> Result<Tensor> {
    let x = x.contiguous()?;
    x.apply_op3(&x.detach(), &parameters.contiguous()?, Norm { key: None, residual: false, epsilon })
}

/// As `ops::norm::residual_norm`.
pub fn residual_norm(
    x: &Tensor,
    residual: &Tensor,
    parameters: &Tensor,
    key: Option<DropoutKey>,
    epsilon: f64,
) -> Result<Tensor> {
    let op = Norm { key: key.filter(|key| !key.is_off()), residual: true, epsilon };
    x.contiguous()?.apply_op3(&residual.contiguous()?, &parameters.contiguous()?, op)
}

struct Norm {
    key: Option<DropoutKey>,
    residual: bool,
    epsilon: f64,
}

impl Norm {
    fn inputs<'a>(&self, [x, residual, parameters]: [Address<'a>; 3], shape: &Shape) -> Result<Inputs<'a>> {
        let (rows, width) = shape.dims2()?;
        let residual = if self.residual { residual } else { Address::NULL };
        let (dropout, epsilon) = (self.key.into(), self.epsilon as f32);
        Ok(Inputs { x, residual, parameters, dropout, epsilon, rows, width })
    }
}

impl CustomOp3 for Norm {
    fn name(&self) -> &'static str {
        "layer-norm-cuda"
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
        residual: &CudaStorage,
        residual_layout: &Layout,
        parameters: &CudaStorage,
        parameters_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let gpu = Gpu::of(x);
        expect("a residual", residual_layout, x_layout.dims())?;
        expect("γ and β", parameters_layout, &[2, x_layout.shape().dims2()?.1])?;
        let addresses = [
            at::<f32>(x, x_layout)?,
            at::<f32>(residual, residual_layout)?,
            at::<f32>(parameters, parameters_layout)?,
        ];
        let y = gpu.room(x_layout.shape().elem_count())?;
        forward(&gpu, self.inputs(addresses, x_layout.shape())?, gpu.at(&y))?;
        Ok((gpu.storage(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        residual: &Tensor,
        parameters: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gpu = Gpu::of_tensor(x)?;
        let grad = grad.contiguous()?;
        let got = with([x, residual, parameters, &grad], |[at_x, residual, parameters, grad]| {
            backward(&gpu, self.inputs([at_x, residual, parameters], x.shape())?, grad)
        })?;
        let d_sum = gpu.tensor(got.sum, x.shape());
        let dx = got.x.map_or_else(|| d_sum.clone(), |dx| gpu.tensor(dx, x.shape()));
        let d_parameters = hand_over(parameters, gpu.tensor(got.parameters, parameters.shape()))?;
        Ok((Some(dx), self.residual.then_some(d_sum), d_parameters))
    }
}
