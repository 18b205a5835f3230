//! A CUDA device: kernels compiled at run time, once per process, and cuBLAS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use candle_core::cuda_backend::cudarc::cublas::{result::gemm_ex, sys};
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, DevicePtr as _, LaunchConfig, PushKernelArg, sys::CUdevice_attribute,
};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaStorage, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, DType, Error, Layout, Result, Shape, Storage, Tensor, bail};

use super::cuda_type::{CudaType, DeviceRepr};
use super::interface::{Backend, Gemm};
use super::launch::{ArgumentValue, DevicePtr, Launch};
use super::primitives;
use super::source::Source;
use crate::precision::Precision;

/// Bytes that are copied to a device at a time.
const UPLOAD: usize = 1 << 16;

/// A CUDA device as candle holds it.
pub struct CudaBackend(CudaDevice);

// SAFETY: bytes of a value that is `DeviceRepr` itself.
unsafe impl DeviceRepr for ArgumentValue {}

/// The PTX of a program for an architecture, such as 90.
pub fn compile(source: &Source, architecture: u32) -> Result<String> {
    let options = CompileOptions {
        options: vec![format!("--gpu-architecture=compute_{architecture}"), "--std=c++17".into()],
        name: Some(format!("{}.cu", source.name)),
        ..CompileOptions::default()
    };
    let ptx = compile_ptx_with_opts(source.program(), options).map_err(|error| {
        Error::Msg(format!("the CUDA kernels of `{}` do not compile: {error:?}", source.name))
    })?;
    Ok(ptx.to_src())
}

/// The PTX of programs, by the device's number and the program's name.
type Programs = HashMap<(usize, &'static str), Arc<str>>;

/// What has been compiled.
static COMPILED: OnceLock<Mutex<Programs>> = OnceLock::new();

impl CudaBackend {
    /// The device of a storage.
    pub fn of_storage(storage: &CudaStorage) -> Result<Self> {
        Ok(Self(storage.device.clone()))
    }

    /// The device of a tensor.
    ///
    /// # Errors
    /// The tensor lies on no CUDA device.
    pub fn of_tensor(tensor: &Tensor) -> Result<Self> {
        Ok(Self(tensor.device().as_cuda_device()?.clone()))
    }

    /// The CUDA device whose kernels take a tensor: it must be f32 and lie there.
    pub fn of(tensor: &Tensor) -> Result<Option<Self>> {
        let taken = tensor.device().is_cuda() && tensor.dtype() == DType::F32;
        taken.then(|| Self::of_tensor(tensor)).transpose()
    }

    /// The device's number.
    pub fn index(&self) -> usize {
        self.0.cuda_stream().context().ordinal()
    }

    fn ptx(&self, source: &'static Source) -> Result<Arc<str>> {
        let context = self.0.cuda_stream().context().clone();
        let key = (context.ordinal(), source.name);
        let Ok(mut compiled) = COMPILED.get_or_init(Mutex::default).lock() else {
            bail!("another thread panicked while it compiled the CUDA kernels")
        };
        if let Some(ptx) = compiled.get(&key) {
            return Ok(ptx.clone());
        }
        let attribute = |which| context.attribute(which).w();
        let major = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let ptx: Arc<str> = compile(source, (10 * major + minor) as u32)?.into();
        compiled.insert(key, ptx.clone());
        Ok(ptx)
    }

    /// The factor of a product, rounded to bfloat16.
    fn to_bf16(&self, from: DevicePtr<'_, f32>, n: usize) -> Result<CudaSlice<u16>> {
        let halves = self.alloc::<u16>(n)?;
        primitives::round_to_bf16(self, from, self.ptr(&halves), n)?;
        Ok(halves)
    }

    /// A buffer as a tensor.
    pub fn tensor(&self, buffer: CudaSlice<f32>, shape: impl Into<Shape>) -> Tensor {
        Tensor::from_storage(Storage::Cuda(self.storage(buffer)), shape, BackpropOp::none(), false)
    }

    /// A buffer as a tensor of u32.
    pub fn tensor_u32(&self, buffer: CudaSlice<u32>, shape: impl Into<Shape>) -> Tensor {
        let storage = CudaStorage::wrap_cuda_slice(buffer, self.0.clone());
        Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
    }

    /// A buffer as the output of an operation.
    pub fn storage(&self, buffer: CudaSlice<f32>) -> CudaStorage {
        CudaStorage::wrap_cuda_slice(buffer, self.0.clone())
    }
}

/// The address of a contiguous f32 storage.
pub fn storage_ptr<'a>(storage: &'a CudaStorage, layout: &Layout) -> Result<DevicePtr<'a, f32>> {
    let Some((start, _)) = layout.contiguous_offsets() else {
        bail!("a CUDA kernel needs contiguous tensors; this one has the layout {layout:?}")
    };
    let slice = storage.as_cuda_slice::<f32>()?;
    Ok(CudaBackend::of_storage(storage)?.ptr(slice).offset(start))
}

