//! Embeddings on a CUDA device.

use candle_core::{CudaStorage, Layout, Result, Shape, Tensor, bail};

use super::tables::{BaseTables, DeviceIds, Indices};
use crate::ops::backend::{
    Backend, COMMON, CudaBackend, DevicePtr, expect_shape, kernels, storage_ptr, with_ptrs, with_u32_ptr,
};
use crate::ops::gather::cuda::{RowRuns, scatter_add};
use crate::ops::gradients::{InputGrads, accumulate_grad_tensor};

kernels! {
    "embedding": [COMMON, ("embedding/kernel.cu", include_str!("kernel.cu"))];
    fn embed(
        word: [f32], position: [f32], token_type: [f32], base_word: [f32], base_position: [f32],
        input_ids: [u32], position_ids: [u32], token_type_ids: [u32], out: [mut f32], width: u32, n: u64,
    );
    fn add_sampled(
        values: [f32], input_ids: [u32], positions: [u32], m: u32, table: [mut f32], width: u32,
    );
}

/// Columns of a block that adds up the gradients of sampled tokens.
const COLUMNS: usize = 128;

/// The tables of an embedding.
#[derive(Clone, Copy)]
pub struct TablePtrs<'a> {
    /// `[V, E]`.
    pub word: DevicePtr<'a, f32>,
    /// `[P, E]`.
    pub position: DevicePtr<'a, f32>,
    /// `[2, E]`.
    pub token_type: DevicePtr<'a, f32>,
    /// The tables that the first two are differences from, or null.
    pub base: [DevicePtr<'a, f32>; 2],
    /// E.
    pub width: usize,
}

/// Writes the sums of the rows of `n` tokens over `out` `[n, E]`; `ids` are token ids, positions and token
/// types.
pub fn embedding<B: Backend>(
    backend: &B,
    tables: TablePtrs<'_>,
    ids: [DevicePtr<'_, u32>; 3],
    out: DevicePtr<'_, f32>,
    n: usize,
) -> Result<()> {
    let TablePtrs { word, position, token_type, base: [base_word, base_position], width } = tables;
    let ([input_ids, position_ids, token_type_ids], numbers) = (ids, n * width);
    let call = embed(
        word,
        position,
        token_type,
        base_word,
        base_position,
        input_ids,
        position_ids,
        token_type_ids,
        out,
        width as u32,
        numbers as u64,
    );
    // SAFETY: the indices lie in their tables (`Indices::check`), and there are n of each.
    unsafe { backend.launch(call.over(numbers)) }
}

/// Sampled token ids, as a device knows them.
#[derive(Clone, Copy)]
pub struct SampledIds<'a> {
    /// All ids. `[N]`
    pub input_ids: DevicePtr<'a, u32>,
    /// Where the sampled ones stand, each once. `[M]`
    pub positions: DevicePtr<'a, u32>,
    /// M.
    pub n: usize,
}

/// Adds the values of sampled tokens to their rows of `table`.
pub fn add_sampled_rows<B: Backend>(
    backend: &B,
    values: DevicePtr<'_, f32>,
    sampled: SampledIds<'_>,
    table: DevicePtr<'_, f32>,
    width: usize,
) -> Result<()> {
    let SampledIds { input_ids, positions, n } = sampled;
    if n == 0 {
        return Ok(());
    }
    let call = add_sampled(values, input_ids, positions, n as u32, table, width as u32);
    let grid = [n as u32, width.div_ceil(COLUMNS) as u32];
    // SAFETY: the ids are rows of the table, the positions lie among the values, and only an id's first
    // position adds to its row.
    unsafe { backend.launch(call.grid(grid, COLUMNS as u32)) }
}

