//! `electra-lab schema`: the format of experiment files, for editors and for reading.

use clap::Args;

use super::schema_reference::reference;
use super::{exit, output};
use crate::error::Result;

/// Arguments of `schema`.
#[derive(Args, Debug)]
pub struct SchemaArguments {
    /// Prints the format as Markdown, a table of keys for each section [default: JSON Schema]
    #[arg(long)]
    markdown: bool,
}

/// Prints the format and returns the exit code.
pub fn schema(arguments: &SchemaArguments) -> Result<u8> {
    let schema = crate::experiment::schema();
    if arguments.markdown {
        output::data(&reference(&schema))?;
    } else {
        output::json(&schema)?;
    }
    Ok(exit::OK)
}
