//! `electra-lab pack` and `unpack`: an experiment's tokenised text in one file, and out of it on another machine.

use std::path::PathBuf;

use clap::Args;

use super::spec_arguments::SpecArguments;
use super::table::{numbers, table, words};
use super::terminal::Terminal;
use super::{exit, output};
use crate::disk::bytes_text;
use crate::error::Result;
use crate::run::{export_corpus, import_corpus};
use crate::text::ArchivedCorpus;

/// Arguments of `pack`.
#[derive(Args, Debug)]
pub struct PackArguments {
    #[command(flatten)]
    spec: SpecArguments,

    /// File to write; it must not be there yet
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// Uses nothing but what the hub's cache has
    #[arg(long)]
    offline: bool,
}

/// Arguments of `unpack`.
#[derive(Args, Debug)]
pub struct UnpackArguments {
    /// File that `pack` wrote
    #[arg(value_name = "FILE")]
    from: PathBuf,
}

/// Packs, lists what is in the file and returns the exit code.
pub fn pack(arguments: &PackArguments) -> Result<u8> {
    let experiment = arguments.spec.load()?;
    let sink = Terminal::on_stderr().watch("pack");
    show(&export_corpus(&experiment, &arguments.to, arguments.offline, &sink)?)
}

/// Unpacks, lists what is in the cache now and returns the exit code.
pub fn unpack(arguments: &UnpackArguments) -> Result<u8> {
    show(&import_corpus(&arguments.from, &Terminal::on_stderr().watch("unpack"))?)
}

fn show(corpora: &[ArchivedCorpus]) -> Result<u8> {
    output::data(&text(corpora))?;
    Ok(exit::OK)
}

fn text(corpora: &[ArchivedCorpus]) -> String {
    let row = |corpus: &ArchivedCorpus| {
        [
            corpus.seq_len.to_string(),
            corpus.n_tokens.to_string(),
            bytes_text(corpus.packed_bytes),
            bytes_text(corpus.bytes),
            corpus.source.clone(),
        ]
    };
    let rows: Vec<[String; 5]> = corpora.iter().map(row).collect();
    let columns =
        [numbers("seq_len"), numbers("tokens"), numbers("packed"), numbers("in the cache"), words("text")];
    table(&columns, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corpora_are_listed_with_their_sizes() {
        let corpus = ArchivedCorpus {
            source: "wikimedia/wikipedia train-*.parquet".into(),
            seq_len: 128,
            n_tokens: 45_024_147,
            packed_bytes: 54_000_000,
            bytes: 95_599_352,
        };
        insta::assert_snapshot!(text(&[corpus]), @r"
        seq_len    tokens    packed  in the cache  text
            128  45024147  51.5 MiB      91.2 MiB  wikimedia/wikipedia train-*.parquet
        ");
    }
}
