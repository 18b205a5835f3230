//! The binary: hands the command line to the library and its answer to the operating system.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_int, c_long};
use std::process::ExitCode;

/// Training allocates and frees large buffers in every step: this allocator keeps their pages
/// ([`keep_pages`]).
#[global_allocator]
static ALLOCATOR: Allocator = Allocator(mimalloc::MiMalloc);

/// mimalloc, with an end of the process in good order where there is no memory left. Without it Rust aborts,
/// which looks like a bug.
struct Allocator(mimalloc::MiMalloc);

// SAFETY: every call is passed on, and a null pointer is never returned.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's promise.
        not_null(unsafe { self.0.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's promise.
        not_null(unsafe { self.0.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the caller's promise.
        not_null(unsafe { self.0.realloc(old, layout, size) })
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: by the caller's promise.
        unsafe { self.0.dealloc(old, layout) }
    }
}

/// The exit code of a lack of memory, as `--help` lists it.
const OUT_OF_MEMORY: c_int = 7;
/// What is said then: nothing may be allocated any more.
const OUT_OF_MEMORY_TEXT: &str = "error: out of memory\n\
    hint: pre-training resumes from its checkpoint with --set train.micro_batch=N, smaller than train.batch (the same \
    numbers except for rounding), or with a smaller --jobs; fine-tuning needs a smaller evaluate.finetune.batch\n";

#[inline]
fn not_null(memory: *mut u8) -> *mut u8 {
    if memory.is_null() { out_of_memory() } else { memory }
}

#[cold]
fn out_of_memory() -> ! {
    #[cfg(unix)]
    // SAFETY: the text outlives the call; both calls are allowed at any point of a process. What a trial has
    // saved is whole, and the system releases its locks.
    unsafe {
        libc::write(2, OUT_OF_MEMORY_TEXT.as_ptr().cast(), OUT_OF_MEMORY_TEXT.len());
        libc::_exit(OUT_OF_MEMORY)
    }
    #[cfg(not(unix))]
    std::process::exit(OUT_OF_MEMORY)
}

/// mimalloc's `mi_option_purge_delay`: milliseconds until freed pages return to the system; -1 keeps them.
const PURGE_DELAY: c_int = 15;
/// The environment variable by which a user sets the same option.
const PURGE_DELAY_VARIABLE: &str = "MIMALLOC_PURGE_DELAY";

unsafe extern "C" {
    fn mi_option_set(option: c_int, value: c_long);
}

/// By default freed pages return to the system after 10 milliseconds, and every step pays for clearing new
/// ones: a fifth to a quarter of the time of fine-tuning on short sentences.
fn keep_pages() {
    if std::env::var_os(PURGE_DELAY_VARIABLE).is_none() {
        // SAFETY: sets one option of the allocator above, whose version is pinned by Cargo.lock.
        unsafe { mi_option_set(PURGE_DELAY, -1) };
    }
}

/// candle splits its own elementwise operations over threads that wait by spinning. They compete with the
/// threads of our kernels for the cores: on two cores a third of all time was spent in that wait.
const CANDLE_THREADS: &str = "CANDLE_NUM_THREADS";

fn main() -> ExitCode {
    keep_pages();
    if std::env::var_os(CANDLE_THREADS).is_none() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var(CANDLE_THREADS, "1") };
    }
    ExitCode::from(electra_lab::cli::main(std::env::args_os()))
}
