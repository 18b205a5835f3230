//! Cross-entropy on the CPU.

use rayon::prelude::*;

use crate::ops::cpu::vector;

/// log Σ exp of a row.
pub fn log_sum(row: &[f32]) -> f32 {
    vector::vectorized!(|| {
        let max = vector::max(row);
        max + vector::sum(row.len(), |i| vector::exp(row[i] - max)).ln()
    })
}

/// log Σ exp of every row.
pub fn log_sums(logits: &[f32], classes: usize) -> Vec<f32> {
    logits.par_chunks_exact(classes).map(log_sum).collect()
}

/// The loss of every row, in f64.
pub fn losses(
    logits: &[f32],
    classes: usize,
    targets: &[u32],
    log_sums: &[f32],
) -> impl Iterator<Item = f64> {
    let chosen = logits.chunks_exact(classes).zip(targets).map(|(row, &target)| row[target as usize]);
    log_sums.iter().zip(chosen).map(|(&log_sum, logit)| f64::from(log_sum) - f64::from(logit))
}

/// The mean of the losses.
pub fn mean_loss(logits: &[f32], classes: usize, targets: &[u32], log_sums: &[f32]) -> f32 {
    (losses(logits, classes, targets, log_sums).sum::<f64>() / log_sums.len() as f64) as f32
}

/// Turns a row of logits into the gradient of its loss times `scale`.
pub fn row_backward_inplace(row: &mut [f32], log_sum: f32, target: u32, scale: f32) {
    vector::vectorized!(|| {
        for value in row.iter_mut() {
            *value = scale * vector::exp(*value - log_sum);
        }
    });
    row[target as usize] -= scale;
}

/// Turns rows of logits into the gradients of their losses, each times its scale.
pub fn backward_inplace(
    logits: &mut [f32],
    classes: usize,
    log_sums: &[f32],
    targets: &[u32],
    scales: &[f32],
) {
    logits.par_chunks_exact_mut(classes).enumerate().for_each(|(i, row)| {
        row_backward_inplace(row, log_sums[i], targets[i], scales[i]);
    });
}
