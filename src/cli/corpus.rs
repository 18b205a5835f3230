//! `electra-lab corpus`: carries an experiment's tokenised text to another machine, as one compressed file.
//!
//! `pack` and `unpack`, the old names of `corpus export` and `corpus import`, still work.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::BinaryBytes;

use super::experiment_arguments::ExperimentArguments;
use super::table::{numbers, table, words};
use super::terminal::Terminal;
use super::{exit, output};
use crate::error::Result;
use crate::run::{export_corpus, import_corpus};
use crate::text::ArchivedCorpus;

/// Arguments of `corpus`.
#[derive(Args, Debug)]
pub struct CorpusArguments {
    #[command(subcommand)]
    command: CorpusCommand,
}

#[derive(Subcommand, Debug)]
enum CorpusCommand {
    /// Writes an experiment's tokenised text into a corpus archive
    #[command(
        long_about = "Writes an experiment's tokenised text into a corpus archive: one compressed file of about \
        nine bits per token. `corpus import` puts it into the cache of another machine, which needs neither the \
        text nor a network.\n\n\
        Example:\n  electra-lab corpus export experiments/small.yaml --profile paper --to /tmp/text.corpus"
    )]
    Export(ExportArguments),
    /// Puts the text of a corpus archive into the cache of this machine
    #[command(
        long_about = "Puts the text of a corpus archive into the cache of this machine. A run of the same \
        experiment uses it where the text itself is not available. `run --pretrain-only` needs nothing else; \
        to fine-tune, run the same command without --pretrain-only where the tasks are available and the \
        results folder was copied to.\n\n\
        Example:\n  electra-lab corpus import /tmp/text.corpus\n  \
        electra-lab run experiments/small.yaml --profile paper --pretrain-only --offline"
    )]
    Import(ImportArguments),
}

/// Arguments of `corpus export`.
#[derive(Args, Debug)]
pub struct ExportArguments {
    #[command(flatten)]
    experiment: ExperimentArguments,

    /// Corpus archive to write; the file must not exist yet
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// Uses only what is in the caches, never the network, like HF_HUB_OFFLINE=1 [default: off]
    #[arg(long)]
    offline: bool,
}

/// Arguments of `corpus import`.
#[derive(Args, Debug)]
pub struct ImportArguments {
    /// Corpus archive that `corpus export` wrote
    #[arg(value_name = "FILE")]
    from: PathBuf,
}

/// Exports or imports, lists the corpora and returns the exit code.
pub fn corpus(arguments: &CorpusArguments) -> Result<u8> {
    match &arguments.command {
        CorpusCommand::Export(arguments) => export(arguments),
        CorpusCommand::Import(arguments) => import(arguments),
    }
}

/// `corpus export` under its old name.
pub fn pack(arguments: &ExportArguments) -> Result<u8> {
    output::note("note: `pack` is now called `corpus export`");
    export(arguments)
}

/// `corpus import` under its old name.
pub fn unpack(arguments: &ImportArguments) -> Result<u8> {
    output::note("note: `unpack` is now called `corpus import`");
    import(arguments)
}

fn export(arguments: &ExportArguments) -> Result<u8> {
    let experiment = arguments.experiment.load()?;
    let progress = Terminal::on_stderr().watch("corpus export");
    show(&export_corpus(&experiment, &arguments.to, arguments.offline, &progress)?)
}

fn import(arguments: &ImportArguments) -> Result<u8> {
    show(&import_corpus(&arguments.from, &Terminal::on_stderr().watch("corpus import"))?)
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
            BinaryBytes(corpus.archive_bytes).to_string(),
            BinaryBytes(corpus.cache_bytes).to_string(),
            corpus.source.clone(),
        ]
    };
    let rows: Vec<[String; 5]> = corpora.iter().map(row).collect();
    let columns = [
        numbers("seq_len"),
        numbers("tokens"),
        numbers("in the archive"),
        numbers("in the cache"),
        words("text"),
    ];
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
            archive_bytes: 54_000_000,
            cache_bytes: 95_599_352,
        };
        insta::assert_snapshot!(text(&[corpus]), @r"
        seq_len    tokens  in the archive  in the cache  text
            128  45024147       51.50 MiB     91.17 MiB  wikimedia/wikipedia train-*.parquet
        ");
    }
}
