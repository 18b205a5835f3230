//! Kernels that several operations call and that are no operation themselves.

use candle_core::Result;

use super::interface::Backend;
use super::kernels::kernels;
use super::launch::DevicePtr;
use super::source::COMMON;

kernels! {
    "primitives": [COMMON, ("backend/primitives.cu", include_str!("primitives.cu"))];
    fn fill_rows(bias: [f32], y: [mut f32], width: u32, n: u64);
    fn add_to(sum: [mut f32], more: [f32], n: u64);
    fn column_sums(values: [f32], sums: [mut f32], rows: u32, width: u32, span: u32);
    fn to_bf16(x: [f32], y: [mut u16], n: u64);
}

/// Rows whose sum one thread makes: part of the result's identity.
pub const SPAN: usize = 128;

/// Fills every one of `rows` rows of `y` with the bias.
pub fn broadcast_rows<B: Backend>(
    backend: &B,
    bias: DevicePtr<'_, f32>,
    width: usize,
    y: DevicePtr<'_, f32>,
    rows: usize,
) -> Result<()> {
    let n = rows * width;
    // SAFETY: the bias has `width` numbers and y has `rows` times as many.
    unsafe { backend.launch(fill_rows(bias, y, width as u32, n as u64).over(n)) }
}

/// sum += more, of `n` numbers.
pub fn add<B: Backend>(
    backend: &B,
    sum: DevicePtr<'_, f32>,
    more: DevicePtr<'_, f32>,
    n: usize,
) -> Result<()> {
    // SAFETY: both have n numbers.
    unsafe { backend.launch(add_to(sum, more, n as u64).over(n)) }
}

/// y = x rounded to bfloat16, of `n` numbers.
pub fn round_to_bf16<B: Backend>(
    backend: &B,
    x: DevicePtr<'_, f32>,
    y: DevicePtr<'_, u16>,
    n: usize,
) -> Result<()> {
    // SAFETY: both have n numbers.
    unsafe { backend.launch(to_bf16(x, y, n as u64).over(n)) }
}

/// Sums of the columns of `values` [rows, width].
pub fn sum_columns<B: Backend>(
    backend: &B,
    values: DevicePtr<'_, f32>,
    rows: usize,
    width: usize,
) -> Result<B::Buffer<f32>> {
    let spans = rows.div_ceil(SPAN);
    let sums = |values: DevicePtr<'_, f32>, rows: usize, spans: usize, span: usize| {
        let sums = backend.alloc(spans * width)?;
        let grid = [width.div_ceil(64) as u32, spans as u32];
        let call = column_sums(values, backend.ptr(&sums), rows as u32, width as u32, span as u32);
        // SAFETY: there are `rows` rows, and memory for `spans` sums.
        unsafe { backend.launch(call.grid(grid, 64))? };
        Result::Ok(sums)
    };
    if spans <= 1 {
        return sums(values, rows, 1, SPAN);
    }
    let partials = sums(values, rows, spans, SPAN)?;
    sums(backend.ptr(&partials), spans, 1, spans)
}
