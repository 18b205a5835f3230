//! The operation on the CPU.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use crate::ops::cpu::buffers::Buffer;
use crate::ops::cross_entropy::cpu::{losses, mean_loss, row_backward_inplace};
use crate::ops::gradients::InputGrads;
use crate::ops::linear::cpu::{self as linear, LinearInputs};
use crate::ops::row_stats::cpu::RowStats;
use crate::ops::row_stats::{Outputs, Sampler};

/// What the forward pass leaves for the backward pass.
pub struct Forward {
    /// Taken by the backward pass, which writes over them.
    logits: Option<Buffer>,
    /// log Σ exp of every row. `[M]`
    log_sums: Vec<f32>,
}

fn logits(inputs: &LinearInputs<'_>) -> Buffer {
    let mut logits = Buffer::stale(inputs.rows() * inputs.bias.len());
    inputs.forward_into(&mut logits);
    logits
}

/// The mean loss and the statistics.
pub fn forward(
    inputs: &LinearInputs<'_>,
    targets: &[u32],
    sampler: Option<Sampler>,
) -> Result<(f32, Outputs, Forward)> {
    let (logits, classes) = (logits(inputs), inputs.bias.len());
    let stats = RowStats::new(&logits, classes, sampler);
    let loss = mean_loss(&logits, classes, targets, &stats.log_sums);
    let outputs = stats.outputs(losses(&logits, classes, targets, &stats.log_sums))?;
    Ok((loss, outputs, Forward { logits: Some(logits), log_sums: stats.log_sums }))
}

/// The gradients of x, weight and bias.
pub fn backward(
    forward: &mut Forward,
    [x, weight, bias]: [&Tensor; 3],
    targets: &[u32],
    grad: &Tensor,
) -> Result<InputGrads> {
    let (n, classes) = (x.dim(0)?, weight.dim(0)?);
    let scale = grad.to_scalar::<f32>()? / n as f32;
    let mut d_logits = match forward.logits.take() {
        Some(logits) => logits,
        // A second backward pass: the first has written over them.
        None => LinearInputs::with([x, weight, bias], |inputs| Ok(logits(&inputs)))?,
    };
    let rows = d_logits.par_chunks_exact_mut(classes).zip(forward.log_sums.par_iter()).zip(targets);
    rows.for_each(|((row, &log_sum), &target)| row_backward_inplace(row, log_sum, target, scale));
    linear::backward(x, weight, bias, &d_logits)
}
