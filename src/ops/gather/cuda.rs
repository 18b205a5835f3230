//! Rows of tables on a CUDA device: read, and their gradients added up in a fixed order.

use candle_core::{CudaStorage, Layout, Result, Shape, Tensor};

use crate::ops::backend::{Backend, COMMON, CudaBackend, DevicePtr, kernels, storage_ptr, with_ptrs};

kernels! {
    "gather": [COMMON, ("gather/kernel.cu", include_str!("kernel.cu"))];
    fn gather_rows(table: [f32], rows: [u32], out: [mut f32], width: u32, n: u64);
    fn sum_runs(values: [f32], order: [u32], starts: [u32], sums: [mut f32], width: u32);
    fn add_rows(sums: [f32], rows: [u32], table: [mut f32], width: u32, n: u64);
}

/// Rows whose sum one block makes: part of the result's identity. A token that stands in a batch ten thousand
/// times, as `[MASK]` does, would keep one block busy alone.
const RUN: usize = 128;

/// Writes chosen rows of a table over `out` [n, width].
pub fn gather<B: Backend>(
    backend: &B,
    table: DevicePtr<'_, f32>,
    rows: DevicePtr<'_, u32>,
    out: DevicePtr<'_, f32>,
    [n, width]: [usize; 2],
) -> Result<()> {
    let numbers = n * width;
    let call = gather_rows(table, rows, out, width as u32, numbers as u64);
    // SAFETY: the rows lie in the table, and there are n of them.
    unsafe { backend.launch(call.over(numbers)) }
}

/// Which values are added to which row of a table, and in which order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RowRuns {
    /// Numbers of the values, sorted by the row that they are added to; those of one row keep their order.
    order: Vec<u32>,
    /// Where each run begins in `order` and, last, its length. A run is at most [`RUN`] values of one row.
    starts: Vec<u32>,
    /// The first run of each row and, last, the number of runs.
    row_starts: Vec<u32>,
    /// The rows, each once.
    rows: Vec<u32>,
}

impl RowRuns {
    /// Runs of values that are added to `rows` of a table of `n_rows`, one value per entry. Values whose
    /// numbers are in `without` are left out.
    pub fn new(rows: &[u32], n_rows: usize, without: &[u32]) -> Self {
        let mut runs = Self { order: by_row(rows, n_rows, without), ..Self::default() };
        let mut at = 0;
        for values in runs.order.chunk_by(|&a, &b| rows[a as usize] == rows[b as usize]) {
            runs.rows.push(rows[values[0] as usize]);
            runs.row_starts.push(runs.starts.len() as u32);
            for run in values.chunks(RUN) {
                runs.starts.push(at);
                at += run.len() as u32;
            }
        }
        runs.row_starts.push(runs.starts.len() as u32);
        runs.starts.push(at);
        runs
    }
}

/// The numbers of the values sorted by their row; those of one row keep their order. A counting sort.
fn by_row(rows: &[u32], n_rows: usize, without: &[u32]) -> Vec<u32> {
    let mut kept = vec![true; rows.len()];
    for &value in without {
        kept[value as usize] = false;
    }
    let mut starts = vec![0u32; n_rows + 1];
    let values = || rows.iter().zip(&kept).enumerate().filter(|(_, (_, kept))| **kept);
    for (_, (&row, _)) in values() {
        starts[row as usize + 1] += 1;
    }
    for row in 0..n_rows {
        starts[row + 1] += starts[row];
    }
    let mut order = vec![0; starts[n_rows] as usize];
    for (value, (&row, _)) in values() {
        let slot = &mut starts[row as usize];
        order[*slot as usize] = value as u32;
        *slot += 1;
    }
    order
}

/// Adds `values` [N, width] to the rows of `table` that `runs` names.
pub fn scatter_add<B: Backend>(
    backend: &B,
    values: DevicePtr<'_, f32>,
    runs: &RowRuns,
    table: DevicePtr<'_, f32>,
    width: usize,
) -> Result<()> {
    if runs.rows.is_empty() {
        return Ok(());
    }
    let sums = |values: DevicePtr<'_, f32>, order: DevicePtr<'_, u32>, starts: &[u32]| {
        let sums = backend.alloc((starts.len() - 1) * width)?;
        let starts_there = backend.upload(starts)?;
        let call = sum_runs(values, order, backend.ptr(&starts_there), backend.ptr(&sums), width as u32);
        // SAFETY: the runs name values that exist, and there is memory for the sum of each run.
        unsafe { backend.launch(call.blocks(starts.len() - 1, 128))? };
        Result::Ok(sums)
    };
    let order = backend.upload(&runs.order)?;
    let by_run = sums(values, backend.ptr(&order), &runs.starts)?;
    let by_row = sums(backend.ptr(&by_run), DevicePtr::NULL, &runs.row_starts)?;
    let rows = backend.upload(&runs.rows)?;
    let numbers = runs.rows.len() * width;
    let call = add_rows(backend.ptr(&by_row), backend.ptr(&rows), table, width as u32, numbers as u64);
    // SAFETY: the rows lie in the table, and each is named once.
    unsafe { backend.launch(call.over(numbers)) }
}

/// Chosen rows of a tensor.
pub fn forward(x: &CudaStorage, layout: &Layout, rows: &[u32]) -> Result<(CudaStorage, Shape)> {
    let (backend, (_, width)) = (CudaBackend::of_storage(x)?, layout.shape().dims2()?);
    let (rows_there, n) = (backend.upload(rows)?, rows.len());
    let out = backend.alloc(n * width)?;
    gather(&backend, storage_ptr(x, layout)?, backend.ptr(&rows_there), backend.ptr(&out), [n, width])?;
    Ok((backend.storage(out), Shape::from((n, width))))
}

/// The gradient of x.
pub fn backward(backend: &CudaBackend, x: &Tensor, grad: &Tensor, rows: &[u32]) -> Result<Tensor> {
    let (n, width) = x.dims2()?;
    let dx = backend.zeros(x.elem_count())?;
    with_ptrs([&grad.contiguous()?], |[grad]| {
        scatter_add(backend, grad, &RowRuns::new(rows, n, &[]), backend.ptr(&dx), width)
    })?;
    Ok(backend.tensor(dx, x.shape()))
}
