//! Embeddings from candle's primitives.

use candle_core::{Result, Tensor};

use super::tables::{BaseTables, Indices};

fn table_rows(table: &Tensor, rows: &[u32]) -> Result<Tensor> {
    table.index_select(&Tensor::from_slice(rows, rows.len(), table.device())?, 0)
}

/// `embedding` from candle's primitives.
pub fn reference(word: &Tensor, position: &Tensor, token_type: &Tensor, indices: &Indices) -> Result<Tensor> {
    let word = table_rows(word, &indices.input_ids)?;
    let position = table_rows(position, &indices.position_ids)?;
    (word + position)? + table_rows(token_type, &indices.token_type_ids)?
}

/// `difference_embedding` from candle's primitives.
pub fn difference_reference(
    base: &BaseTables,
    word: &Tensor,
    position: &Tensor,
    token_type: &Tensor,
    indices: &Indices,
) -> Result<Tensor> {
    let sums =
        |base: &Tensor, table: &Tensor, rows: &[u32]| table_rows(base, rows)? + table_rows(table, rows)?;
    let word = sums(&base.word, word, &indices.input_ids)?;
    let position = sums(&base.position, position, &indices.position_ids)?;
    (word + position)? + table_rows(token_type, &indices.token_type_ids)?
}