/// Calls `body` with the addresses of contiguous f32 tensors on one device.
pub fn with_ptrs<R, const N: usize>(
    tensors: [&Tensor; N],
    body: impl FnOnce([DevicePtr<'_, f32>; N]) -> Result<R>,
) -> Result<R> {
    let read = tensors.map(Tensor::storage_and_layout);
    let mut pointers = [DevicePtr::NULL; N];
    for (pointer, (storage, layout)) in pointers.iter_mut().zip(&read) {
        *pointer = match &**storage {
            Storage::Cuda(storage) => storage_ptr(storage, layout)?,
            _ => bail!("a CUDA kernel needs tensors on a CUDA device; one lies elsewhere"),
        };
    }
    body(pointers)
}

/// Calls `body` with the address of a contiguous u32 tensor.
pub fn with_u32_ptr<R>(tensor: &Tensor, body: impl FnOnce(DevicePtr<'_, u32>) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cuda(storage), Some((start, _))) = (&*storage, layout.contiguous_offsets()) else {
        bail!("a CUDA kernel needs contiguous u32 tensors on a CUDA device; got the layout {layout:?}")
    };
    let slice = storage.as_cuda_slice::<u32>()?;
    body(CudaBackend::of_storage(storage)?.ptr(slice).offset(start))
}

impl Backend for CudaBackend {
    type Buffer<T: CudaType> = CudaSlice<T>;

    fn alloc<T: CudaType>(&self, n: usize) -> Result<CudaSlice<T>> {
        // SAFETY: the caller writes the buffer before it is read (`Backend::alloc`).
        unsafe { self.0.alloc(n.max(1)) }
    }

    fn zeros(&self, n: usize) -> Result<CudaSlice<f32>> {
        self.0.alloc_zeros(n.max(1))
    }

    fn upload<T: CudaType>(&self, values: &[T]) -> Result<CudaSlice<T>> {
        let mut buffer = self.alloc(values.len())?;
        // A copy of at most 64 KiB returns at once; before a larger one the driver may wait for the stream.
        let step = (UPLOAD / size_of::<T>()).max(1);
        for (index, part) in values.chunks(step).enumerate() {
            let start = index * step;
            self.0.memcpy_htod(part, &mut buffer.slice_mut(start..start + part.len()))?;
        }
        Ok(buffer)
    }

    fn ptr<'a, T: CudaType>(&self, buffer: &'a CudaSlice<T>) -> DevicePtr<'a, T> {
        // candle has one stream per thread, and a tensor stays on the thread that made it
        // (`run/executor.rs`): there is nothing to wait for or to record.
        DevicePtr::new(buffer.device_ptr(&self.0.cuda_stream()).0)
    }

    unsafe fn launch(&self, launch: Launch<'_>) -> Result<()> {
        let Launch { call, grid: [x, y], block } = launch;
        let function =
            self.0.get_or_load_custom_func(call.kernel, call.source.name, &self.ptx(call.source)?)?;
        let mut builder = function.builder();
        for argument in &call.arguments {
            builder.arg(argument.storage());
        }
        let config = LaunchConfig { grid_dim: (x, y, 1), block_dim: (block, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the caller's.
        unsafe { builder.launch(config) }.w()?;
        Ok(())
    }

    unsafe fn gemm(&self, gemm: Gemm<'_>) -> Result<()> {
        let Gemm { a, a_transposed, b, b_transposed, c, sizes: [m, n, k], add, precision } = gemm;
        if m == 0 || n == 0 {
            return Ok(());
        }
        let halves = match precision {
            Precision::Bf16 => Some([self.to_bf16(a, m * k)?, self.to_bf16(b, k * n)?]),
            Precision::F32 | Precision::Tf32 => None,
        };
        let [a, b] = halves
            .as_ref()
            .map_or([a.address(), b.address()], |halves| [0, 1].map(|i| self.ptr(&halves[i]).address()));
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
        // cuBLAS is column-major: it sees cᵀ = bᵀ · aᵀ.
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
                b as *const _,
                kind,
                leading(n, k, b_transposed),
                a as *const _,
                kind,
                leading(k, m, a_transposed),
                (&raw const beta).cast(),
                c.address() as *mut _,
                sys::cudaDataType::CUDA_R_32F,
                n as i32,
                compute,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        result.map_err(|error| Error::Msg(format!("a product of {m}×{k} and {k}×{n} failed: {error:?}")))
    }
}
