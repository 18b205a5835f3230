//! A dense layer, y = x · wᵀ + b, and its gradients.

use candle_core::Result;

use super::Machine;
use super::elementwise::fill_rows;
use super::launch::{Address, Launch, arguments};
use super::machine::Product;
use crate::ops::Precision;

/// Rows whose sum one thread makes: part of the result's identity.
pub const SPAN: usize = 128;

/// What a dense layer reads.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// [N, I].
    pub x: Address<'a>,
    /// [O, I].
    pub weight: Address<'a>,
    /// N, O and I.
    pub sizes: [usize; 3],
    /// Of the factors.
    pub precision: Precision,
}

/// Writes x · wᵀ + bias over `y` [N, O].
pub fn forward<M: Machine>(machine: &M, inputs: Inputs<'_>, bias: Address<'_>, y: Address<'_>) -> Result<()> {
    let Inputs { x, weight, sizes, precision } = inputs;
    let [n, o, _] = sizes;
    fill_rows(machine, bias, o, y, n)?;
    let product = Product {
        a: x,
        a_transposed: false,
        b: weight,
        b_transposed: true,
        c: y,
        sizes,
        add: true,
        precision,
    };
    // SAFETY: `Inputs` says how much there is, and y has room for N rows of O.
    unsafe { machine.multiply(product) }
}

/// Writes the gradient of x, `dy` [N, O] · w, over `dx` [N, I], or adds it to what is there.
pub fn input_gradient<M: Machine>(
    machine: &M,
    inputs: Inputs<'_>,
    dy: Address<'_>,
    dx: Address<'_>,
    add: bool,
) -> Result<()> {
    let Inputs { weight, sizes: [n, o, i], precision, .. } = inputs;
    let sizes = [n, i, o];
    let product =
        Product { a: dy, a_transposed: false, b: weight, b_transposed: false, c: dx, sizes, add, precision };
    // SAFETY: `Inputs` says how much there is, and dx has as much as x.
    unsafe { machine.multiply(product) }
}

/// The gradients of weight [O, I] and bias [O].
pub fn parameter_gradients<M: Machine>(
    machine: &M,
    inputs: Inputs<'_>,
    dy: Address<'_>,
) -> Result<[M::Floats; 2]> {
    let Inputs { x, sizes: [n, o, i], precision, .. } = inputs;
    let weight = machine.room(o * i)?;
    let product = Product {
        a: dy,
        a_transposed: true,
        b: x,
        b_transposed: false,
        c: machine.at(&weight),
        sizes: [o, i, n],
        add: false,
        precision,
    };
    // SAFETY: `Inputs` says how much there is; the weight's gradient was made for it.
    unsafe { machine.multiply(product)? };
    Ok([weight, column_sums(machine, dy, n, o)?])
}

/// Sums of the columns of `values` [rows, width].
pub fn column_sums<M: Machine>(
    machine: &M,
    values: Address<'_>,
    rows: usize,
    width: usize,
) -> Result<M::Floats> {
    let spans = rows.div_ceil(SPAN);
    let sums = |values: Address<'_>, rows: usize, spans: usize, span: usize| -> Result<M::Floats> {
        let sums = machine.room(spans * width)?;
        let arguments = arguments![values, machine.at(&sums), rows as u32, width as u32, span as u32];
        let grid = [width.div_ceil(64) as u32, spans as u32];
        // SAFETY: there are `rows` rows, and room for `spans` sums.
        unsafe { machine.launch(Launch { kernel: "column_sums", grid, block: 64, arguments })? };
        Ok(sums)
    };
    if spans <= 1 {
        return sums(values, rows, 1, SPAN);
    }
    let partials = sums(values, rows, spans, SPAN)?;
    sums(machine.at(&partials), spans, 1, spans)
}
