//! The mean binary cross-entropy of logits, and its gradient.

use candle_core::Result;

use super::Machine;
use super::launch::{Address, Launch, arguments};

/// The mean over `n` logits, [1].
pub fn loss<M: Machine>(
    machine: &M,
    logits: Address<'_>,
    labels: Address<'_>,
    n: usize,
) -> Result<M::Floats> {
    let mean = machine.room(1)?;
    let arguments = arguments![logits, labels, machine.at(&mean), n as u32];
    // SAFETY: there are n logits and labels, and room for the mean.
    unsafe { machine.launch(Launch::blocks("detection_loss", 1, 512, arguments))? };
    Ok(mean)
}

/// The gradient of the logits, [n], from that of the mean, `grad` [1].
pub fn gradient<M: Machine>(
    machine: &M,
    logits: Address<'_>,
    labels: Address<'_>,
    grad: Address<'_>,
    n: usize,
) -> Result<M::Floats> {
    let d_logits = machine.room(n)?;
    let arguments = arguments![logits, labels, grad, machine.at(&d_logits), n as u64];
    // SAFETY: as above.
    unsafe { machine.launch(Launch::over("detection_gradient", n, arguments))? };
    Ok(d_logits)
}
