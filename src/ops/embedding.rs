//! The sum of word, position and type embeddings.
//!
//! word [V, E], position [P, E], kind [2, E], indices of N tokens → [N, E]. The backward pass adds rows in
//! the order of the tokens, on one thread: 0.5 M additions a step at ELECTRA-Small's size, not worth a race.
//!
//! Word and position tables may also be kept as differences from a base of two tables: then only the rows of the
//! tokens are summed, never a whole table, and no gradient reaches the base.

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
    /// What a device alone knows of the words.
    pub drawn: Option<Drawn>,
}

/// Words that a CUDA device drew (`corruption.rs`): all of them lie there, and the host knows those that were not drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// All words. [N], u32
    pub now: Tensor,
    /// Where the drawn ones stand, ascending, each once.
    pub places: Arc<[u32]>,
}

/// Tables that others are differences from. Neither gets a gradient.
#[derive(Clone, Debug)]
pub struct Base {
    word: Tensor,
    position: Tensor,
}

impl Base {
    /// The tables [V, E] and [P, E], whose later values are read too.
    pub fn new(word: &Tensor, position: &Tensor) -> Self {
        Self { word: word.detach(), position: position.detach() }
    }

    /// Both.
    #[cfg(feature = "cuda")]
    pub fn tables(&self) -> [&Tensor; 2] {
        [&self.word, &self.position]
    }
}

/// The sum of the three embeddings of every token.
pub fn embedding(word: &Tensor, position: &Tensor, kind: &Tensor, indices: &Indices) -> Result<Tensor> {
    check(word, position, kind, indices)?;
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(word) {
        return super::gpu::tensors::embedding::embed([word, position, kind], None, indices);
    }
    known_here(indices)?;
    if fused(word) {
        word.apply_op3(position, kind, Embedding { indices: indices.clone(), base: None })
    } else {
        reference(word, position, kind, indices)
    }
}

/// The same where `word` and `position` are differences from `base`: equal to the bit to the embeddings of the sums.
pub fn difference_embedding(
    base: &Base,
    word: &Tensor,
    position: &Tensor,
    kind: &Tensor,
    indices: &Indices,
) -> Result<Tensor> {
    check(word, position, kind, indices)?;
    if base.word.shape() != word.shape() || base.position.shape() != position.shape() {
        let (word, position) = (base.word.dims(), base.position.dims());
        candle_core::bail!("embedding tables are differences from others of {word:?} and {position:?}");
    }
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(word) {
        return super::gpu::tensors::embedding::embed([word, position, kind], Some(base), indices);
    }
    known_here(indices)?;
    if fused(word) {
        let op = Embedding { indices: indices.clone(), base: Some(base.clone()) };
        word.apply_op3(position, kind, op)
    } else {
        difference_reference(base, word, position, kind, indices)
    }
}

fn check(word: &Tensor, position: &Tensor, kind: &Tensor, indices: &Indices) -> Result<()> {
    for (table, rows) in [(word, &indices.words), (position, &indices.positions), (kind, &indices.kinds)] {
        let size = table.dim(0)?;
        if let Some(&row) = rows.iter().find(|&&row| row as usize >= size) {
            candle_core::bail!("index {row} lies outside an embedding table of {size} rows");
        }
    }
    Ok(())
}

fn known_here(indices: &Indices) -> Result<()> {
    match &indices.drawn {
        Some(_) => candle_core::bail!("words that a device drew are embedded by its kernels alone"),
        None => Ok(()),
    }
}

fn table_rows(table: &Tensor, rows: &[u32]) -> Result<Tensor> {
    table.index_select(&Tensor::from_slice(rows, rows.len(), table.device())?, 0)
}

/// [`embedding`] from candle's primitives.
pub fn reference(word: &Tensor, position: &Tensor, kind: &Tensor, indices: &Indices) -> Result<Tensor> {
    let (word, position) = (table_rows(word, &indices.words)?, table_rows(position, &indices.positions)?);
    (word + position)? + table_rows(kind, &indices.kinds)?
}

/// [`difference_embedding`] from candle's primitives.
pub fn difference_reference(
    base: &Base,
    word: &Tensor,
    position: &Tensor,
    kind: &Tensor,
    indices: &Indices,
) -> Result<Tensor> {
    let sums =
        |base: &Tensor, table: &Tensor, rows: &[u32]| table_rows(base, rows)? + table_rows(table, rows)?;
    let word = sums(&base.word, word, &indices.words)?;
    let position = sums(&base.position, position, &indices.positions)?;
    (word + position)? + table_rows(kind, &indices.kinds)?
}

struct Embedding {
    indices: Indices,
    base: Option<Base>,
}

