//! The sum of word, position and type embeddings, and chosen rows of a tensor.

use std::sync::Arc;

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::super::cuda::{Gpu, at, with, with_words};
use super::super::embedding::{self, Runs, Tables};
use super::super::launch::Address;
use super::super::machine::Machine;
use super::three::{self, Gradients, Input, Kernels};
use super::{elsewhere, expect};
use crate::ops::embedding::{Base, Drawn, Indices};
use crate::ops::gradients::deposit_tensor;

/// As `ops::embedding::embedding` and, with a base, `difference_embedding`.
pub fn embed(tables: [&Tensor; 3], base: Option<&Base>, indices: &Indices) -> Result<Tensor> {
    three::apply(tables, Embedding { indices: indices.clone(), base: base.cloned() })
}

/// Chosen rows of x [N, H] → [M, H].
pub fn gather(x: &Tensor, rows: &Arc<[u32]>) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Gather(rows.clone()))
}

/// Adds `grad` [N, W] to rows of the gradient of `table` [R, W]; what has no place is returned. Of the rows that were `drawn` the device
/// knows.
fn hand_rows_over(
    gpu: &Gpu,
    table: &Tensor,
    (rows, drawn): (&[u32], Option<&Drawn>),
    grad: &Tensor,
) -> Result<Option<Tensor>> {
    let (n_rows, width) = table.dims2()?;
    let places = drawn.map_or(&[][..], |drawn| &drawn.places);
    let runs = Runs::new(rows, n_rows, places);
    deposit_tensor(table, |before| {
        let sums = match before {
            Some(before) => before.clone(),
            None => gpu.tensor(gpu.zeros(table.elem_count())?, table.shape()),
        };
        // The place holds the only copy of what it holds, so it may be added to.
        with([grad, &sums], |[grad, sums]| {
            embedding::add_rows(gpu, grad, &runs, sums, width)?;
            let Some(drawn) = drawn else { return Ok(()) };
            let places = gpu.words(places)?;
            with_words(&drawn.now, |now| {
                let drawn = embedding::Drawn { now, places: gpu.at_words(&places), n: drawn.places.len() };
                embedding::add_drawn(gpu, grad, drawn, sums, width)
            })
        })?;
        Ok(sums)
    })
}

struct Embedding {
    indices: Indices,
    base: Option<Base>,
}

impl Kernels for Embedding {
    const NAME: &'static str = "embedding-cuda";

    fn forward(
        &self,
        gpu: &Gpu,
        [(word, word_shape), (position, position_shape), (kind, kind_shape)]: [Input<'_>; 3],
    ) -> Result<(<Gpu as Machine>::Floats, Shape)> {
        let (_, width) = word_shape.dims2()?;
        let Indices { words, positions, kinds, drawn } = &self.indices;
        let n = words.len();
        if positions.len() != n || kinds.len() != n {
            candle_core::bail!("{n} tokens have {} positions and {} types", positions.len(), kinds.len());
        }
        for shape in [position_shape, kind_shape] {
            expect("an embedding table", shape, &[shape.dims()[0], width])?;
        }
        let tables = Tables { word, position, kind, base: [Address::NULL; 2], width };
        let rows = [gpu.words(positions)?, gpu.words(kinds)?];
        let out = gpu.room(n * width)?;
        let run = |words: Address<'_>| {
            let at_rows = [words, gpu.at_words(&rows[0]), gpu.at_words(&rows[1])];
            match &self.base {
                None => embedding::embed(gpu, tables, at_rows, gpu.at(&out), n),
                Some(base) => with(base.tables(), |base| {
                    embedding::embed(gpu, Tables { base, ..tables }, at_rows, gpu.at(&out), n)
                }),
            }
        };
        match drawn {
            None => run(gpu.at_words(&gpu.words(words)?))?,
            Some(drawn) if drawn.now.dims() == [n] => with_words(&drawn.now, run)?,
            Some(drawn) => candle_core::bail!("{:?} drawn words of {n} tokens", drawn.now.dims()),
        }
        Ok((out, Shape::from((n, width))))
    }

    fn backward(&self, [word, position, kind]: [&Tensor; 3], grad: &Tensor) -> Result<Gradients> {
        let gpu = Gpu::of_tensor(word)?;
        let Indices { words, positions, kinds, drawn } = &self.indices;
        Ok((
            hand_rows_over(&gpu, word, (words, drawn.as_ref()), grad)?,
            hand_rows_over(&gpu, position, (positions, None), grad)?,
            hand_rows_over(&gpu, kind, (kinds, None), grad)?,
        ))
    }
}

struct Gather(Arc<[u32]>);

impl CustomOp1 for Gather {
    fn name(&self) -> &'static str {
        "gather-cuda"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        elsewhere(self.name())
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (gpu, (_, width)) = (Gpu::of(x), layout.shape().dims2()?);
        let (rows, n) = (gpu.words(&self.0)?, self.0.len());
        let out = gpu.room(n * width)?;
        embedding::gather(&gpu, at(x, layout)?, gpu.at_words(&rows), gpu.at(&out), [n, width])?;
        Ok((gpu.storage(out), Shape::from((n, width))))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (gpu, width) = (Gpu::of_tensor(x)?, x.dim(1)?);
        let dx = gpu.zeros(x.elem_count())?;
        with([&grad.contiguous()?], |[grad]| {
            embedding::add_rows(&gpu, grad, &Runs::new(&self.0, x.dim(0)?, &[]), gpu.at(&dx), width)
        })?;
        Ok(Some(gpu.tensor(dx, x.shape())))
    }
}
