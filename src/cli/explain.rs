//! `electra-lab explain`: what a key of the experiment file means.

use clap::Args;

use super::schema_reference::explain as explain_key;
use super::{exit, output};
use crate::error::Result;

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub struct ExplainArguments {
    /// Keys: dotted paths of the experiment file, or the ends of such paths
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
}

/// Prints what the keys mean and returns the exit code.
pub fn explain(arguments: &ExplainArguments) -> Result<u8> {
    let schema = crate::experiment::schema();
    let texts: Vec<String> =
        arguments.keys.iter().map(|key| explain_key(&schema, key)).collect::<Result<_>>()?;
    output::data(&texts.join("\n"))?;
    Ok(exit::OK)
}
