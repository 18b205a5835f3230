//! `electra-lab bench`: times training steps, or tokenising and packing a corpus, on this machine.

use clap::{Args, Subcommand};

use super::experiment_arguments::ExperimentArguments;
use super::terminal::Terminal;
use super::{exit, output};
use crate::error::{Error, Result};
use crate::experiment::{ModelSize, Precision};
use crate::run::DeviceChoice;
use crate::tools::bench::corpus::CorpusResult;
use crate::tools::bench::step::{BenchOptions, BenchResult};
use crate::tools::bench::{corpus, step};

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub struct BenchArguments {
    #[command(subcommand)]
    command: BenchCommand,
}

/// What to time.
#[derive(Subcommand, Debug)]
enum BenchCommand {
    /// Times a whole training step: generator, sampling, discriminator, backward, clipping, optimizer
    Step(StepArguments),
    /// Times reading, tokenising and packing the text of an experiment's first trial, without the text cache
    Corpus(CorpusArguments),
}

#[derive(Args, Debug)]
struct CorpusArguments {
    #[command(flatten)]
    experiment: ExperimentArguments,

    /// Threads that compute [default: one per core, or RAYON_NUM_THREADS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// Uses only what is in the hub's cache; otherwise downloads count into the time [default: off]
    #[arg(long)]
    offline: bool,

    /// Prints one line of JSON [default: one sentence per number]
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct StepArguments {
    /// Shape of the discriminator
    #[arg(long, value_name = "SIZE", default_value = "small", value_parser = ["tiny", "small", "base"])]
    size: String,

    /// Sequences per step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,

    /// Sequences computed at a time, with gradients accumulated over the batch [default: the batch]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    micro_batch: Option<u32>,

    /// Tokens per sequence
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(8..=8_192))]
    seq: u32,

    /// Threads that compute [default: one per core, or RAYON_NUM_THREADS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// Timed steps, after two for warming up
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,

    /// Generator width as a share of the discriminator's
    #[arg(long, value_name = "RATIO", default_value_t = 0.25, value_parser = ratio)]
    ratio: f64,

    /// Device: auto, cpu, cuda or cuda:N; auto uses a CUDA device if there is one
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,

    /// How a CUDA device rounds the factors of matrix products
    #[arg(long, value_name = "PRECISION", default_value = "f32", value_parser = ["f32", "tf32", "bf16"])]
    precision: String,

    /// Prints one line of JSON [default: one sentence per number]
    #[arg(long)]
    json: bool,
}

fn ratio(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.01..=4.0).contains(&ratio) => Ok(ratio),
        _ => Err("use a number from 0.01 to 4".into()),
    }
}

/// Times it, prints the result and returns the exit code.
pub fn bench(arguments: &BenchArguments) -> Result<u8> {
    match &arguments.command {
        BenchCommand::Step(step) => {
            let result = step::step(&BenchOptions {
                size: size(&step.size)?,
                batch: step.batch as usize,
                micro_batch: step.micro_batch.map(|n| n as usize),
                seq: step.seq as usize,
                threads: step.threads.map(usize::from),
                steps: step.steps as usize,
                ratio: step.ratio,
                device: step.device,
                precision: precision(&step.precision)?,
            })?;
            print(&result, step.json, text)
        }
        BenchCommand::Corpus(arguments) => {
            let experiment = arguments.experiment.load()?;
            let trial =
                experiment.trials.first().ok_or_else(|| Error::internal("an experiment has no trial"))?;
            let threads = arguments.threads.map(usize::from);
            let progress = Terminal::on_stderr().watch("corpus");
            let result = corpus::corpus(&trial.spec, threads, arguments.offline, &progress)?;
            print(&result, arguments.json, corpus_text)
        }
    }
}

fn print<R: serde::Serialize>(result: &R, json: bool, text: impl Fn(&R) -> String) -> Result<u8> {
    if json {
        let line = serde_json::to_string(result)
            .map_err(|error| Error::internal("cannot write the timings as JSON").because(error))?;
        output::data(&format!("{line}\n"))?;
    } else {
        output::data(&text(result))?;
    }
    Ok(exit::OK)
}

fn size(word: &str) -> Result<ModelSize> {
    match word {
        "tiny" => Ok(ModelSize::Tiny),
        "small" => Ok(ModelSize::Small),
        "base" => Ok(ModelSize::Base),
        _ => Err(Error::internal(format!("there is no size {word}"))),
    }
}

fn precision(word: &str) -> Result<Precision> {
    match word {
        "f32" => Ok(Precision::F32),
        "tf32" => Ok(Precision::Tf32),
        "bf16" => Ok(Precision::Bf16),
        _ => Err(Error::internal(format!("there is no precision {word}"))),
    }
}

fn text(result: &BenchResult) -> String {
    let device =
        result.peak_device_mib.map(|mib| format!(" and {mib} MiB on the device")).unwrap_or_default();
    format!(
        "{:.1} tokens/s in the median step, {:.1} in the best\n\
         {} of peak memory{device}\n\
         {:.1} % of the {:.0} GFLOP/s of a large matrix product on this machine\n",
        result.tokens_per_s_median,
        result.tokens_per_s_best,
        memory(result.peak_rss_mib),
        result.gemm_share * 100.0,
        result.gemm_gflops
    )
}

fn corpus_text(result: &CorpusResult) -> String {
    format!(
        "{:.2} s for {} tokens of {}, {:.0} tokens/s\n{} of peak memory\n",
        result.seconds,
        result.tokens,
        result.source,
        result.tokens_per_s,
        memory(result.peak_rss_mib)
    )
}

fn memory(mib: Option<u64>) -> String {
    mib.map_or("unknown MiB".into(), |mib| format!("{mib} MiB"))
}
