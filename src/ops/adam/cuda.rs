//! Adam over all parameters at once on a CUDA device: the global norm of the gradients, and the update.

use candle_core::{Result, Tensor, Var};

use super::update::Update;
use crate::ops::backend::{
    Backend, COMMON, CudaBackend, CudaType, DevicePtr, DeviceRepr, kernels, with_ptrs,
};

kernels! {
    "adam": [COMMON, ("adam/kernel.cu", include_str!("kernel.cu"))];
    fn sums_of_squares(chunks: [Chunk], steps: [KernelStep], sums: [mut f64]);
    fn norm_of_sums(sums: [f64], n: u32, norm: [mut f32]);
    fn adam_update(chunks: [Chunk], steps: [KernelStep], norm: [f32], params: AdamParams);
}

/// Numbers of a chunk: what one block updates.
const CHUNK: usize = 8192;
/// Threads of a block.
const THREADS: u32 = 256;

/// The numbers of an update that all parameters share, as the kernel takes them (`kernel.cu`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AdamParams {
    /// First moment: the share of it that is kept, and the gradient's factor.
    pub first: [f32; 2],
    /// Second moment: the same.
    pub second: [f32; 2],
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Bias corrections of the moments.
    pub corrections: [f32; 2],
    /// Global norm above which gradients are scaled down.
    pub clip_norm: f32,
}

/// A chunk of a parameter, as the kernels read it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Chunk {
    /// Addresses of the chunk in the parameter and its moments.
    pointers: [u64; 3],
    /// Number of its first element in the parameter.
    start: u64,
    len: u32,
    param_index: u32,
    decay: f32,
    padding: u32,
}

/// What a step changes for a parameter, as the kernels read it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct KernelStep {
    gradient: u64,
    rate: f32,
    padding: u32,
}

// SAFETY: numbers.
unsafe impl DeviceRepr for AdamParams {}
// SAFETY: numbers.
unsafe impl DeviceRepr for Chunk {}
// SAFETY: numbers.
unsafe impl DeviceRepr for KernelStep {}
// SAFETY: `struct AdamParams` of `kernel.cu` has the same fields.
unsafe impl CudaType for AdamParams {
    const NAME: &'static str = "AdamParams";
}
// SAFETY: `struct Chunk` of `kernel.cu` has the same fields; pointers are 64-bit numbers.
unsafe impl CudaType for Chunk {
    const NAME: &'static str = "Chunk";
}
// SAFETY: `struct Step` of `kernel.cu` has the same fields; pointers are 64-bit numbers.
unsafe impl CudaType for KernelStep {
    const NAME: &'static str = "Step";
}

/// A parameter with its moments, all of one size. They stay where they are from step to step.
#[derive(Clone, Copy)]
pub struct ParameterWithMoments<'a> {
    /// The parameter.
    pub values: DevicePtr<'a, f32>,
    /// First moment.
    pub first: DevicePtr<'a, f32>,
    /// Second moment.
    pub second: DevicePtr<'a, f32>,
    /// Numbers of each.
    pub len: usize,
    /// Decoupled weight decay.
    pub decay: f32,
}

/// What a step changes for a parameter.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// Before clipping, of the parameter's size.
    pub gradient: DevicePtr<'a, f32>,
    /// Learning rate.
    pub rate: f32,
}

