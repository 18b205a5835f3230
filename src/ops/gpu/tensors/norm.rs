//! LayerNorm, alone and behind a residual connection.

use candle_core::{Result, Shape, Tensor};

use super::super::cuda::{Gpu, with};
use super::super::launch::{Address, Dropout};
use super::super::machine::Machine;
use super::super::norm::{Inputs, backward, forward};
use super::three::{self, Gradients, Input, Kernels};
use super::{expect, hand_over};
use crate::ops::dropout::DropoutKey;

/// As `ops::norm::norm`.
pub fn norm(x: &Tensor, parameters: &Tensor, epsilon: f64) -> Result<Tensor> {
    let x = x.contiguous()?;
    three::apply([&x, &x.detach(), parameters], Norm { key: None, residual: false, epsilon })
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
    three::apply([x, residual, parameters], op)
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
        let (dropout, epsilon) = (Dropout::new(self.key, width), self.epsilon as f32);
        Ok(Inputs { x, residual, parameters, dropout, epsilon, rows, width })
    }
}

impl Kernels for Norm {
    const NAME: &'static str = "layer-norm-cuda";

    fn forward(
        &self,
        gpu: &Gpu,
        [(x, shape), (residual, residual_shape), (parameters, parameters_shape)]: [Input<'_>; 3],
    ) -> Result<(<Gpu as Machine>::Floats, Shape)> {
        expect("a residual", residual_shape, shape.dims())?;
        expect("γ and β", parameters_shape, &[2, shape.dims2()?.1])?;
        let y = gpu.room(shape.elem_count())?;
        forward(gpu, self.inputs([x, residual, parameters], shape)?, gpu.at(&y))?;
        Ok((y, shape.clone()))
    }

    fn backward(&self, [x, residual, parameters]: [&Tensor; 3], grad: &Tensor) -> Result<Gradients> {
        let gpu = Gpu::of_tensor(x)?;
        let got = with([x, residual, parameters, grad], |[at_x, residual, parameters, grad]| {
            backward(&gpu, self.inputs([at_x, residual, parameters], x.shape())?, grad)
        })?;
        let d_sum = gpu.tensor(got.sum, x.shape());
        let dx = got.x.map_or_else(|| d_sum.clone(), |dx| gpu.tensor(dx, x.shape()));
        let d_parameters = hand_over(parameters, gpu.tensor(got.parameters, parameters.shape()))?;
        Ok((Some(dx), self.residual.then_some(d_sum), d_parameters))
    }
}
