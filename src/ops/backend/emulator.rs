//! This computer in place of a GPU: kernels run from their own source, compiled as C++ around `emulate.h`.

use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fmt::Write as _;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::{env, fs};

use candle_core::{Result, bail};

use super::cuda_type::CudaType;
use super::interface::{Backend, Gemm};
use super::launch::{DevicePtr, Launch};
use super::source::Source;
use crate::ops::cpu::matmul::{View, multiply};
use crate::precision::Precision;

/// Runs one kernel; returns 0, or the number of what is wrong.
type Run = unsafe extern "C" fn(*const c_char, *const c_uint, c_uint, *const *const c_void, c_uint) -> c_int;

/// A compiled program. It keeps blocks and threads in statics, so it runs one kernel at a time.
type Program = Arc<OnceLock<Mutex<Run>>>;

/// Compiled programs by their names.
static COMPILED: Mutex<Option<HashMap<&'static str, Program>>> = Mutex::new(None);

fn program(source: &'static Source) -> Program {
    let mut compiled = COMPILED.lock().unwrap();
    compiled.get_or_insert_default().entry(source.name).or_default().clone()
}

fn compile(source: &Source) -> Mutex<Run> {
    let folder = tempfile::tempdir().unwrap();
    let mut calls = String::new();
    for kernel in source.kernels {
        let name = kernel.kernel;
        writeln!(
            calls,
            "    if (!strcmp(kernel, \"{name}\")) return emulate::launch({name}, grid, block, args, n_args);"
        )
        .unwrap();
    }
    // A static function cannot be `extern "C"` where it is declared so in one word.
    let program = source.program().replace("extern \"C\" __global__", "__global__");
    let source = format!(
        "{}\n{program}\nextern \"C\" int run(const char* kernel, const unsigned* grid, unsigned block, void** args, \
         unsigned n_args) {{\n{calls}    return 1;\n}}\n",
        include_str!("emulate.h").replace("#pragma once", "")
    );
    let (cpp, library) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
    fs::write(&cpp, source).unwrap();
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".into());
    let output = Command::new(&compiler)
        .args(["-std=c++17", "-O2", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-shared", "-fPIC", "-w", "-o"])
        .args([&library, &cpp])
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!("the kernels' tests need a C++ compiler, but `{compiler}` (or $CXX) did not start: {error}")
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = CString::new(library.to_str().unwrap()).unwrap();
    // SAFETY: the library was just made, and its one exported function has the type of `Run`. It is never
    // closed.
    unsafe {
        let handle = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
        assert!(!handle.is_null(), "{}", CStr::from_ptr(libc::dlerror()).to_string_lossy());
        let run = libc::dlsym(handle, c"run".as_ptr());
        assert!(!run.is_null());
        Mutex::new(std::mem::transmute::<*mut c_void, Run>(run))
    }
}

/// Runs kernels on the CPU.
pub struct CpuEmulator;

/// Numbers in the emulator's memory, which kernels write through addresses.
pub struct EmulatedBuffer<T>(UnsafeCell<Box<[T]>>);

impl<T: CudaType> EmulatedBuffer<T> {
    fn new(values: Vec<T>) -> Self {
        Self(UnsafeCell::new(values.into()))
    }

    /// The numbers now.
    pub fn read(&self) -> Vec<T> {
        // SAFETY: kernels run inside calls that have returned.
        unsafe { (*self.0.get()).to_vec() }
    }
}

/// Rounds to the nearest number with `bits` bits of mantissa, ties to even.
fn rounded(value: f32, bits: u32) -> f32 {
    let cut = 23 - bits;
    let word = value.to_bits();
    f32::from_bits((word + (1 << (cut - 1)) - 1 + ((word >> cut) & 1)) & !((1 << cut) - 1))
}

impl Backend for CpuEmulator {
    type Buffer<T: CudaType> = EmulatedBuffer<T>;

    /// Filled with ones: no result survives the NaN that floats are then.
    fn alloc<T: CudaType>(&self, n: usize) -> Result<EmulatedBuffer<T>> {
        let mut values = Vec::<T>::with_capacity(n);
        // SAFETY: types of kernels are numbers or structs of numbers, of which any bits are a value.
        unsafe {
            values.as_mut_ptr().write_bytes(0xFF, n);
            values.set_len(n);
        }
        Ok(EmulatedBuffer::new(values))
    }

    fn zeros(&self, n: usize) -> Result<EmulatedBuffer<f32>> {
        Ok(EmulatedBuffer::new(vec![0.0; n]))
    }

    fn upload<T: CudaType>(&self, values: &[T]) -> Result<EmulatedBuffer<T>> {
        Ok(EmulatedBuffer::new(values.to_vec()))
    }

    fn ptr<'a, T: CudaType>(&self, buffer: &'a EmulatedBuffer<T>) -> DevicePtr<'a, T> {
        // SAFETY: only the pointer is taken.
        DevicePtr::new(unsafe { (*buffer.0.get()).as_mut_ptr() as u64 })
    }

    unsafe fn launch(&self, launch: Launch<'_>) -> Result<()> {
        let Launch { call, grid, block } = launch;
        let values: Vec<*const c_void> = call.arguments.iter().map(|argument| argument.as_ptr()).collect();
        let name = CString::new(call.kernel).unwrap();
        let program = program(call.source);
        let run = program.get_or_init(|| compile(call.source)).lock().unwrap();
        // SAFETY: the caller's.
        let code = unsafe { run(name.as_ptr(), grid.as_ptr(), block, values.as_ptr(), values.len() as u32) };
        match code {
            0 => Ok(()),
            1 => bail!("there is no kernel `{}` in {}", call.kernel, call.source.name),
            2 => bail!("the kernel `{}` does not take {} arguments", call.kernel, values.len()),
            _ => bail!("deadlock in kernel `{}`: mismatched barriers", call.kernel),
        }
    }

    unsafe fn gemm(&self, gemm: Gemm<'_>) -> Result<()> {
        let Gemm { a, a_transposed, b, b_transposed, c, sizes: [m, n, k], add, precision } = gemm;
        let factor = |pointer: DevicePtr<'_, f32>, len: usize| -> Vec<f32> {
            // SAFETY: the caller's.
            let values = unsafe { std::slice::from_raw_parts(pointer.address() as *const f32, len) };
            let round = |&value: &f32| match precision {
                Precision::F32 => value,
                Precision::Tf32 => rounded(value, 10),
                Precision::Bf16 => rounded(value, 7),
            };
            values.iter().map(round).collect()
        };
        let (a, b) = (factor(a, m * k), factor(b, k * n));
        let view = |values, [rows, columns]: [usize; 2], transposed| match transposed {
            false => View::dense(values, rows, columns),
            true => View::dense(values, columns, rows).transposed(),
        };
        let product = multiply(view(&a, [m, k], a_transposed), view(&b, [k, n], b_transposed));
        // SAFETY: the caller's.
        let c = unsafe { std::slice::from_raw_parts_mut(c.address() as *mut f32, m * n) };
        for (c, value) in c.iter_mut().zip(product) {
            *c = if add { *c + value } else { value };
        }
        Ok(())
    }
}
