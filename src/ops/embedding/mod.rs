//! The sum of word, position and token-type embeddings.
//!
//! word `[V, E]`, position `[P, E]`, token type `[2, E]`, indices of N tokens → `[N, E]`. The backward pass
//! on the CPU adds rows in the order of the tokens, on one thread: 0.5 M additions per step at
//! ELECTRA-Small's size, not worth a race.
//!
//! Word and position tables may also be kept as differences from two base tables: then only the rows of the
//! tokens are summed, never a whole table, and no gradient reaches the base.

pub mod cpu;
pub mod cuda;
mod reference;
pub mod tables;

use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::backend::{CudaBackend, fused};
use super::cpu::host;
use super::gradients::InputGrads;
pub use reference::{difference_reference, reference};
pub use tables::{BaseTables, DeviceIds, Indices};

/// The sum of the three embeddings of every token.
pub fn embedding(word: &Tensor, position: &Tensor, token_type: &Tensor, indices: &Indices) -> Result<Tensor> {
    let tables = [word, position, token_type];
    match apply(tables, None, indices)? {
        Some(sum) => Ok(sum),
        None => reference(word, position, token_type, indices),
    }
}

/// The same where `word` and `position` are differences from `base`: equal to the bit to the embeddings of
/// the sums.
pub fn difference_embedding(
    base: &BaseTables,
    word: &Tensor,
    position: &Tensor,
    token_type: &Tensor,
    indices: &Indices,
) -> Result<Tensor> {
    if base.word.shape() != word.shape() || base.position.shape() != position.shape() {
        bail!(
            "the base tables have shapes {:?} and {:?}, but the differences have {:?} and {:?}",
            base.word.dims(),
            base.position.dims(),
            word.dims(),
            position.dims()
        );
    }
    match apply([word, position, token_type], Some(base), indices)? {
        Some(sum) => Ok(sum),
        None => difference_reference(base, word, position, token_type, indices),
    }
}

/// The fused operation, or None where the reference has to run.
fn apply(tables: [&Tensor; 3], base: Option<&BaseTables>, indices: &Indices) -> Result<Option<Tensor>> {
    indices.check(tables)?;
    let [word, position, token_type] = tables;
    if CudaBackend::of(word)?.is_none() {
        indices.check_on_host()?;
    }
    if !fused(word) {
        return Ok(None);
    }
    let op = Embedding { indices: indices.clone(), base: base.cloned() };
    word.contiguous()?.apply_op3(&position.contiguous()?, &token_type.contiguous()?, op).map(Some)
}

struct Embedding {
    indices: Indices,
    base: Option<BaseTables>,
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
        token_type: &CpuStorage,
        token_type_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = word_layout.shape().dims2()?;
        let tables = [
            host::slice(word, word_layout)?,
            host::slice(position, position_layout)?,
            host::slice(token_type, token_type_layout)?,
        ];
        let out = match &self.base {
            None => cpu::forward(tables, None, &self.indices, width),
            Some(base) => host::with(&base.word, |word| {
                host::with(&base.position, |position| {
                    Ok(cpu::forward(tables, Some([word, position]), &self.indices, width))
                })
            })?,
        };
        Ok((CpuStorage::F32(out), Shape::from((self.indices.input_ids.len(), width))))
    }

    fn cuda_fwd(
        &self,
        word: &CudaStorage,
        word_layout: &Layout,
        position: &CudaStorage,
        position_layout: &Layout,
        token_type: &CudaStorage,
        token_type_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let tables = [(word, word_layout), (position, position_layout), (token_type, token_type_layout)];
        cuda::forward(tables, self.base.as_ref(), &self.indices)
    }

    fn bwd(
        &self,
        word: &Tensor,
        position: &Tensor,
        token_type: &Tensor,
        _sum: &Tensor,
        grad: &Tensor,
    ) -> Result<InputGrads> {
        let tables = [word, position, token_type];
        if let Some(backend) = CudaBackend::of(word)? {
            return cuda::backward(&backend, tables, &self.indices, grad);
        }
        host::with(grad, |grad| cpu::backward(tables, &self.indices, grad))
    }
}

#[cfg(test)]
mod tests;
