//! LayerNorm of residual + dropout(x) on a CUDA device.

use candle_core::{CudaStorage, Layout, Result, Shape, Tensor};

use super::config::LayerNormConfig;
use crate::ops::backend::primitives::{SPAN, sum_columns};
use crate::ops::backend::{
    Backend, COMMON, CudaBackend, DevicePtr, expect_shape, kernels, storage_ptr, with_ptrs,
};
use crate::ops::dropout::cuda::{DROPOUT, DropoutSite};
use crate::ops::gradients::{InputGrads, cuda::accumulate_grad_or_return};

kernels! {
    "layer_norm": [COMMON, DROPOUT, ("layer_norm/kernel.cu", include_str!("kernel.cu"))];
    fn norm_forward(
        x: [f32], residual: [f32], parameters: [f32], y: [mut f32], rows: u32, width: u32, epsilon: f32,
        dropout: DropoutSite,
    );
    fn norm_backward(
        x: [f32], residual: [f32], gamma: [f32], dy: [f32], d_sum: [mut f32], dx: [mut f32],
        statistics: [mut f32], rows: u32, width: u32, epsilon: f32, dropout: DropoutSite,
    );
    fn norm_parameters(
        x: [f32], residual: [f32], statistics: [f32], dy: [f32], partials: [mut f32], rows: u32, width: u32,
        span: u32, dropout: DropoutSite,
    );
}

/// What a LayerNorm reads.
#[derive(Clone, Copy)]
pub struct LayerNormInputs<'a> {
    /// `[N, H]`.
    pub x: DevicePtr<'a, f32>,
    /// `[N, H]`, or null where there is none.
    pub residual: DevicePtr<'a, f32>,
    /// γ and β. `[2, H]`
    pub parameters: DevicePtr<'a, f32>,
    /// Between x and the sum.
    pub dropout: DropoutSite,
    /// Added to the variance under the root.
    pub epsilon: f32,
    /// N.
    pub rows: usize,
    /// H.
    pub width: usize,
}

/// Writes the output over `y` `[N, H]`.
pub fn layer_norm<B: Backend>(backend: &B, inputs: LayerNormInputs<'_>, y: DevicePtr<'_, f32>) -> Result<()> {
    let LayerNormInputs { x, residual, parameters, dropout, epsilon, rows, width } = inputs;
    let (n, h) = (rows as u32, width as u32);
    let call = norm_forward(x, residual, parameters, y, n, h, epsilon, dropout);
    // SAFETY: `LayerNormInputs` has the sizes, and y has as many numbers as x.
    unsafe { backend.launch(call.warps(rows)) }
}

/// Gradients of a LayerNorm.
pub struct LayerNormGrads<B: Backend> {
    /// Of the sum, and so of the residual. `[N, H]`
    pub sum: B::Buffer<f32>,
    /// Of x where there is dropout before the sum; else it equals that of the sum. `[N, H]`
    pub x: Option<B::Buffer<f32>>,
    /// Of γ and β. `[2, H]`
    pub parameters: B::Buffer<f32>,
}

/// The gradients from that of the output, `dy` `[N, H]`.
pub fn layer_norm_grads<B: Backend>(
    backend: &B,
    inputs: LayerNormInputs<'_>,
    dy: DevicePtr<'_, f32>,
) -> Result<LayerNormGrads<B>> {
    let LayerNormInputs { x, residual, parameters, dropout, epsilon, rows, width } = inputs;
    let (n, h) = (rows as u32, width as u32);
    let sum = backend.alloc(rows * width)?;
    let dx = if dropout.is_off() { None } else { Some(backend.alloc(rows * width)?) };
    let statistics = backend.alloc(2 * rows)?;
    let at_dx = dx.as_ref().map_or(DevicePtr::NULL, |dx| backend.ptr(dx));
    let (at_sum, at_statistics) = (backend.ptr(&sum), backend.ptr(&statistics));
    let call =
        norm_backward(x, residual, parameters, dy, at_sum, at_dx, at_statistics, n, h, epsilon, dropout);
    // SAFETY: `LayerNormInputs` has the sizes; the others were allocated for them.
    unsafe { backend.launch(call.warps(rows))? };
    let spans = rows.div_ceil(SPAN).max(1);
    let partials = backend.alloc(spans * 2 * width)?;
    let at_partials = backend.ptr(&partials);
    let call = norm_parameters(x, residual, at_statistics, dy, at_partials, n, h, SPAN as u32, dropout);
    let grid = [width.div_ceil(64) as u32, spans as u32];
    // SAFETY: as above; there is a partial sum for every span.
    unsafe { backend.launch(call.grid(grid, 64))? };
    let parameters = sum_columns(backend, at_partials, spans, 2 * width)?;
    Ok(LayerNormGrads { sum, x: dx, parameters })
}

fn inputs<'a>(
    config: &LayerNormConfig,
    [x, residual, parameters]: [DevicePtr<'a, f32>; 3],
    shape: &Shape,
) -> Result<LayerNormInputs<'a>> {
    let (rows, width) = shape.dims2()?;
    let residual = if config.residual { residual } else { DevicePtr::NULL };
    let (dropout, epsilon) = (DropoutSite::new(config.key, width), config.epsilon as f32);
    Ok(LayerNormInputs { x, residual, parameters, dropout, epsilon, rows, width })
}

/// LayerNorm of tensors.
pub fn forward(
    config: &LayerNormConfig,
    [(x, layout), (residual, residual_layout), (parameters, parameters_layout)]: [(&CudaStorage, &Layout); 3],
) -> Result<(CudaStorage, Shape)> {
    let (backend, shape) = (CudaBackend::of_storage(x)?, layout.shape());
    expect_shape("a residual", residual_layout.shape(), shape.dims())?;
    expect_shape("the parameter of a LayerNorm", parameters_layout.shape(), &[2, shape.dims2()?.1])?;
    let pointers = [
        storage_ptr(x, layout)?,
        storage_ptr(residual, residual_layout)?,
        storage_ptr(parameters, parameters_layout)?,
    ];
    let y = backend.alloc(shape.elem_count())?;
    layer_norm(&backend, inputs(config, pointers, shape)?, backend.ptr(&y))?;
    Ok((backend.storage(y), shape.clone()))
}

/// The gradients of x, the residual and the parameters.
pub fn backward(
    backend: &CudaBackend,
    config: &LayerNormConfig,
    [x, residual, parameters]: [&Tensor; 3],
    grad: &Tensor,
) -> Result<InputGrads> {
    let grads = with_ptrs([x, residual, parameters, &grad.contiguous()?], |[at_x, residual, p, grad]| {
        layer_norm_grads(backend, inputs(config, [at_x, residual, p], x.shape())?, grad)
    })?;
    let d_sum = backend.tensor(grads.sum, x.shape());
    let dx = grads.x.map_or_else(|| d_sum.clone(), |dx| backend.tensor(dx, x.shape()));
    let d_parameters =
        accumulate_grad_or_return(parameters, backend.tensor(grads.parameters, parameters.shape()))?;
    Ok((Some(dx), config.residual.then_some(d_sum), d_parameters))
}
