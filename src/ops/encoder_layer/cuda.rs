//! The layer on a CUDA device: the kernels of its operations one after the other, forward and backward.
//! GELU's output is computed again in the backward pass.

use candle_core::{CudaStorage, Layout, Result, Tensor, bail};

use super::config::{LayerParameters, LayerSettings};
use crate::ops::attention::cuda::{AttentionActivations, TiledAttention, attention, attention_grad, tiles};
use crate::ops::backend::{Backend, CudaBackend, DevicePtr, storage_ptr, with_ptrs};
use crate::ops::dropout::cuda::DropoutSite;
use crate::ops::gelu::cuda::{gelu, gelu_grad};
use crate::ops::gradients::cuda::accumulate_grad_or_return;
use crate::ops::layer_norm::cuda::{LayerNormInputs, layer_norm, layer_norm_grads};
use crate::ops::linear::cuda::{LinearInputs, input_grad, linear, parameter_grads};
use crate::precision::Precision;

/// The addresses of a layer's parameters, as in [`LayerParameters`].
#[derive(Clone, Copy)]
pub struct ParameterPtrs<'a> {
    /// Weight `[3H, H]` and bias.
    qkv: [DevicePtr<'a, f32>; 2],
    /// Weight `[H, H]` and bias.
    attention_output: [DevicePtr<'a, f32>; 2],
    /// `[2, H]`.
    attention_norm: DevicePtr<'a, f32>,
    /// Weight `[F, H]` and bias.
    intermediate: [DevicePtr<'a, f32>; 2],
    /// Weight `[H, F]` and bias.
    output: [DevicePtr<'a, f32>; 2],
    /// `[2, H]`.
    output_norm: DevicePtr<'a, f32>,
}

impl<'a> ParameterPtrs<'a> {
    /// The addresses in the order of [`LayerParameters::all`].
    pub fn new(pointers: [DevicePtr<'a, f32>; 10]) -> Self {
        let [w_qkv, b_qkv, w_out, b_out, attention_norm, w_inner, b_inner, w_outer, b_outer, output_norm] =
            pointers;
        Self {
            qkv: [w_qkv, b_qkv],
            attention_output: [w_out, b_out],
            attention_norm,
            intermediate: [w_inner, b_inner],
            output: [w_outer, b_outer],
            output_norm,
        }
    }
}

/// A layer prepared for the kernels.
pub struct PreparedLayer<B: Backend> {
    /// Sequences and heads.
    attention: TiledAttention<B>,
    /// Dropout of the attention's output and of the layer's.
    dropout: [DropoutSite; 2],
    /// Added to the variance under LayerNorm's root.
    epsilon: f32,
    /// N, H and F.
    sizes: [usize; 3],
    /// Rounding of the factors of matrix products.
    precision: Precision,
}

impl<B: Backend> PreparedLayer<B> {
    /// A layer with these settings over N tokens, of width H with F inner features.
    pub fn new(attention: TiledAttention<B>, settings: &LayerSettings, sizes: [usize; 3]) -> Self {
        let dropout = settings.norms().map(|norm| DropoutSite::new(norm.key, sizes[1]));
        let (epsilon, precision) = (settings.epsilon as f32, settings.precision);
        Self { attention, dropout, epsilon, sizes, precision }
    }
}

/// What the backward pass reads of the forward pass.
pub struct Activations<B: Backend> {
    /// `[N, 3H]`.
    qkv: B::Buffer<f32>,
    /// [N, heads].
    log_sums: B::Buffer<f32>,
    /// The output of the attention heads. `[N, H]`
    context: B::Buffer<f32>,
    /// The attention's output before dropout. `[N, H]`
    attended: B::Buffer<f32>,
    /// After the first LayerNorm. `[N, H]`
    middle: B::Buffer<f32>,
    /// Before GELU. `[N, F]`
    inner: B::Buffer<f32>,
    /// Before the second LayerNorm. `[N, H]`
    outer: B::Buffer<f32>,
}

/// The gradients of a layer's input and parameters.
pub struct LayerGrads<B: Backend> {
    /// `[N, H]`.
    pub x: B::Buffer<f32>,
    /// In the order of [`LayerParameters::all`].
    pub parameters: [B::Buffer<f32>; 10],
}

/// A layer of a batch.
pub struct DeviceLayer<'a, B: Backend> {
    /// Where it runs.
    pub backend: &'a B,
    /// Its parameters.
    pub parameters: ParameterPtrs<'a>,
    /// Everything else.
    pub prepared: &'a PreparedLayer<B>,
}

impl<B: Backend> DeviceLayer<'_, B> {
    /// Writes the output over `y` `[N, H]`.
    pub fn forward(&self, x: DevicePtr<'_, f32>, y: DevicePtr<'_, f32>) -> Result<Activations<B>> {
        let Self { backend, parameters, prepared } = self;
        let backend = *backend;
        let [n, h, f] = prepared.sizes;
        let dense = |x: DevicePtr<'_, f32>, [weight, bias]: [DevicePtr<'_, f32>; 2], [o, i]: [usize; 2]| {
            let y = backend.alloc(n * o)?;
            linear(backend, self.dense(x, weight, [o, i]), bias, backend.ptr(&y))?;
            Result::Ok(y)
        };
        let qkv = dense(x, parameters.qkv, [3 * h, h])?;
        let context = backend.alloc(n * h)?;
        let log_sums = attention(backend, &prepared.attention, backend.ptr(&qkv), backend.ptr(&context))?;
        let attended = dense(backend.ptr(&context), parameters.attention_output, [h, h])?;
        let middle = backend.alloc(n * h)?;
        layer_norm(backend, self.first_norm(backend.ptr(&attended), x), backend.ptr(&middle))?;
        let inner = dense(backend.ptr(&middle), parameters.intermediate, [f, h])?;
        let active = backend.alloc(n * f)?;
        gelu(backend, backend.ptr(&inner), backend.ptr(&active), n * f)?;
        let outer = dense(backend.ptr(&active), parameters.output, [h, f])?;
        layer_norm(backend, self.second_norm(backend.ptr(&outer), backend.ptr(&middle)), y)?;
        Ok(Activations { qkv, log_sums, context, attended, middle, inner, outer })
    }

    /// The gradients of x and of the parameters, from that of the output, `dy` `[N, H]`.
    pub fn backward(
        &self,
        x: DevicePtr<'_, f32>,
        activations: &Activations<B>,
        dy: DevicePtr<'_, f32>,
    ) -> Result<LayerGrads<B>> {
        let Self { backend, parameters, prepared } = self;
        let backend = *backend;
        let [n, h, f] = prepared.sizes;
        let Activations { qkv, log_sums, context, attended, middle, inner, outer } = activations;

        let second = self.second_norm(backend.ptr(outer), backend.ptr(middle));
        let second = layer_norm_grads(backend, second, dy)?;
        let d_outer = backend.ptr(second.x.as_ref().unwrap_or(&second.sum));
        let active = backend.alloc(n * f)?;
        gelu(backend, backend.ptr(inner), backend.ptr(&active), n * f)?;
        let of_output = self.dense(backend.ptr(&active), parameters.output[0], [h, f]);
        let [d_w2, d_b2] = parameter_grads(backend, of_output, d_outer)?;
        // The activations have been read: their gradient overwrites them.
        let d_inner = backend.ptr(&active);
        input_grad(backend, of_output, d_outer, d_inner, false)?;
        gelu_grad(backend, backend.ptr(inner), d_inner, d_inner, n * f)?;
        let of_inner = self.dense(backend.ptr(middle), parameters.intermediate[0], [f, h]);
        let [d_w1, d_b1] = parameter_grads(backend, of_inner, d_inner)?;
        // The buffer holds the gradient of the residual connection; the other gradient is added to it.
        let d_middle = backend.ptr(&second.sum);
        input_grad(backend, of_inner, d_inner, d_middle, true)?;

        let first = layer_norm_grads(backend, self.first_norm(backend.ptr(attended), x), d_middle)?;
        let d_attended = backend.ptr(first.x.as_ref().unwrap_or(&first.sum));
        let of_context = self.dense(backend.ptr(context), parameters.attention_output[0], [h, h]);
        let [d_wo, d_bo] = parameter_grads(backend, of_context, d_attended)?;
        let d_context = backend.alloc(n * h)?;
        input_grad(backend, of_context, d_attended, backend.ptr(&d_context), false)?;
        let d_qkv = backend.alloc(3 * n * h)?;
        let read = AttentionActivations {
            qkv: backend.ptr(qkv),
            output: backend.ptr(context),
            log_sums: backend.ptr(log_sums),
        };
        let at_d_qkv = backend.ptr(&d_qkv);
        attention_grad(backend, &prepared.attention, read, backend.ptr(&d_context), at_d_qkv)?;
        let of_qkv = self.dense(x, parameters.qkv[0], [3 * h, h]);
        let [d_wqkv, d_bqkv] = parameter_grads(backend, of_qkv, at_d_qkv)?;
        input_grad(backend, of_qkv, at_d_qkv, backend.ptr(&first.sum), true)?;
        let parameters =
            [d_wqkv, d_bqkv, d_wo, d_bo, first.parameters, d_w1, d_b1, d_w2, d_b2, second.parameters];
        Ok(LayerGrads { x: first.sum, parameters })
    }

    fn dense<'b>(
        &self,
        x: DevicePtr<'b, f32>,
        weight: DevicePtr<'b, f32>,
        [o, i]: [usize; 2],
    ) -> LinearInputs<'b> {
        let PreparedLayer { sizes: [n, ..], precision, .. } = *self.prepared;
        LinearInputs { x, weight, sizes: [n, o, i], precision }
    }

    fn first_norm<'b>(&'b self, x: DevicePtr<'b, f32>, residual: DevicePtr<'b, f32>) -> LayerNormInputs<'b> {
        self.norm(x, residual, self.parameters.attention_norm, self.prepared.dropout[0])
    }

    fn second_norm<'b>(&'b self, x: DevicePtr<'b, f32>, residual: DevicePtr<'b, f32>) -> LayerNormInputs<'b> {
        self.norm(x, residual, self.parameters.output_norm, self.prepared.dropout[1])
    }

    fn norm<'b>(
        &self,
        x: DevicePtr<'b, f32>,
        residual: DevicePtr<'b, f32>,
        parameters: DevicePtr<'b, f32>,
        dropout: DropoutSite,
    ) -> LayerNormInputs<'b> {
        let PreparedLayer { sizes: [rows, width, _], epsilon, .. } = *self.prepared;
        LayerNormInputs { x, residual, parameters, dropout, epsilon, rows, width }
    }
}

