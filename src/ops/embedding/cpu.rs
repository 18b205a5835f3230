//! Embeddings on the CPU.

use candle_core::{Result, Tensor};

use super::tables::Indices;
use crate::ops::cpu::rows;
use crate::ops::gradients::{InputGrads, accumulate_grad_rows};

/// Sums of the rows of word, position and token-type tables, and of the base tables' rows where there are
/// any.
pub fn forward(
    [word, position, token_type]: [&[f32]; 3],
    base: Option<[&[f32]; 2]>,
    indices: &Indices,
    width: usize,
) -> Vec<f32> {
    let Indices { input_ids, position_ids, token_type_ids, .. } = indices;
    let mut out = vec![0f32; input_ids.len() * width];
    rows::for_each_block(&mut out, width, |first, out| {
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            let (id, position_id) = (input_ids[first + i], position_ids[first + i]);
            let (w, p) = (row(word, id, width), row(position, position_id, width));
            let t = row(token_type, token_type_ids[first + i], width);
            match base {
                None => {
                    for (((out, w), p), t) in out.iter_mut().zip(w).zip(p).zip(t) {
                        *out = w + p + t;
                    }
                }
                Some([word, position]) => {
                    let base = row(word, id, width).iter().zip(row(position, position_id, width));
                    for ((((out, w), p), t), base) in out.iter_mut().zip(w).zip(p).zip(t).zip(base) {
                        *out = (base.0 + w) + (base.1 + p) + t;
                    }
                }
            }
        }
    });
    out
}

/// Row `index` of a table.
fn row(table: &[f32], index: u32, width: usize) -> &[f32] {
    let start = index as usize * width;
    &table[start..(start + width).min(table.len())]
}

/// The gradients of the three tables.
pub fn backward(
    [word, position, token_type]: [&Tensor; 3],
    indices: &Indices,
    grad: &[f32],
) -> Result<InputGrads> {
    Ok((
        table_grad(word, &indices.input_ids, grad)?,
        table_grad(position, &indices.position_ids, grad)?,
        table_grad(token_type, &indices.token_type_ids, grad)?,
    ))
}

/// Adds `grad` `[N, E]` to N rows of the gradient of a table, or returns that gradient for candle to take.
fn table_grad(table: &Tensor, rows: &[u32], grad: &[f32]) -> Result<Option<Tensor>> {
    if accumulate_grad_rows(table, rows, grad)? {
        return Ok(None);
    }
    let width = table.dim(1)?;
    let mut sums = vec![0f32; table.elem_count()];
    for (row, &index) in grad.chunks_exact(width).zip(rows) {
        let start = index as usize * width;
        for (sum, value) in sums[start..start + width].iter_mut().zip(row) {
            *sum += value;
        }
    }
    Tensor::from_vec(sums, table.shape(), table.device()).map(Some)
}
