//! `electra-lab bench`: times whole training steps on this machine.

use clap::{Args, Subcommand};

use super::{exit, output};
use crate::fault::{Fault, Result};
use crate::run::bench::{self, BenchOptions, BenchResult};
use crate::spec::ModelSize;

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub struct BenchArguments {
    #[command(subcommand)]
    what: What,
}

/// What to time.
#[derive(Subcommand, Debug)]
enum What {
    /// Times the whole joint step: generator, sampling, discriminator, backward, clipping, optimizer
    Step(StepArguments),
}

#[derive(Args, Debug)]
struct StepArguments {
    /// Shape of the discriminator
    #[arg(long, value_name = "SIZE", default_value = "small", value_parser = ["tiny", "small", "base"])]
    size: String,

    /// Sequences a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,

    /// Tokens a sequence
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(8..=8_192))]
    seq: u32,

    /// Threads that compute [default: one a core, or RAYON_NUM_THREADS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// Timed steps, after two that are not counted
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,

    /// Generator width as a share of the discriminator's
    #[arg(long, value_name = "RATIO", default_value_t = 0.25, value_parser = ratio)]
    ratio: f64,

    /// Prints one line of JSON [default: a sentence a number]
    #[arg(long)]
    json: bool,
}

fn ratio(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.01..=4.0).contains(&ratio) => Ok(ratio),
        _ => Err("use a number from 0.01 to 4".into()),
    }
}

/// Times what was asked for, prints it, and returns the exit code.
pub fn bench(arguments: &BenchArguments) -> Result<u8> {
    let What::Step(step) = &arguments.what;
    let options = BenchOptions {
        size: size(&step.size)?,
        batch: step.batch as usize,
        seq: step.seq as usize,
        threads: step.threads.map(usize::from),
        steps: step.steps as usize,
        ratio: step.ratio,
    };
    let result = bench::step(&options)?;
    if step.json {
        let line = serde_json::to_string(&result)
            .map_err(|error| Fault::internal("cannot write the timings as JSON").because(error))?;
        output::data(&format!("{line}\n"))?;
    } else {
        output::data(&text(&result))?;
    }
    Ok(exit::OK)
}

fn size(word: &str) -> Result<ModelSize> {
    match word {
        "tiny" => Ok(ModelSize::Tiny),
        "small" => Ok(ModelSize::Small),
        "base" => Ok(ModelSize::Base),
        _ => Err(Fault::internal(format!("no size {word}"))),
    }
}

fn text(result: &BenchResult) -> String {
    format!(
        "{:.1} tokens/s in the median step, {:.1} in the best\n\
         {} of memory at the peak\n\
         {:.1} % of the {:.0} GFLOP/s that a large matrix product reaches here\n",
        result.tokens_per_s_median,
        result.tokens_per_s_best,
        result.peak_rss_mib.map_or("unknown MiB".into(), |mib| format!("{mib} MiB")),
        result.gemm_share * 100.0,
        result.gemm_gflops
    )
}
