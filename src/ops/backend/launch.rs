//! A kernel's call as a value: which kernel, how many threads, which arguments.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::cuda_type::CudaType;
use super::source::Source;

/// The address of numbers in a device's memory, while their buffer is borrowed.
#[derive(Debug)]
pub struct DevicePtr<'a, T> {
    address: u64,
    buffer: PhantomData<&'a T>,
}

impl<T> Clone for DevicePtr<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for DevicePtr<'_, T> {}

impl<T: CudaType> DevicePtr<'_, T> {
    /// The address of a buffer that lives as long as the pointer.
    pub fn new(address: u64) -> Self {
        Self { address, buffer: PhantomData }
    }

    /// The null pointer.
    pub const NULL: Self = Self { address: 0, buffer: PhantomData };

    /// The address of the number that comes `n` later.
    pub fn offset(self, n: usize) -> Self {
        Self { address: self.address + (size_of::<T>() * n) as u64, ..self }
    }

    /// The address as a number.
    pub fn address(self) -> u64 {
        self.address
    }
}

/// Bytes that an argument may have at most.
const LARGEST_ARGUMENT: usize = 64;

/// The value of an argument, as drivers read it: by address, as many bytes as the kernel's parameter has.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ArgumentValue(MaybeUninit<[u64; LARGEST_ARGUMENT / 8]>);

/// One argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Argument<'a> {
    value: ArgumentValue,
    buffer: PhantomData<&'a ()>,
}

impl<'a> Argument<'a> {
    /// A number or a struct of numbers.
    pub fn value<T: CudaType>(value: T) -> Self {
        const { assert!(size_of::<T>() <= LARGEST_ARGUMENT && align_of::<T>() <= 8) };
        let mut bytes = MaybeUninit::<[u64; LARGEST_ARGUMENT / 8]>::uninit();
        // SAFETY: the value fits, as was checked above.
        unsafe { bytes.as_mut_ptr().cast::<T>().write(value) };
        Self { value: ArgumentValue(bytes), buffer: PhantomData }
    }

    /// A pointer.
    pub fn pointer<T: CudaType>(pointer: DevicePtr<'a, T>) -> Self {
        Self::value(pointer.address())
    }

    /// The value itself.
    pub fn storage(&self) -> &ArgumentValue {
        &self.value
    }

    /// The address of the value.
    pub fn as_ptr(&self) -> *const c_void {
        (&raw const self.value).cast()
    }
}

/// A kernel with its arguments. Only the functions that `kernels!` makes should build one.
#[derive(Debug)]
pub struct Call<'a> {
    /// The program that the kernel is part of.
    pub source: &'static Source,
    /// The kernel's name.
    pub kernel: &'static str,
    /// In the order of the kernel's parameters.
    pub arguments: Vec<Argument<'a>>,
}

/// A call and its threads.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Kernel and arguments.
    pub call: Call<'a>,
    /// Blocks along x and y.
    pub grid: [u32; 2],
    /// Threads of a block, at most 1024.
    pub block: u32,
}

/// Threads of a block where nothing asks for another number.
const THREADS: u32 = 256;
/// Most blocks of an element-wise kernel: each thread strides on from there.
const MOST_BLOCKS: u32 = 4096;

impl<'a> Call<'a> {
    /// With a thread for each of `n` elements; the threads stride on where there are more elements.
    pub fn over(self, n: usize) -> Launch<'a> {
        let blocks = n.div_ceil(THREADS as usize).clamp(1, MOST_BLOCKS as usize);
        self.grid([blocks as u32, 1], THREADS)
    }

    /// With a warp for each of `rows` rows; the warps stride on where there are more rows.
    pub fn warps(self, rows: usize) -> Launch<'a> {
        let blocks = rows.div_ceil(THREADS as usize / 32).clamp(1, MOST_BLOCKS as usize);
        self.grid([blocks as u32, 1], THREADS)
    }

    /// With `blocks` blocks of `threads` threads.
    pub fn blocks(self, blocks: usize, threads: u32) -> Launch<'a> {
        self.grid([blocks as u32, 1], threads)
    }

    /// With blocks along x and y, of `threads` threads each.
    pub fn grid(self, grid: [u32; 2], threads: u32) -> Launch<'a> {
        Launch { call: self, grid, block: threads }
    }
}
