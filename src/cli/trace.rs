//! `electra-lab trace`: writes all values of a trial's first steps, for a check in another framework.

use std::path::PathBuf;

use clap::Args;
use indicatif::BinaryBytes;

use super::experiment_arguments::ExperimentArguments;
use super::terminal::Terminal;
use super::{exit, output};
use crate::error::Result;
use crate::run::DeviceChoice;
use crate::tools::{TraceOptions, trace_experiment};

/// The long help, which documents the file.
pub const ABOUT: &str = "Runs the first steps of a trial like `run` and writes all their values to one safetensors file. \
    scripts/check_trace.py repeats the steps in PyTorch and compares. Does not touch results/.\n\n\
    Tensors (f32 or int64; step k from 0, T tokens, B sequences, M masked slots, V vocabulary):\n  \
    initial/<parameter>                        before the first step\n  \
    step.<k>/ids, types, offsets               the batch, [T], [T], [B + 1]\n  \
    step.<k>/masked_positions, originals       masked slots as indices into the tokens; their original tokens, [M]\n  \
    step.<k>/generator_input                   what the masked language model reads, [T]\n  \
    step.<k>/generator_logits                  and its output, [M, V]\n  \
    step.<k>/samples                           drawn from these logits, or from word frequencies, [M]\n  \
    step.<k>/discriminator_input               what the discriminator reads, [T]\n  \
    step.<k>/labels, discriminator_logits      1 = replaced, [T]\n  \
    step.<k>/restorer_input, gate_logits       of the objectives that restore tokens, [T]\n  \
    step.<k>/rewards, advantages               of adversarial, [M]\n  \
    step.<k>/log_q                             log of electric's noise distribution, [T]\n  \
    step.<k>/view_ids, view_types, view_offsets  both views of coco_lm's texts\n  \
    step.<k>/loss                              what is minimised, a scalar\n  \
    step.<k>/mlm_loss, rtd_loss, restore_loss, copy_loss, lm_loss, contrast_loss, policy_loss, baseline_loss,\n    \
    cloze_loss, nce_loss                     its parts before their weights, those that the objective has\n  \
    step.<k>/learning_rate, gradient_norm      scalars; the norm before clipping\n  \
    step.<k>/gradient/<parameter>              before clipping, of the parameters that the step trains\n  \
    step.<k>/updated/<parameter>               after the step\n\
    Metadata: `trace`, a JSON object: format_version, electra_lab, trial, spec, n_steps, total_steps, \
    mask_token, never_masked.\n\n\
    Example:\n  electra-lab trace experiments/gen_ratio.yaml --steps 10 --out trace.safetensors \\\n    \
    --set model.dropout=0 --set model.attention_dropout=0";

/// Arguments of `trace`.
#[derive(Args, Debug)]
pub struct TraceArguments {
    #[command(flatten)]
    experiment: ExperimentArguments,

    /// Number of steps, from the first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,

    /// File to write or replace; its size is about 2 N + 1 times that of the weights
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Start of the id of the trial to trace [default: the first trial]
    #[arg(long, value_name = "ID")]
    only: Option<String>,

    /// Device: auto, cpu, cuda or cuda:N; auto uses a CUDA device if there is one
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,

    /// Uses only what is in the caches, never the network, like HF_HUB_OFFLINE=1 [default: off]
    #[arg(long)]
    offline: bool,
}

/// Writes the trace and returns the exit code.
pub fn trace(arguments: &TraceArguments) -> Result<u8> {
    let experiment = arguments.experiment.load()?;
    let options = TraceOptions {
        only: arguments.only.clone(),
        n_steps: arguments.steps,
        out: arguments.out.clone(),
        device: arguments.device,
        offline: arguments.offline,
    };
    let terminal = Terminal::on_stderr();
    let traced = trace_experiment(&experiment, &options, &terminal.watch("trace"))?;
    output::note(&format!(
        "{}: {} steps of trial {} ({}), {}",
        arguments.out.display(),
        arguments.steps,
        traced.id,
        traced.label,
        BinaryBytes(traced.n_bytes)
    ));
    if traced.has_dropout {
        output::note(
            "dropout was on, and its masks are not in the file, so another framework cannot repeat these steps; \
             turn it off: --set model.dropout=0 --set model.attention_dropout=0",
        );
    }
    Ok(exit::OK)
}
