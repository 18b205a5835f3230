//! The binary: hands the command line to the library and its answer to the operating system.

use std::ffi::{c_int, c_long};
use std::process::ExitCode;

/// Training allocates and frees large buffers in every step: this allocator keeps their pages
/// ([`keep_pages`]).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
