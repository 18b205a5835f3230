//! The binary: hands the command line to the library and its answer to the operating system.

use std::process::ExitCode;

/// Training allocates and frees large buffers all the time: this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// candle shares out its own elementwise work over threads that wait for each other by spinning. They fight
/// with the threads of our kernels for the cores: on two cores a third of all time went into that wait.
const CANDLE_THREADS: &str = "CANDLE_NUM_THREADS";

fn main() -> ExitCode {
    if std::env::var_os(CANDLE_THREADS).is_none() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var(CANDLE_THREADS, "1") };
    }
    ExitCode::from(electra_lab::cli::main(std::env::args_os()))
}
