//! The stand-in for a CUDA device in a build without the feature `cuda`: a type without values, so none of
//! its code ever runs.

use std::marker::PhantomData;

use candle_core::{CudaStorage, Error, Layout, Result, Shape, Tensor};

use super::cuda_type::CudaType;
use super::interface::{Backend, Gemm};
use super::launch::{DevicePtr, Launch};

/// No CUDA device.
#[derive(Clone, Copy, Debug)]
pub enum CudaBackend {}

/// No memory of a CUDA device.
#[derive(Debug)]
pub struct NoBuffer<T> {
    never: CudaBackend,
    numbers: PhantomData<T>,
}

impl CudaBackend {
    /// The device of a storage; an error, since there is none.
    pub fn of_storage(_: &CudaStorage) -> Result<Self> {
        Err(Error::NotCompiledWithCudaSupport)
    }

    /// The device of a tensor; an error, since there is none.
    pub fn of_tensor(_: &Tensor) -> Result<Self> {
        Err(Error::NotCompiledWithCudaSupport)
    }

    /// The CUDA device whose kernels take a tensor: none.
    pub fn of(_: &Tensor) -> Result<Option<Self>> {
        Ok(None)
    }

    /// The device's number.
    pub fn index(&self) -> usize {
        match *self {}
    }

    /// A buffer as a tensor.
    pub fn tensor(&self, _: NoBuffer<f32>, _: impl Into<Shape>) -> Tensor {
        match *self {}
    }

    /// A buffer as a tensor of u32.
    pub fn tensor_u32(&self, _: NoBuffer<u32>, _: impl Into<Shape>) -> Tensor {
        match *self {}
    }

    /// A buffer as the output of an operation.
    pub fn storage(&self, _: NoBuffer<f32>) -> CudaStorage {
        match *self {}
    }
}

impl Backend for CudaBackend {
    type Buffer<T: CudaType> = NoBuffer<T>;

    fn alloc<T: CudaType>(&self, _: usize) -> Result<NoBuffer<T>> {
        match *self {}
    }

    fn zeros(&self, _: usize) -> Result<NoBuffer<f32>> {
        match *self {}
    }

    fn upload<T: CudaType>(&self, _: &[T]) -> Result<NoBuffer<T>> {
        match *self {}
    }

    fn ptr<'a, T: CudaType>(&self, buffer: &'a NoBuffer<T>) -> DevicePtr<'a, T> {
        match buffer.never {}
    }

    unsafe fn launch(&self, _: Launch<'_>) -> Result<()> {
        match *self {}
    }

    unsafe fn gemm(&self, _: Gemm<'_>) -> Result<()> {
        match *self {}
    }
}

/// The address of a contiguous f32 storage.
pub fn storage_ptr<'a>(_: &'a CudaStorage, _: &Layout) -> Result<DevicePtr<'a, f32>> {
    Err(Error::NotCompiledWithCudaSupport)
}

/// Calls `body` with the addresses of contiguous f32 tensors.
pub fn with_ptrs<R, const N: usize>(
    _: [&Tensor; N],
    _: impl FnOnce([DevicePtr<'_, f32>; N]) -> Result<R>,
) -> Result<R> {
    Err(Error::NotCompiledWithCudaSupport)
}

/// Calls `body` with the address of a contiguous u32 tensor.
pub fn with_u32_ptr<R>(_: &Tensor, _: impl FnOnce(DevicePtr<'_, u32>) -> Result<R>) -> Result<R> {
    Err(Error::NotCompiledWithCudaSupport)
}
