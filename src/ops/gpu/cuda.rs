//! A CUDA device: kernels compiled at run time, once a process, and cuBLAS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use candle_core::cuda_backend::cudarc::cublas::{result::gemm_ex, sys};
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, DevicePtr, DeviceRepr, LaunchConfig, PushKernelArg, sys::CUdevice_attribute,
};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaStorage, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, DType, Error, Layout, Result, Shape, Storage, Tensor, bail};

use super::kernels;
use super::launch::{Address, Argument, Dropout, Heads, Launch, Rule, arguments};
use super::machine::{Machine, Product};
use crate::ops::Precision;

/// Words that are copied to a device at a time.
const UPLOAD: usize = 1 << 14;

/// A CUDA device as candle holds it.
pub struct Gpu(CudaDevice);

// SAFETY: these are `repr(C)` numbers, as the kernels declare them.
unsafe impl DeviceRepr for Dropout {}
// SAFETY: as above.
unsafe impl DeviceRepr for Heads {}
// SAFETY: as above.
unsafe impl DeviceRepr for Rule {}

/// The kernels' PTX for an architecture, such as 90.
pub fn compile(architecture: u32) -> Result<String> {
    let options = CompileOptions {
        options: vec![format!("--gpu-architecture=compute_{architecture}"), "--std=c++17".into()],
        name: Some("kernels.cu".into()),
        ..CompileOptions::default()
    };
    let ptx = compile_ptx_with_opts(kernels::program(), options)
        .map_err(|error| Error::Msg(format!("the CUDA kernels do not compile: {error:?}")))?;
    Ok(ptx.to_src())
}

/// What has been compiled, by the device's number.
static COMPILED: OnceLock<Mutex<HashMap<usize, Arc<str>>>> = OnceLock::new();

impl Gpu {
    /// The device of a storage.
    pub fn of(storage: &CudaStorage) -> Self {
        Self(storage.device.clone())
    }

    /// The device of a tensor.
    pub fn of_tensor(tensor: &Tensor) -> Result<Self> {
        Ok(Self(tensor.device().as_cuda_device()?.clone()))
    }

    /// The device's number.
    pub fn number(&self) -> usize {
        self.0.cuda_stream().context().ordinal()
    }

    fn ptx(&self) -> Result<Arc<str>> {
        let context = self.0.cuda_stream().context().clone();
        let device = context.ordinal();
        let Ok(mut compiled) = COMPILED.get_or_init(Mutex::default).lock() else {
            bail!("another thread failed while it compiled the CUDA kernels")
        };
        if let Some(ptx) = compiled.get(&device) {
            return Ok(ptx.clone());
        }
        let attribute = |which| context.attribute(which).w();
        let major = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let ptx: Arc<str> = compile((10 * major + minor) as u32)?.into();
        compiled.insert(device, ptx.clone());
        Ok(ptx)
    }

    /// The factor of a product, rounded to bfloat16.
    fn to_bf16(&self, from: Address<'_>, n: usize) -> Result<CudaSlice<u16>> {
        // SAFETY: the kernel writes all of it.
        let halves = unsafe { self.0.alloc::<u16>(n.max(1))? };
        let arguments = arguments![from, address(self, &halves), n as u64];
        // SAFETY: both have n numbers.
        unsafe { self.launch(Launch::over("to_bf16", n, arguments))? };
        Ok(halves)
    }

    /// Numbers in this device's memory, as a tensor.
    pub fn tensor(&self, floats: CudaSlice<f32>, shape: impl Into<Shape>) -> Tensor {
        let storage = CudaStorage::wrap_cuda_slice(floats, self.0.clone());
        Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
    }

    /// Words in this device's memory, as a tensor of u32.
    pub fn word_tensor(&self, words: CudaSlice<u32>, shape: impl Into<Shape>) -> Tensor {
        let storage = CudaStorage::wrap_cuda_slice(words, self.0.clone());
        Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
    }

    /// Numbers in this device's memory, as what an operation returns.
    pub fn storage(&self, floats: CudaSlice<f32>) -> CudaStorage {
        CudaStorage::wrap_cuda_slice(floats, self.0.clone())
    }
}

fn address<'a, T>(gpu: &Gpu, slice: &'a CudaSlice<T>) -> Address<'a> {
    // candle's stream is one a thread, and a tensor stays on the thread that made it (`run/executor.rs`): there is nothing
    // to wait for or to record.
    Address::new(slice.device_ptr(&gpu.0.cuda_stream()).0)
}

/// Where a contiguous f32 storage's elements begin.
pub fn at<'a>(storage: &'a CudaStorage, layout: &Layout) -> Result<Address<'a>> {
    let Some((start, _)) = layout.contiguous_offsets() else {
        bail!("a kernel was given a tensor that is not contiguous: {layout:?}")
    };
    let slice = storage.as_cuda_slice::<f32>()?;
    Ok(address(&Gpu::of(storage), slice).numbers_on(start))
}

