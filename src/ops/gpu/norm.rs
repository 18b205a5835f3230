//! LayerNorm of residual + dropout(x), and its gradients.

use candle_core::Result;

use super::Machine;
use super::dense::SPAN;
use super::launch::{Address, Dropout, Launch, arguments};

/// What a LayerNorm reads.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// [N, H].
    pub x: Address<'a>,
    /// [N, H], or null where there is none.
    pub residual: Address<'a>,
    /// γ and β. [2, H]
    pub parameters: Address<'a>,
    /// Between x and the sum.
    pub dropout: Dropout,
    /// Added to the variance under the root.
    pub epsilon: f32,
    /// N.
    pub rows: usize,
    /// H.
    pub width: usize,
}

/// Writes the output over `y` [N, H].
pub fn forward<M: Machine>(machine: &M, inputs: Inputs<'_>, y: Address<'_>) -> Result<()> {
    let Inputs { x, residual, parameters, dropout, epsilon, rows, width } = inputs;
    let (n, h) = (rows as u32, width as u32);
    let arguments = arguments![x, residual, parameters, y, n, h, epsilon, dropout];
    // SAFETY: `Inputs` says how much there is, and y has as much as x.
    unsafe { machine.launch(Launch::warps("norm_forward", rows, arguments)) }
}

/// Gradients of a LayerNorm.
pub struct Gradients<F> {
    /// Of the sum, and so of the residual. [N, H]
    pub sum: F,
    /// Of x where dropout stands before the sum; else that of the sum is x's. [N, H]
    pub x: Option<F>,
    /// Of γ and β. [2, H]
    pub parameters: F,
}

/// The gradients that `dy` [N, H] gives.
pub fn backward<M: Machine>(
    machine: &M,
    inputs: Inputs<'_>,
    dy: Address<'_>,
) -> Result<Gradients<M::Floats>> {
    let Inputs { x, residual, parameters, dropout, epsilon, rows, width } = inputs;
    let (n, h) = (rows as u32, width as u32);
    let sum = machine.room(rows * width)?;
    let dx = if dropout.is_off() { None } else { Some(machine.room(rows * width)?) };
    let statistics = machine.room(2 * rows)?;
    let at_dx = dx.as_ref().map_or(Address::NULL, |dx| machine.at(dx));
    let at = [machine.at(&sum), machine.at(&statistics)];
    let arguments = arguments![x, residual, parameters, dy, at[0], at_dx, at[1], n, h, epsilon, dropout];
    // SAFETY: `Inputs` says how much there is; the others were made for it.
    unsafe { machine.launch(Launch::warps("norm_backward", rows, arguments))? };
    let spans = rows.div_ceil(SPAN).max(1);
    let partials = machine.room(spans * 2 * width)?;
    let arguments = arguments![x, residual, at[1], dy, machine.at(&partials), n, h, SPAN as u32, dropout];
    let grid = [width.div_ceil(64) as u32, spans as u32];
    // SAFETY: as above; there is a part for every span.
    unsafe { machine.launch(Launch { kernel: "norm_parameters", grid, block: 64, arguments })? };
    let total = super::dense::column_sums(machine, machine.at(&partials), spans, 2 * width)?;
    Ok(Gradients { sum, x: dx, parameters: total })
}
