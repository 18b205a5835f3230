//! `electra-lab schema`: the format of experiment files, for editors and for reading.

use super::{exit, output};
use crate::error::Result;

/// Prints the JSON Schema and returns the exit code.
pub fn schema() -> Result<u8> {
    output::json(&crate::experiment::schema())?;
    Ok(exit::OK)
}
