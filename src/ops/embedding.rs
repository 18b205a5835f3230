//! The sum of word, position and type embeddings.
//!
//! word [V, E], position [P, E], kind [2, E], indices of N tokens → [N, E]. The backward pass adds rows in
//! the order of the tokens, on one thread: 0.5 M additions a step at ELECTRA-Small's size, not worth a race.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::gradients::deposit_rows;
use super::{fused, host, rows};

/// Rows of the three tables, one of each a token; every index lies in its table.
#[derive(Clone, Debug)]
pub struct Indices {
    /// Token ids.
    pub words: Arc<[u32]>,
    /// Positions within the sequence.
    pub positions: Arc<[u32]>,
    /// Segment: 0 or 1.
    pub kinds: Arc<[u32]>,
}

/// The sum of the three embeddings of every token.
pub fn embedding(word: &Tensor, position: &Tensor, kind: &Tensor, indices: &Indices) -> Result<Tensor> {
    for (table, rows) in [(word, &indices.words), (position, &indices.positions), (kind, &indices.kinds)] {
        let size = table.dim(0)?;
        if let Some(&row) = rows.iter().find(|&&row| row as usize >= size) {
            candle_core::bail!("index {row} lies outside an embedding table of {size} rows");
        }
    }
    if fused(word) {
        word.apply_op3(position, kind, Embedding(indices.clone()))
    } else {
        reference(word, position, kind, indices)
    }
}

/// The same from candle's primitives.
pub fn reference(word: &Tensor, position: &Tensor, kind: &Tensor, indices: &Indices) -> Result<Tensor> {
    let rows = |table: &Tensor, rows: &[u32]| {
        table.index_select(&Tensor::from_slice(rows, rows.len(), table.device())?, 0)
    };
    (rows(word, &indices.words)? + rows(position, &indices.positions)?)? + rows(kind, &indices.kinds)?
}

struct Embedding(Indices);

impl CustomOp3 for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn cpu_fwd(
        &self,
        word: &CpuStorage,
        word_layout: &Layout,
        position: &CpuStorage,
        position_layout: &Layout,
        kind: &CpuStorage,
        kind_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = word_layout.shape().dims2()?;
        let word = host::slice(word, word_layout)?;
        let position = host::slice(position, position_layout)?;
        let kind = host::slice(kind, kind_layout)?;
        let n = self.0.words.len();
        let mut out = vec![0f32; n * width];
        rows::for_each_block(&mut out, width, |first, out| {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let row = |table: &[f32], index: u32| {
                    let start = index as usize * width;
                    start..(start + width).min(table.len())
                };
                let word = &word[row(word, self.0.words[first + i])];
                let position = &position[row(position, self.0.positions[first + i])];
                let kind = &kind[row(kind, self.0.kinds[first + i])];
                for (((out, w), p), k) in out.iter_mut().zip(word).zip(position).zip(kind) {
                    *out = w + p + k;
                }
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((n, width))))
    }

    fn bwd(
        &self,
        word: &Tensor,
        position: &Tensor,
        kind: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        host::with(grad, |grad| {
            let table = |like: &Tensor, indices: &[u32]| -> Result<Option<Tensor>> {
                if deposit_rows(like, indices, grad)? {
                    return Ok(None);
                }
                let width = like.dim(1)?;
                let mut sums = vec![0f32; like.elem_count()];
                for (row, &index) in grad.chunks_exact(width).zip(indices) {
                    let start = index as usize * width;
                    for (sum, value) in sums[start..start + width].iter_mut().zip(row) {
                        *sum += value;
                    }
                }
                Ok(Some(Tensor::from_vec(sums, like.shape(), like.device())?))
            };
            Ok((
                table(word, &self.0.words)?,
                table(position, &self.0.positions)?,
                table(kind, &self.0.kinds)?,
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    fn indices() -> Indices {
        Indices {
            words: vec![0, 4, 4, 2, 0].into(),
            positions: vec![0, 1, 2, 0, 1].into(),
            kinds: vec![0, 0, 1, 0, 1].into(),
        }
    }

    #[test]
    fn fused_agrees_with_the_reference() {
        let inputs = [testing::tensor(&[6, 8], 1), testing::tensor(&[4, 8], 2), testing::tensor(&[2, 8], 3)];
        testing::compare(
            &inputs,
            |t| embedding(&t[0], &t[1], &t[2], &indices()),
            |t| reference(&t[0], &t[1], &t[2], &indices()),
        );
    }

    #[test]
    fn an_index_outside_its_table_is_an_error() {
        let (word, rest) = (testing::tensor(&[4, 8], 1), testing::tensor(&[4, 8], 2));
        let error = embedding(&word, &rest, &rest, &indices()).unwrap_err().to_string();
        assert!(error.contains("index 4 lies outside an embedding table of 4 rows"), "{error}");
    }
}
