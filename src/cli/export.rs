//! `electra-lab export`: writes a trained trial as folders that transformers loads.

use std::path::PathBuf;

use clap::Args;

use super::experiment_arguments::ResultsArgument;
use super::{exit, output};
use crate::error::Result;
use crate::hub::DataEnv;
use crate::tools::{ExportOptions, export as export_trial};

/// Arguments of `export`.
#[derive(Args, Debug)]
pub struct ExportArguments {
    /// Trial: its id, the start of its id, or its folder
    #[arg(value_name = "TRIAL")]
    trial: String,

    /// Folder for the discriminator; the generator goes to DIR/generator/
    #[arg(long, value_name = "DIR")]
    to: PathBuf,

    /// Licence of the weights for the model card, as the hub's identifier, such as apache-2.0
    #[arg(long, value_name = "ID", default_value = "unknown")]
    license: String,

    #[command(flatten)]
    results: ResultsArgument,

    /// Uses only what is in the caches, never the network, like HF_HUB_OFFLINE=1 [default: off]
    #[arg(long)]
    offline: bool,
}

/// Exports the trial, prints the folders and returns the exit code.
pub fn export(arguments: &ExportArguments) -> Result<u8> {
    let options = ExportOptions {
        trial: arguments.trial.clone(),
        results: arguments.results.results.clone(),
        to: arguments.to.clone(),
        license: arguments.license.clone(),
    };
    let folders = export_trial(&options, &DataEnv::new(arguments.offline)?)?;
    let lines: String = folders.iter().map(|folder| format!("{}\n", folder.display())).collect();
    output::data(&lines)?;
    Ok(exit::OK)
}