/// Embeds tensors.
pub fn forward(
    tables: [(&CudaStorage, &Layout); 3],
    base: Option<&BaseTables>,
    indices: &Indices,
) -> Result<(CudaStorage, Shape)> {
    let [(word, word_layout), (position, position_layout), (token_type, token_type_layout)] = tables;
    let (backend, (_, width)) = (CudaBackend::of_storage(word)?, word_layout.shape().dims2()?);
    let Indices { input_ids, position_ids, token_type_ids, device_ids } = indices;
    let n = input_ids.len();
    if position_ids.len() != n || token_type_ids.len() != n {
        bail!("{n} tokens have {} position ids and {} token types", position_ids.len(), token_type_ids.len());
    }
    for layout in [position_layout, token_type_layout] {
        expect_shape("an embedding table", layout.shape(), &[layout.dims()[0], width])?;
    }
    let tables = TablePtrs {
        word: storage_ptr(word, word_layout)?,
        position: storage_ptr(position, position_layout)?,
        token_type: storage_ptr(token_type, token_type_layout)?,
        base: [DevicePtr::NULL; 2],
        width,
    };
    let [position_ids, token_type_ids] = [backend.upload(position_ids)?, backend.upload(token_type_ids)?];
    let out = backend.alloc(n * width)?;
    let run = |input_ids: DevicePtr<'_, u32>| {
        let ids = [input_ids, backend.ptr(&position_ids), backend.ptr(&token_type_ids)];
        match base {
            None => embedding(&backend, tables, ids, backend.ptr(&out), n),
            Some(base) => with_ptrs([&base.word, &base.position], |base| {
                embedding(&backend, TablePtrs { base, ..tables }, ids, backend.ptr(&out), n)
            }),
        }
    };
    match device_ids {
        None => run(backend.ptr(&backend.upload(input_ids)?))?,
        Some(device_ids) => {
            expect_shape("the tensor of token ids", device_ids.input_ids.shape(), &[n])?;
            with_u32_ptr(&device_ids.input_ids, run)?;
        }
    }
    Ok((backend.storage(out), Shape::from((n, width))))
}

/// The gradients of the three tables.
pub fn backward(
    backend: &CudaBackend,
    [word, position, token_type]: [&Tensor; 3],
    indices: &Indices,
    grad: &Tensor,
) -> Result<InputGrads> {
    let (grad, device_ids) = (grad.contiguous()?, indices.device_ids.as_ref());
    Ok((
        accumulate_rows(backend, word, (&indices.input_ids, device_ids), &grad)?,
        accumulate_rows(backend, position, (&indices.position_ids, None), &grad)?,
        accumulate_rows(backend, token_type, (&indices.token_type_ids, None), &grad)?,
    ))
}

/// Adds `grad` `[N, W]` to rows of the gradient of `table` `[R, W]`, or returns that gradient for candle to
/// take. The rows of sampled tokens are read from `device_ids`.
fn accumulate_rows(
    backend: &CudaBackend,
    table: &Tensor,
    (rows, device_ids): (&[u32], Option<&DeviceIds>),
    grad: &Tensor,
) -> Result<Option<Tensor>> {
    let (n_rows, width) = table.dims2()?;
    let positions = device_ids.map_or(&[][..], |ids| &ids.sampled_positions);
    let runs = RowRuns::new(rows, n_rows, positions);
    accumulate_grad_tensor(table, |before| {
        let sums = match before {
            Some(before) => before.clone(),
            None => backend.tensor(backend.zeros(table.elem_count())?, table.shape()),
        };
        // The gradient has no other owner, so it may be added to.
        with_ptrs([grad, &sums], |[grad, sums]| {
            scatter_add(backend, grad, &runs, sums, width)?;
            let Some(device_ids) = device_ids else { return Ok(()) };
            let n = positions.len();
            let positions = backend.upload(positions)?;
            with_u32_ptr(&device_ids.input_ids, |input_ids| {
                let sampled = SampledIds { input_ids, positions: backend.ptr(&positions), n };
                add_sampled_rows(backend, grad, sampled, sums, width)
            })
        })?;
        Ok(sums)
    })
}
