//! Operations of every element by itself.

use candle_core::Result;

use super::Machine;
use super::launch::{Address, Dropout, Launch, arguments};

/// y = gelu(x), of `n` numbers.
pub fn gelu<M: Machine>(machine: &M, x: Address<'_>, y: Address<'_>, n: usize) -> Result<()> {
    // SAFETY: x and y have n numbers each.
    unsafe { machine.launch(Launch::over("gelu_forward", n, arguments![x, y, n as u64])) }
}

/// dx = dy ∘ gelu'(x); dx may lie where dy does.
pub fn gelu_gradient<M: Machine>(
    machine: &M,
    x: Address<'_>,
    dy: Address<'_>,
    dx: Address<'_>,
    n: usize,
) -> Result<()> {
    // SAFETY: the three have n numbers each.
    unsafe { machine.launch(Launch::over("gelu_backward", n, arguments![x, dy, dx, n as u64])) }
}

/// y = x ∘ the dropout factors.
pub fn dropout<M: Machine>(
    machine: &M,
    x: Address<'_>,
    y: Address<'_>,
    n: usize,
    dropout: Dropout,
) -> Result<()> {
    // SAFETY: x and y have n numbers each.
    unsafe { machine.launch(Launch::over("dropout_apply", n, arguments![x, y, n as u64, dropout])) }
}

/// Every one of `rows` rows of `y` becomes the bias.
pub fn fill_rows<M: Machine>(
    machine: &M,
    bias: Address<'_>,
    width: usize,
    y: Address<'_>,
    rows: usize,
) -> Result<()> {
    let n = rows * width;
    // SAFETY: the bias has `width` numbers and y has `rows` times as many.
    unsafe { machine.launch(Launch::over("fill_rows", n, arguments![bias, y, width as u32, n as u64])) }
}

/// sum += more, of `n` numbers.
pub fn add_to<M: Machine>(machine: &M, sum: Address<'_>, more: Address<'_>, n: usize) -> Result<()> {
    // SAFETY: both have n numbers.
    unsafe { machine.launch(Launch::over("add_to", n, arguments![sum, more, n as u64])) }
}
