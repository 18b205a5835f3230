//! Self-attention within the sequences of a ragged batch.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::super::attention::{self, Plan, Seen, Tiles};
use super::super::cuda::{Gpu, at, with};
use super::super::machine::Machine;
use super::elsewhere;
use crate::ops::Precision;
use crate::ops::attention::Reach;
use crate::ops::dropout::DropoutKey;

/// As `ops::attention::attention`, of heads of [`attention::WIDEST_HEAD`] features at most.
pub fn attention(
    qkv: &Tensor,
    offsets: &Arc<[usize]>,
    heads: usize,
    reach: Reach,
    key: Option<DropoutKey>,
) -> Result<Tensor> {
    let key = key.filter(|key| !key.is_off());
    let op = Attention { offsets: offsets.clone(), heads, reach, key, kept: Mutex::new(None) };
    qkv.contiguous()?.apply_op1(op)
}

type GpuTiles = Arc<Tiles<<Gpu as Machine>::Words>>;

/// Tiles, and of what they were made.
struct Made {
    device: usize,
    offsets: Arc<[usize]>,
    tiles: GpuTiles,
}

thread_local! {
    /// The last ones made on this thread. The device and its stream are the thread's own.
    static LAST: RefCell<Option<Made>> = const { RefCell::new(None) };
}

/// The tiles of sequences with these offsets: those of the last layer, where it had the same.
pub fn tiles(gpu: &Gpu, offsets: &Arc<[usize]>) -> Result<GpuTiles> {
    LAST.with_borrow_mut(|last| match last {
        Some(made) if made.device == gpu.number() && Arc::ptr_eq(&made.offsets, offsets) => {
            Ok(made.tiles.clone())
        }
        _ => {
            let tiles = Arc::new(Tiles::new(gpu, offsets)?);
            *last = Some(Made { device: gpu.number(), offsets: offsets.clone(), tiles: tiles.clone() });
            Ok(tiles)
        }
    })
}

struct Attention {
    offsets: Arc<[usize]>,
    heads: usize,
    reach: Reach,
    key: Option<DropoutKey>,
    /// The tiles and the log-sums, for the backward pass.
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    plan: Plan<<Gpu as Machine>::Words>,
    log_sums: <Gpu as Machine>::Floats,
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention-cuda"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        elsewhere(self.name())
    }

    fn cuda_fwd(&self, qkv: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let gpu = Gpu::of(qkv);
        let (n, width) = layout.shape().dims2()?;
        let hidden = width / 3;
        let shape = attention::Shape {
            heads: self.heads,
            width: hidden / self.heads,
            reach: self.reach,
            key: self.key,
            precision: Precision::F32,
        };
        let plan = Plan::new(tiles(&gpu, &self.offsets)?, shape, n)?;
        let output = gpu.room(n * hidden)?;
        let qkv = at(qkv, layout)?;
        let log_sums = attention::forward(&gpu, &plan, qkv, gpu.at(&output))?;
        match self.kept.lock() {
            Ok(mut kept) => *kept = Some(Kept { plan, log_sums }),
            Err(_) => bail!("another thread failed inside an attention"),
        }
        Ok((gpu.storage(output), Shape::from((n, hidden))))
    }

    fn bwd(&self, qkv: &Tensor, output: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let gpu = Gpu::of_tensor(qkv)?;
        let Ok(kept) = self.kept.lock() else { bail!("another thread failed inside an attention") };
        let Some(Kept { plan, log_sums }) = &*kept else {
            bail!("an attention's backward pass came before its forward pass")
        };
        let d_qkv = gpu.room(qkv.elem_count())?;
        with([qkv, output, &grad.contiguous()?], |[qkv, output, grad]| {
            let seen = Seen { qkv, output, log_sums: gpu.at(log_sums) };
            attention::backward(&gpu, plan, seen, grad, gpu.at(&d_qkv))
        })?;
        Ok(Some(gpu.tensor(d_qkv, qkv.shape())))
    }
}