impl Embedding {
    /// Sums of the rows of word, position and type tables, and of those that the first two are differences from.
    fn sums(&self, [word, position, kind]: [&[f32]; 3], base: Option<[&[f32]; 2]>, width: usize) -> Vec<f32> {
        let Indices { words, positions, kinds, .. } = &self.indices;
        let mut out = vec![0f32; words.len() * width];
        rows::for_each_block(&mut out, width, |first, out| {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let (at_word, at_position) = (words[first + i], positions[first + i]);
                let (w, p) = (row(word, at_word, width), row(position, at_position, width));
                let k = row(kind, kinds[first + i], width);
                match base {
                    None => {
                        for (((out, w), p), k) in out.iter_mut().zip(w).zip(p).zip(k) {
                            *out = w + p + k;
                        }
                    }
                    Some([word, position]) => {
                        let base = row(word, at_word, width).iter().zip(row(position, at_position, width));
                        for ((((out, w), p), k), base) in out.iter_mut().zip(w).zip(p).zip(k).zip(base) {
                            *out = (base.0 + w) + (base.1 + p) + k;
                        }
                    }
                }
            }
        });
        out
    }
}

/// Row `index` of a table.
fn row(table: &[f32], index: u32, width: usize) -> &[f32] {
    let start = index as usize * width;
    &table[start..(start + width).min(table.len())]
}

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
        let tables = [word, position, kind];
        let out = match &self.base {
            None => self.sums(tables, None, width),
            Some(base) => host::with(&base.word, |word| {
                host::with(&base.position, |position| Ok(self.sums(tables, Some([word, position]), width)))
            })?,
        };
        Ok((CpuStorage::F32(out), Shape::from((self.indices.words.len(), width))))
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
                table(word, &self.indices.words)?,
                table(position, &self.indices.positions)?,
                table(kind, &self.indices.kinds)?,
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::ops::testing;

    fn indices() -> Indices {
        Indices {
            words: vec![0, 4, 4, 2, 0].into(),
            positions: vec![0, 1, 2, 0, 1].into(),
            kinds: vec![0, 0, 1, 0, 1].into(),
            drawn: None,
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

    fn base() -> [Tensor; 2] {
        [testing::tensor(&[6, 8], 4), testing::tensor(&[4, 8], 5)]
    }

    #[test]
    fn differences_agree_with_the_reference() {
        let inputs = [testing::tensor(&[6, 8], 1), testing::tensor(&[4, 8], 2), testing::tensor(&[2, 8], 3)];
        let [word, position] = base();
        let reference = |t: &[Tensor]| {
            let of = |table: &Tensor| table.to_dtype(t[0].dtype());
            let base = Base::new(&of(&word)?, &of(&position)?);
            difference_reference(&base, &t[0], &t[1], &t[2], &indices())
        };
        let fused = |t: &[Tensor]| {
            difference_embedding(&Base::new(&word, &position), &t[0], &t[1], &t[2], &indices())
        };
        testing::compare(&inputs, fused, reference);
    }

    /// The bits of the sums' embeddings, also after the base has changed, and no gradient into the base.
    #[test]
    fn differences_are_read_as_their_sums() {
        let [word, position] = base().map(|table| Var::from_tensor(&table).unwrap());
        let tables = [testing::tensor(&[6, 8], 1), testing::tensor(&[4, 8], 2), testing::tensor(&[2, 8], 3)];
        let [dw, dp, kind] = tables.map(|table| Var::from_tensor(&table).unwrap());
        let base = Base::new(&word, &position);
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for index in 6..8 {
            let read = difference_embedding(&base, &dw, &dp, &kind, &indices()).unwrap();
            let (w, p) = ((word.as_tensor() + dw.as_tensor()), (position.as_tensor() + dp.as_tensor()));
            let sums = embedding(&w.unwrap(), &p.unwrap(), &kind, &indices()).unwrap();
            assert_eq!(values(&read), values(&sums));
            let gradients = read.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            assert!(gradients.get(&word).is_none() && gradients.get(&position).is_none());
            assert!([&dw, &dp, &kind].iter().all(|table| gradients.get(table).is_some()));
            word.set(&testing::tensor(&[6, 8], index)).unwrap();
        }
    }

    #[test]
    fn an_index_outside_its_table_is_an_error() {
        let (word, rest) = (testing::tensor(&[4, 8], 1), testing::tensor(&[4, 8], 2));
        let error = embedding(&word, &rest, &rest, &indices()).unwrap_err().to_string();
        assert!(error.contains("index 4 lies outside an embedding table of 4 rows"), "{error}");
    }
}
