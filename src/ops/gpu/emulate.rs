//! This computer in place of a GPU: kernels run from their own source, compiled as C++ around `source/emulate.h`.

use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fmt::Write as _;
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::{env, fs};

use candle_core::{Result, bail};

use super::kernels;
use super::launch::{Address, Launch};
use super::machine::{Machine, Product};
use crate::ops::Precision;
use crate::ops::matmul::{View, multiply};

/// Runs one kernel; 0, or what is wrong.
type Run = unsafe extern "C" fn(*const c_char, *const c_uint, c_uint, *const *const c_void, c_uint) -> c_int;

/// The compiled kernels. They keep blocks and threads in statics, so one runs at a time.
static COMPILED: OnceLock<Mutex<Run>> = OnceLock::new();

fn compile() -> Mutex<Run> {
    let folder = tempfile::tempdir().unwrap();
    let mut calls = String::new();
    for name in kernels::names() {
        writeln!(
            calls,
            "    if (!strcmp(kernel, \"{name}\")) return emulate::launch({name}, grid, block, args, n_args);"
        )
        .unwrap();
    }
    // A static function cannot be `extern "C"` where it is declared so in one word.
    let program = kernels::program().replace("extern \"C\" __global__", "__global__");
    let source = format!(
        "{}\n{program}\nextern \"C\" int run(const char* kernel, const unsigned* grid, unsigned block, void** args, \
         unsigned n_args) {{\n{calls}    return 1;\n}}\n",
        include_str!("source/emulate.h").replace("#pragma once", "")
    );
    let (cpp, library) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
    fs::write(&cpp, source).unwrap();
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".into());
    let output = Command::new(&compiler)
        .args(["-std=c++17", "-O2", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-shared", "-fPIC", "-w", "-o"])
        .args([&library, &cpp])
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "the kernels' tests need a C++ compiler: `{compiler}` (or what CXX names) did not start: {error}"
        )
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = CString::new(library.to_str().unwrap()).unwrap();
    // SAFETY: the library was just made, and its one exported function has the type of `Run`. It is never closed.
    unsafe {
        let handle = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
        assert!(!handle.is_null(), "{}", CStr::from_ptr(libc::dlerror()).to_string_lossy());
        let run = libc::dlsym(handle, c"run".as_ptr());
        assert!(!run.is_null());
        Mutex::new(std::mem::transmute::<*mut c_void, Run>(run))
    }
}

/// Runs kernels here.
pub struct Emulated;

/// Numbers of an [`Emulated`] machine, which kernels write through addresses.
pub struct Memory<T>(UnsafeCell<Box<[T]>>);

impl<T: Copy> Memory<T> {
    fn new(values: Vec<T>) -> Self {
        Self(UnsafeCell::new(values.into()))
    }

    /// The numbers now.
    pub fn read(&self) -> Vec<T> {
        // SAFETY: kernels run inside calls that have returned.
        unsafe { (*self.0.get()).to_vec() }
    }

    fn address<'a>(&'a self) -> Address<'a> {
        // SAFETY: only the pointer is taken.
        Address::new(unsafe { (*self.0.get()).as_mut_ptr() as u64 })
    }
}

impl Emulated {
    /// Numbers in its memory.
    pub fn floats(&self, values: &[f32]) -> Memory<f32> {
        Memory::new(values.to_vec())
    }
}

/// To the nearest number of so many bits of mantissa, ties to even.
fn rounded(value: f32, bits: u32) -> f32 {
    let cut = 23 - bits;
    let word = value.to_bits();
    f32::from_bits((word + (1 << (cut - 1)) - 1 + ((word >> cut) & 1)) & !((1 << cut) - 1))
}

impl Machine for Emulated {
    type Floats = Memory<f32>;
    type Words = Memory<u32>;
    type Doubles = Memory<f64>;

    /// Filled with a number that no result survives.
    fn room(&self, n: usize) -> Result<Memory<f32>> {
        Ok(Memory::new(vec![f32::NAN; n]))
    }

    fn zeros(&self, n: usize) -> Result<Memory<f32>> {
        Ok(Memory::new(vec![0.0; n]))
    }

    fn word_room(&self, n: usize) -> Result<Memory<u32>> {
        Ok(Memory::new(vec![u32::MAX; n]))
    }

    fn double_room(&self, n: usize) -> Result<Memory<f64>> {
        Ok(Memory::new(vec![f64::NAN; n]))
    }

    fn words(&self, values: &[u32]) -> Result<Memory<u32>> {
        Ok(Memory::new(values.to_vec()))
    }

    fn at<'a>(&self, floats: &'a Memory<f32>) -> Address<'a> {
        floats.address()
    }

    fn at_words<'a>(&self, words: &'a Memory<u32>) -> Address<'a> {
        words.address()
    }

    fn at_doubles<'a>(&self, doubles: &'a Memory<f64>) -> Address<'a> {
        doubles.address()
    }

    unsafe fn launch(&self, launch: Launch<'_>) -> Result<()> {
        let Launch { kernel, grid, block, arguments } = launch;
        let values: Vec<*const c_void> = arguments.iter().map(|argument| argument.value()).collect();
        let name = CString::new(kernel).unwrap();
        let run = COMPILED.get_or_init(compile).lock().unwrap();
        // SAFETY: the caller's.
        let code = unsafe { run(name.as_ptr(), grid.as_ptr(), block, values.as_ptr(), values.len() as u32) };
        match code {
            0 => Ok(()),
            1 => bail!("there is no kernel `{kernel}`"),
            2 => bail!("`{kernel}` does not take {} arguments", values.len()),
            _ => bail!("threads of `{kernel}` wait for each other in vain"),
        }
    }

    unsafe fn multiply(&self, product: Product<'_>) -> Result<()> {
        let Product { a, a_transposed, b, b_transposed, c, sizes: [m, n, k], add, precision } = product;
        let factor = |address: Address<'_>, len: usize| -> Vec<f32> {
            // SAFETY: the caller's.
            let values = unsafe { std::slice::from_raw_parts(address.pointer() as *const f32, len) };
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
        let c = unsafe { std::slice::from_raw_parts_mut(c.pointer() as *mut f32, m * n) };
        for (c, value) in c.iter_mut().zip(product) {
            *c = if add { *c + value } else { value };
        }
        Ok(())
    }
}
