//! A dense layer.

use candle_core::{Result, Shape, Tensor};

use super::super::cuda::{Gpu, with};
use super::super::dense;
use super::super::launch::Address;
use super::super::machine::Machine;
use super::three::{self, Gradients, Input, Kernels};
use super::{expect, hand_over};
use crate::ops::Precision;

/// As `ops::linear::linear`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, precision: Precision) -> Result<Tensor> {
    three::apply([x, weight, bias], Linear(precision))
}

struct Linear(Precision);

/// The gradients of x [N, I], weight [O, I] and bias [O], less what has a place of its own, from that of the output [N, O].
pub fn gradients_at(
    [x, weight, bias]: [&Tensor; 3],
    grad: Address<'_>,
    precision: Precision,
) -> Result<Gradients> {
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

impl Kernels for Linear {
    const NAME: &'static str = "linear-cuda";

    fn forward(
        &self,
        gpu: &Gpu,
        [(x, x_shape), (weight, weight_shape), (bias, bias_shape)]: [Input<'_>; 3],
    ) -> Result<(<Gpu as Machine>::Floats, Shape)> {
        let ((n, i), o) = (x_shape.dims2()?, bias_shape.elem_count());
        expect("a weight", weight_shape, &[o, i])?;
        let y = gpu.room(n * o)?;
        let inputs = dense::Inputs { x, weight, sizes: [n, o, i], precision: self.0 };
        dense::forward(gpu, inputs, bias, gpu.at(&y))?;
        Ok((y, Shape::from((n, o))))
    }

    fn backward(&self, inputs: [&Tensor; 3], grad: &Tensor) -> Result<Gradients> {
        with([grad], |[grad]| gradients_at(inputs, grad, self.0))
    }
}