/// The steps of all parameters, in their order, in the device's memory.
pub fn upload_steps<B: Backend>(backend: &B, steps: &[Step<'_>]) -> Result<B::Buffer<KernelStep>> {
    let step =
        |step: &Step<'_>| KernelStep { gradient: step.gradient.address(), rate: step.rate, padding: 0 };
    backend.upload(&steps.iter().map(step).collect::<Vec<_>>())
}

/// The chunks of all parameters.
pub struct ParameterChunks<B: Backend> {
    chunks: Vec<Chunk>,
    /// The same in the device's memory.
    buffer: B::Buffer<Chunk>,
}

impl<B: Backend> ParameterChunks<B> {
    /// Cuts all parameters. Those of the last step are used again where they are the same.
    pub fn new(backend: &B, parameters: &[ParameterWithMoments<'_>], last: Option<Self>) -> Result<Self> {
        let mut chunks = Vec::new();
        for (param_index, parameter) in (0u32..).zip(parameters) {
            let ParameterWithMoments { values, first, second, len, decay } = *parameter;
            chunks.extend((0..len).step_by(CHUNK).map(|start| Chunk {
                pointers: [values, first, second].map(|pointer| pointer.offset(start).address()),
                start: start as u64,
                len: (len - start).min(CHUNK) as u32,
                param_index,
                decay,
                padding: 0,
            }));
        }
        match last {
            Some(last) if last.chunks == chunks => Ok(last),
            _ => Ok(Self { buffer: backend.upload(&chunks)?, chunks }),
        }
    }
}

/// The global norm of the gradients, `[1]`.
pub fn gradient_norm<B: Backend>(
    backend: &B,
    chunks: &ParameterChunks<B>,
    steps: DevicePtr<'_, KernelStep>,
) -> Result<B::Buffer<f32>> {
    let (norm, n) = (backend.zeros(1)?, chunks.chunks.len());
    if n > 0 {
        let sums = backend.alloc(n)?;
        let (at_chunks, at_sums) = (backend.ptr(&chunks.buffer), backend.ptr(&sums));
        // SAFETY: the chunks lie in their parameters' gradients, and there is a sum for each.
        unsafe {
            backend.launch(sums_of_squares(at_chunks, steps, at_sums).blocks(n, THREADS))?;
            backend.launch(norm_of_sums(at_sums, n as u32, backend.ptr(&norm)).blocks(1, 512))?;
        }
    }
    Ok(norm)
}

/// Updates parameters and moments; changes nothing where the norm is not finite.
pub fn update_all<B: Backend>(
    backend: &B,
    chunks: &ParameterChunks<B>,
    steps: DevicePtr<'_, KernelStep>,
    norm: DevicePtr<'_, f32>,
    params: AdamParams,
) -> Result<()> {
    let n = chunks.chunks.len();
    if n == 0 {
        return Ok(());
    }
    let call = adam_update(backend.ptr(&chunks.buffer), steps, norm, params);
    // SAFETY: the chunks lie in their parameters and moments, no two overlap, and every parameter has its
    // step.
    unsafe { backend.launch(call.blocks(n, THREADS)) }
}

/// A parameter to be updated.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The parameter.
    pub parameter: &'a Var,
    /// Its moments.
    pub moments: [&'a Var; 2],
    /// Before clipping.
    pub gradient: &'a Tensor,
    /// Learning rate.
    pub rate: f32,
    /// Decoupled weight decay.
    pub decay: f32,
}

/// What a step leaves on the device for the next one.
#[derive(Default)]
pub struct StepCache(Option<ParameterChunks<CudaBackend>>);

/// Updates parameters by `update` (its rate, decay and scale are not read) and returns their gradients'
/// global norm, `[1]` in f32; changes nothing where the norm is not finite. Does not wait for the device.
/// None where the kernels do not take all of them.
pub fn step(
    jobs: &[Job<'_>],
    update: Update,
    clip_norm: f32,
    cache: &mut StepCache,
) -> Result<Option<Tensor>> {
    let tensors = |job: &Job<'_>| -> Result<[Tensor; 4]> {
        let [first, second] = job.moments;
        Ok([
            job.parameter.as_tensor().clone(),
            first.as_tensor().clone(),
            second.as_tensor().clone(),
            job.gradient.contiguous()?,
        ])
    };
    let tensors: Vec<[Tensor; 4]> = jobs.iter().map(tensors).collect::<Result<_>>()?;
    let Some([first, ..]) = tensors.first() else { return Ok(None) };
    let Some(backend) = CudaBackend::of(first)? else { return Ok(None) };
    for tensor in tensors.iter().flatten() {
        if CudaBackend::of(tensor)?.is_none() {
            return Ok(None);
        }
    }
    let (mut parameters, mut steps) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
    for (job, all) in jobs.iter().zip(&tensors) {
        // The tensors outlive the addresses; nothing else uses them meanwhile.
        let addresses = with_ptrs(all.each_ref(), |all| Ok(all.map(DevicePtr::address)))?;
        let [values, first, second, gradient] = addresses.map(DevicePtr::new);
        let (decay, len) = (job.decay, job.parameter.elem_count());
        parameters.push(ParameterWithMoments { values, first, second, len, decay });
        steps.push(Step { gradient, rate: job.rate });
    }
    let chunks = ParameterChunks::new(&backend, &parameters, cache.0.take())?;
    let steps = upload_steps(&backend, &steps)?;
    let norm = gradient_norm(&backend, &chunks, backend.ptr(&steps))?;
    let Update { beta1, beta2, epsilon, corrections, .. } = update;
    let params = AdamParams {
        first: [beta1 as f32, (1.0 - beta1) as f32],
        second: [beta2 as f32, (1.0 - beta2) as f32],
        epsilon,
        corrections: [corrections.0, corrections.1],
        clip_norm,
    };
    update_all(&backend, &chunks, backend.ptr(&steps), backend.ptr(&norm), params)?;
    cache.0 = Some(chunks);
    Ok(Some(backend.tensor(norm, 1)))
}