/// What the forward pass leaves for the backward pass.
pub struct Forward<B: Backend> {
    prepared: PreparedLayer<B>,
    activations: Activations<B>,
}

/// The layer of a tensor.
pub fn forward(
    parameters: &LayerParameters,
    settings: &LayerSettings,
    x: &CudaStorage,
    layout: &Layout,
) -> Result<(CudaStorage, Forward<CudaBackend>)> {
    let backend = CudaBackend::of_storage(x)?;
    let (n, hidden) = layout.shape().dims2()?;
    let (tiles, sizes) = (tiles(&backend, &settings.offsets)?, [n, hidden / settings.heads]);
    let attention = TiledAttention::new(tiles, &settings.attention(), sizes, settings.precision)?;
    let prepared = PreparedLayer::new(attention, settings, [n, hidden, parameters.ffn()]);
    let y = backend.alloc(n * hidden)?;
    let x = storage_ptr(x, layout)?;
    let activations = with_ptrs(parameters.all(), |pointers| {
        let parameters = ParameterPtrs::new(pointers);
        DeviceLayer { backend: &backend, parameters, prepared: &prepared }.forward(x, backend.ptr(&y))
    })?;
    Ok((backend.storage(y), Forward { prepared, activations }))
}

/// The gradient of x; those of the parameters are accumulated.
pub fn backward(
    backend: &CudaBackend,
    parameters: &LayerParameters,
    forward: &Forward<CudaBackend>,
    x: &Tensor,
    grad: &Tensor,
) -> Result<Tensor> {
    let Forward { prepared, activations } = forward;
    let grads = with_ptrs([x, &grad.contiguous()?], |[x, grad]| {
        with_ptrs(parameters.all(), |pointers| {
            let parameters = ParameterPtrs::new(pointers);
            DeviceLayer { backend, parameters, prepared }.backward(x, activations, grad)
        })
    })?;
    for (parameter, gradient) in parameters.all().into_iter().zip(grads.parameters) {
        if accumulate_grad_or_return(parameter, backend.tensor(gradient, parameter.shape()))?.is_some() {
            bail!(
                "the gradient of an encoder layer's parameter would be lost: run its backward pass by \
                 Gradients::backward over all parameters, not by candle's own backward"
            )
        }
    }
    Ok(backend.tensor(grads.x, x.shape()))
}
