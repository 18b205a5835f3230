//! `electra-lab completions`: scripts with which a shell completes commands and options.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::{exit, output};
use crate::error::{Error, Result};

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArguments {
    /// Shell that reads the script
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script for `program` and returns the exit code.
pub fn completions(arguments: &CompletionsArguments, mut program: Command) -> Result<u8> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut program, "electra-lab", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Error::internal("the completion script is not text").because(error))?;
    output::data(&script)?;
    Ok(exit::OK)
}
