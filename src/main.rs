//! The binary: hands the command line to the library and its answer to the operating system.

use std::process::ExitCode;

/// Training allocates and frees large buffers all the time: this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(electra_lab::cli::main(std::env::args_os()))
}
