//! `electra-lab records`: all records as one table, for pandas, polars or a spreadsheet.
//!
//! `docs/records.md` describes the columns.

use std::path::PathBuf;

use clap::Args;

use super::{exit, output};
use crate::disk::{check_folder, write_whole};
use crate::error::{Error, ErrorKind, Result};
use crate::records::frame::{FrameTrial, Frames, to_csv, to_parquet};
use crate::records::{ExperimentFolder, TrialRecords};

/// Help of `records`.
pub const ABOUT: &str = "Writes all records as one table, for pandas, polars or a spreadsheet. A row is one measurement: \
    a value of a line of metrics.jsonl (trial × split × step × measure), or a fine-tuning run (trial × task × \
    fine-tuning seed). Every key of the specification is a column, such as objective.kind.\n\n\
    Example:\n  electra-lab records results --to /tmp/runs.parquet";

/// Arguments of `records`.
#[derive(Args, Debug)]
pub struct RecordsArguments {
    /// Folder of all results
    #[arg(value_name = "RESULTS", default_value = "results")]
    results: PathBuf,

    /// File to write; its name ends in .parquet or .csv
    #[arg(long, value_name = "FILE", value_parser = table_file)]
    to: TableFile,
}

/// A file of a table in one of the formats that can be written.
#[derive(Clone, Debug)]
struct TableFile {
    path: PathBuf,
    format: Format,
}

#[derive(Clone, Copy, Debug)]
enum Format {
    Parquet,
    Csv,
}

fn table_file(text: &str) -> std::result::Result<TableFile, String> {
    let path = PathBuf::from(text);
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let format = match ending.as_deref() {
        Some("parquet") => Format::Parquet,
        Some("csv") => Format::Csv,
        _ => return Err("the name must end in .parquet or .csv".into()),
    };
    Ok(TableFile { path, format })
}

/// Writes the table and returns the exit code: that of the first trial whose records cannot be read, if there
/// is one.
pub fn records(arguments: &RecordsArguments) -> Result<u8> {
    let TableFile { path, format } = &arguments.to;
    check_folder("--to", path)?;
    let (mut found, mut errors): (Vec<(String, TrialRecords)>, Vec<Error>) = Default::default();
    for experiment in ExperimentFolder::all(&arguments.results)? {
        for folder in experiment.trials()? {
            match folder.records() {
                Ok(records) => found.extend(records.map(|records| (experiment.name.clone(), records))),
                Err(error) => errors.push(error),
            }
        }
    }
    errors.iter().for_each(output::error);
    if found.is_empty() && errors.is_empty() {
        return Err(Error::new(
            ErrorKind::Data,
            format!("{}: no trial has records here", arguments.results.display()),
            "run an experiment first, or name the folder of its results",
        ));
    }
    let trials: Vec<FrameTrial> = found
        .iter()
        .map(|(experiment, TrialRecords { trial, outcome, events })| FrameTrial {
            experiment,
            profile: &trial.profile,
            record: trial,
            outcome: outcome.as_ref(),
            events,
        })
        .collect();
    let mut table = Frames::of(&trials)?.long()?;
    let bytes = match format {
        Format::Parquet => to_parquet(&mut table)?,
        Format::Csv => to_csv(&table)?,
    };
    write_whole(path, &bytes)?;
    let (rows, columns) = table.shape();
    let n = trials.len();
    let trials = if n == 1 { "trial" } else { "trials" };
    output::data(&format!("{n} {trials}, {rows} rows, {columns} columns: {}\n", path.display()))?;
    Ok(errors.first().map_or(exit::OK, |error| exit::of_kind(error.kind)))
}
