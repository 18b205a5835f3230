//! A whole transformer layer as one operation.

use std::sync::Mutex;

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::super::attention::{self, Plan};
use super::super::cuda::{Gpu, at, with};
use super::super::launch::{Address, Dropout};
use super::super::layer::{self, Kept, Layer};
use super::super::machine::Machine;
use super::attention::tiles;
use super::{elsewhere, hand_over};
use crate::ops::encoder_layer::{Parameters, Settings};

/// As `ops::encoder_layer::encoder_layer`, of parameters that are the network's own.
pub fn encoder_layer(x: &Tensor, parameters: &Parameters, settings: &Settings) -> Result<Tensor> {
    let op =
        EncoderLayer { parameters: parameters.clone(), settings: settings.clone(), kept: Mutex::new(None) };
    x.contiguous()?.apply_op1(op)
}

struct EncoderLayer {
    parameters: Parameters,
    settings: Settings,
    kept: Mutex<Option<Passed>>,
}

/// From a forward pass to its backward pass.
struct Passed {
    settings: layer::Settings<<Gpu as Machine>::Words>,
    kept: Kept<<Gpu as Machine>::Floats>,
}

fn at_parameters(addresses: [Address<'_>; 10]) -> layer::Parameters<'_> {
    let [w_qkv, b_qkv, w_out, b_out, norm, w_inner, b_inner, w_outer, b_outer, outer_norm] = addresses;
    layer::Parameters {
        qkv: [w_qkv, b_qkv],
        attention_output: [w_out, b_out],
        attention_norm: norm,
        intermediate: [w_inner, b_inner],
        output: [w_outer, b_outer],
        output_norm: outer_norm,
    }
}

impl CustomOp1 for EncoderLayer {
    fn name(&self) -> &'static str {
        "encoder-layer-cuda"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        elsewhere(self.name())
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let gpu = Gpu::of(x);
        let (n, hidden) = layout.shape().dims2()?;
        let Settings { offsets, heads, reach, dropout, epsilon, precision } = &self.settings;
        let [in_attention, after_attention, after_output] =
            dropout.map(|key| key.filter(|key| !key.is_off()));
        let (width, key) = (hidden / heads, in_attention);
        let shape = attention::Shape { heads: *heads, width, reach: *reach, key, precision: *precision };
        let settings = layer::Settings {
            plan: Plan::new(tiles(&gpu, offsets)?, shape, n)?,
            dropout: [after_attention, after_output].map(|key| Dropout::new(key, hidden)),
            epsilon: *epsilon as f32,
            sizes: [n, hidden, self.parameters.intermediate[1].elem_count()],
            precision: *precision,
        };
        let y = gpu.room(n * hidden)?;
        let x = at(x, layout)?;
        let kept = with(self.parameters.all(), |addresses| {
            let parameters = at_parameters(addresses);
            Layer { machine: &gpu, parameters, settings: &settings }.forward(x, gpu.at(&y))
        })?;
        match self.kept.lock() {
            Ok(mut slot) => *slot = Some(Passed { settings, kept }),
            Err(_) => bail!("another thread failed inside an encoder layer"),
        }
        Ok((gpu.storage(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let gpu = Gpu::of_tensor(x)?;
        let Ok(kept) = self.kept.lock() else { bail!("another thread failed inside an encoder layer") };
        let Some(Passed { settings, kept }) = &*kept else {
            bail!("an encoder layer's backward pass came before its forward pass")
        };
        let all = self.parameters.all();
        let (dx, gradients) = with([x, &grad.contiguous()?], |[x, grad]| {
            with(all, |addresses| {
                let parameters = at_parameters(addresses);
                Layer { machine: &gpu, parameters, settings }.backward(x, kept, grad)
            })
        })?;
        for (parameter, gradient) in all.into_iter().zip(gradients) {
            if hand_over(parameter, gpu.tensor(gradient, parameter.shape()))?.is_some() {
                bail!("the gradient of an encoder layer's parameter has no place to go")
            }
        }
        Ok(Some(gpu.tensor(dx, x.shape())))
    }
}