/// Calls `body` with the address of a contiguous u32 tensor.
pub fn with_words<R>(words: &Tensor, body: impl FnOnce(Address<'_>) -> Result<R>) -> Result<R> {
    let (storage, layout) = words.storage_and_layout();
    let (Storage::Cuda(storage), Some((start, _))) = (&*storage, layout.contiguous_offsets()) else {
        bail!("a CUDA kernel was given words of another device, or words that are not contiguous")
    };
    body(address(&Gpu::of(storage), storage.as_cuda_slice::<u32>()?).numbers_on(start))
}

/// Calls `body` with the addresses of contiguous f32 tensors on one device.
pub fn with<R, const N: usize>(
    tensors: [&Tensor; N],
    body: impl FnOnce([Address<'_>; N]) -> Result<R>,
) -> Result<R> {
    let read = tensors.map(Tensor::storage_and_layout);
    let mut addresses = [Address::NULL; N];
    for (address, (storage, layout)) in addresses.iter_mut().zip(&read) {
        *address = match &**storage {
            Storage::Cuda(storage) => at(storage, layout)?,
            _ => bail!("a CUDA kernel was given a tensor of another device"),
        };
    }
    body(addresses)
}

/// Whether the kernels take a tensor.
pub fn takes(tensor: &Tensor) -> bool {
    tensor.device().is_cuda() && tensor.dtype() == DType::F32
}

impl Machine for Gpu {
    type Floats = CudaSlice<f32>;
    type Words = CudaSlice<u32>;
    type Doubles = CudaSlice<f64>;

    fn room(&self, n: usize) -> Result<CudaSlice<f32>> {
        // SAFETY: whoever asks for room overwrites it before it is read.
        unsafe { self.0.alloc(n.max(1)) }
    }

    fn zeros(&self, n: usize) -> Result<CudaSlice<f32>> {
        self.0.alloc_zeros(n.max(1))
    }

    fn word_room(&self, n: usize) -> Result<CudaSlice<u32>> {
        // SAFETY: as for `room`.
        unsafe { self.0.alloc(n.max(1)) }
    }

    fn double_room(&self, n: usize) -> Result<CudaSlice<f64>> {
        // SAFETY: as for `room`.
        unsafe { self.0.alloc(n.max(1)) }
    }

    fn words(&self, values: &[u32]) -> Result<CudaSlice<u32>> {
        let mut there = self.word_room(values.len())?;
        // A copy of at most 64 KiB is taken over at once; the driver may let the host wait for the stream before a larger one.
        for (index, part) in values.chunks(UPLOAD).enumerate() {
            let start = index * UPLOAD;
            self.0.memcpy_htod(part, &mut there.slice_mut(start..start + part.len()))?;
        }
        Ok(there)
    }

    fn at<'a>(&self, floats: &'a CudaSlice<f32>) -> Address<'a> {
        address(self, floats)
    }

    fn at_words<'a>(&self, words: &'a CudaSlice<u32>) -> Address<'a> {
        address(self, words)
    }

    fn at_doubles<'a>(&self, doubles: &'a CudaSlice<f64>) -> Address<'a> {
        address(self, doubles)
    }

    unsafe fn launch(&self, launch: Launch<'_>) -> Result<()> {
        let Launch { kernel, grid: [x, y], block, arguments } = launch;
        let function = self.0.get_or_load_custom_func(kernel, "electra-lab", &self.ptx()?)?;
        let mut builder = function.builder();
        for argument in &arguments {
            match argument {
                Argument::Address(address) => builder.arg(address.as_number()),
                Argument::U32(value) => builder.arg(value),
                Argument::U64(value) => builder.arg(value),
                Argument::F32(value) => builder.arg(value),
                Argument::Dropout(value) => builder.arg(value),
                Argument::Heads(value) => builder.arg(value),
                Argument::Rule(value) => builder.arg(value),
            };
        }
        let config = LaunchConfig { grid_dim: (x, y, 1), block_dim: (block, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the caller's.
        unsafe { builder.launch(config) }.w()?;
        Ok(())
    }

    unsafe fn multiply(&self, product: Product<'_>) -> Result<()> {
        let Product { a, a_transposed, b, b_transposed, c, sizes: [m, n, k], add, precision } = product;
        if m == 0 || n == 0 {
            return Ok(());
        }
        let halves = match precision {
            Precision::Bf16 => Some([self.to_bf16(a, m * k)?, self.to_bf16(b, k * n)?]),
            Precision::F32 | Precision::Tf32 => None,
        };
        let [a, b] = halves.as_ref().map_or([a, b], |halves| [0, 1].map(|i| address(self, &halves[i])));
        let kind = match halves {
            Some(_) => sys::cudaDataType::CUDA_R_16BF,
            None => sys::cudaDataType::CUDA_R_32F,
        };
        let compute = match precision {
            Precision::Tf32 => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
            Precision::F32 | Precision::Bf16 => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
        };
        let transposition = |transposed| match transposed {
            true => sys::cublasOperation_t::CUBLAS_OP_T,
            false => sys::cublasOperation_t::CUBLAS_OP_N,
        };
        let leading =
            |columns: usize, rows: usize, transposed: bool| (if transposed { rows } else { columns }) as i32;
        let (alpha, beta) = (1f32, f32::from(u8::from(add)));
        let blas = self.0.cublas_handle();
        // cuBLAS counts columns first: what it sees is cᵀ = bᵀ · aᵀ.
        // SAFETY: the caller's; the sizes are those of the product.
        let result = unsafe {
            gemm_ex(
                *blas.handle(),
                transposition(b_transposed),
                transposition(a_transposed),
                n as i32,
                m as i32,
                k as i32,
                (&raw const alpha).cast(),
                b.pointer() as *const _,
                kind,
                leading(n, k, b_transposed),
                a.pointer() as *const _,
                kind,
                leading(k, m, a_transposed),
                (&raw const beta).cast(),
                c.pointer() as *mut _,
                sys::cudaDataType::CUDA_R_32F,
                n as i32,
                compute,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        result.map_err(|error| Error::Msg(format!("a product of {m}×{k} and {k}×{n}: {error:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs the toolkit's compiler library, which a build with this feature is linked to, and no device.
    #[test]
    fn kernels_compile_for_ampere_and_hopper() {
        for architecture in [80, 90] {
            let ptx = compile(architecture).unwrap();
            for name in kernels::names() {
                assert!(ptx.contains(&format!(".entry {name}(")), "{name} for {architecture}");
            }
        }
    }
}
