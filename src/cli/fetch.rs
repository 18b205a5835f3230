//! `electra-lab fetch`: downloads everything that an experiment needs, for runs without network.

use clap::Args;
use indicatif::BinaryBytes;

use super::experiment_arguments::ExperimentArguments;
use super::table::{numbers, table, words};
use super::terminal::Terminal;
use super::{exit, output};
use crate::error::Result;
use crate::run::fetch_experiment;

/// Arguments of `fetch`.
#[derive(Args, Debug)]
pub struct FetchArguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
}

/// Downloads the files, lists them and returns the exit code.
pub fn fetch(arguments: &FetchArguments) -> Result<u8> {
    let experiment = arguments.experiment.load()?;
    let files = fetch_experiment(&experiment, &Terminal::on_stderr().watch("fetch"))?;
    output::data(&text(&files))?;
    Ok(exit::OK)
}

fn text(files: &[(String, u64)]) -> String {
    let rows: Vec<[String; 2]> =
        files.iter().map(|(name, bytes)| [BinaryBytes(*bytes).to_string(), name.clone()]).collect();
    table(&[numbers("size"), words("file")], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_with_their_sizes() {
        let files = [("nyu-mll/glue cola/train.parquet".to_string(), 251_133), ("vocab.txt".into(), 17)];
        insta::assert_snapshot!(text(&files), @r"
              size  file
        245.25 KiB  nyu-mll/glue cola/train.parquet
              17 B  vocab.txt
        ");
    }
}
