//! Attention on a CUDA device.
//!
//! The kernels exist for narrow and wide heads, and in f32 and with factors rounded to bfloat16; all have the
//! same parameters.

use std::cell::RefCell;
use std::sync::Arc;

use candle_core::{CudaStorage, Layout, Result, Shape, Tensor, bail};

use super::config::{AttentionConfig, AttentionMask, longest};
use crate::ops::backend::{
    Backend, COMMON, Call, CudaBackend, CudaType, DevicePtr, DeviceRepr, kernels, storage_ptr, with_ptrs,
};
use crate::ops::dropout::cuda::{DROPOUT, DropoutSite};
use crate::precision::Precision;

kernels! {
    "attention": [
        COMMON,
        DROPOUT,
        ("attention/kernel.cu", include_str!("kernel.cu")),
        ("attention/kernel_bf16.cu", include_str!("kernel_bf16.cu")),
    ];
    fn attention_forward_32(
        qkv: [f32], tiles: [u32], output: [mut f32], log_sums: [mut f32], h: Heads, dropout: DropoutSite,
    );
    fn attention_forward_64(
        qkv: [f32], tiles: [u32], output: [mut f32], log_sums: [mut f32], h: Heads, dropout: DropoutSite,
    );
    fn attention_forward_bf16_32(
        qkv: [f32], tiles: [u32], output: [mut f32], log_sums: [mut f32], h: Heads, dropout: DropoutSite,
    );
    fn attention_forward_bf16_64(
        qkv: [f32], tiles: [u32], output: [mut f32], log_sums: [mut f32], h: Heads, dropout: DropoutSite,
    );
    fn attention_along(output: [f32], grad: [f32], along: [mut f32], rows: u32, width: u32);
    fn attention_queries_32(
        qkv: [f32], tiles: [u32], grad: [f32], log_sums: [f32], along: [f32], d_qkv: [mut f32], h: Heads,
        dropout: DropoutSite,
    );
    fn attention_queries_64(
        qkv: [f32], tiles: [u32], grad: [f32], log_sums: [f32], along: [f32], d_qkv: [mut f32], h: Heads,
        dropout: DropoutSite,
    );
    fn attention_queries_bf16_32(
        qkv: [f32], tiles: [u32], grad: [f32], log_sums: [f32], along: [f32], d_qkv: [mut f32], h: Heads,
        dropout: DropoutSite,
    );
    fn attention_queries_bf16_64(
        qkv: [f32], tiles: [u32], grad: [f32], log_sums: [f32], along: [f32], d_qkv: [mut f32], h: Heads,
        dropout: DropoutSite,
    );
    fn attention_keys_32(
        qkv: [f32], tiles: [u32], grad: [f32], log_sums: [f32], along: [f32], d_qkv: [mut f32], h: Heads,
        dropout: DropoutSite,
    );
    fn attention_keys_64(
        qkv: [f32], tiles: [u32], grad: [f32], log_sums: [f32], along: [f32], d_qkv: [mut f32], h: Heads,
        dropout: DropoutSite,
    );
    fn attention_keys_bf16_32(
        qkv: [f32], tiles: [u32], grad: [f32], log_sums: [f32], along: [f32], d_qkv: [mut f32], h: Heads,
        dropout: DropoutSite,
    );
    fn attention_keys_bf16_64(
        qkv: [f32], tiles: [u32], grad: [f32], log_sums: [f32], along: [f32], d_qkv: [mut f32], h: Heads,
        dropout: DropoutSite,
    );
}

/// A forward kernel: qkv, tiles, output, log-sums, heads, dropout.
type ForwardKernel = for<'a> fn(
    DevicePtr<'a, f32>,
    DevicePtr<'a, u32>,
    DevicePtr<'a, f32>,
    DevicePtr<'a, f32>,
    Heads,
    DropoutSite,
) -> Call<'a>;
/// A backward kernel: qkv, tiles, gradient, log-sums, along, gradient of qkv, heads, dropout.
type BackwardKernel = for<'a> fn(
    DevicePtr<'a, f32>,
    DevicePtr<'a, u32>,
    DevicePtr<'a, f32>,
    DevicePtr<'a, f32>,
    DevicePtr<'a, f32>,
    DevicePtr<'a, f32>,
    Heads,
    DropoutSite,
) -> Call<'a>;

/// The kernels of a pass: f32 and bfloat16, each for narrow and for wide heads.
type Variants<K> = [[K; 2]; 2];

const FORWARD: Variants<ForwardKernel> =
    [[attention_forward_32, attention_forward_64], [attention_forward_bf16_32, attention_forward_bf16_64]];
const QUERIES: Variants<BackwardKernel> =
    [[attention_queries_32, attention_queries_64], [attention_queries_bf16_32, attention_queries_bf16_64]];
const KEYS: Variants<BackwardKernel> =
    [[attention_keys_32, attention_keys_64], [attention_keys_bf16_32, attention_keys_bf16_64]];

/// Rows of a block's tile in f32 and in bfloat16 (`kernel.cu`, `kernel_bf16.cu`).
const TILE_ROWS: [usize; 2] = [32, 64];
/// Threads of a block.
const THREADS: u32 = 128;
/// Features that a head may have at most.
pub const WIDEST_HEAD: usize = 64;

/// The heads of an attention, as the kernels take them (`kernel.cu`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Heads {
    count: u32,
    /// Features of each.
    width: u32,
    /// Tokens of the longest sequence: numbers the probabilities for dropout.
    longest: u32,
    /// 0 full, 1 causal, 2 reverse causal.
    mask: u32,
    /// 1 / √width.
    scale: f32,
}

// SAFETY: numbers.
unsafe impl DeviceRepr for Heads {}
// SAFETY: `struct Heads` of `kernel.cu` has the same fields.
unsafe impl CudaType for Heads {
    const NAME: &'static str = "Heads";
}

/// The sequences of a batch cut into tiles of both sizes: the same for all layers of a network.
pub struct Tiles<B: Backend> {
    /// The tiles in the device's memory and their number, by size.
    of: [(B::Buffer<u32>, usize); 2],
    n_tokens: usize,
    longest: usize,
}

impl<B: Backend> Tiles<B> {
    /// The tiles of sequences with these offsets: the first token of each and, last, N.
    pub fn new(backend: &B, offsets: &[usize]) -> Result<Self> {
        let of_rows = |rows: usize| -> Result<(B::Buffer<u32>, usize)> {
            let mut tiles = Vec::new();
            for bounds in offsets.windows(2) {
                let len = bounds[1] - bounds[0];
                for first in (0..len).step_by(rows) {
                    tiles.extend([bounds[0] as u32, len as u32, first as u32]);
                }
            }
            Ok((backend.upload(&tiles)?, tiles.len() / 3))
        };
        let [few, many] = TILE_ROWS;
        let n_tokens = offsets.last().copied().unwrap_or(0);
        Ok(Self { of: [of_rows(few)?, of_rows(many)?], n_tokens, longest: longest(offsets) })
    }
}

/// An attention prepared for the kernels.
pub struct TiledAttention<B: Backend> {
    tiles: Arc<Tiles<B>>,
    heads: Heads,
    dropout: DropoutSite,
    /// Whether the factors of products are rounded to bfloat16.
    bf16: bool,
}

impl<B: Backend> TiledAttention<B> {
    /// An attention of heads with `width` features over `n` tokens. Any precision but bf16 leaves the factors
    /// as they are.
    ///
    /// # Errors
    /// The heads are too wide, or the tiles are those of another number of tokens.
    pub fn new(
        tiles: Arc<Tiles<B>>,
        config: &AttentionConfig,
        [n, width]: [usize; 2],
        precision: Precision,
    ) -> Result<Self> {
        let AttentionConfig { heads, mask, key, .. } = *config;
        if width > WIDEST_HEAD {
            bail!("the attention kernels take heads of at most {WIDEST_HEAD} features, not {width}");
        }
        if tiles.n_tokens != n {
            bail!("the sequences end at token {}, but there are {n} tokens", tiles.n_tokens);
        }
        let mask = match mask {
            AttentionMask::Full => 0,
            AttentionMask::Causal => 1,
            AttentionMask::ReverseCausal => 2,
        };
        let scale = 1.0 / (width as f32).sqrt();
        // As `ProbabilityNumbers` numbers the probabilities.
        let longest = tiles.longest.max(key.map_or(0, |key| key.offset.longest));
        let dropout = DropoutSite::new(key, heads * longest);
        let heads = Heads { count: heads as u32, width: width as u32, longest: longest as u32, mask, scale };
        Ok(Self { tiles, heads, dropout, bf16: precision == Precision::Bf16 })
    }

    fn tiles(&self) -> (&B::Buffer<u32>, usize) {
        let (tiles, n) = &self.tiles.of[usize::from(self.bf16)];
        (tiles, *n)
    }

    /// The kernel for these heads and this precision.
    fn choose<K: Copy>(&self, variants: Variants<K>) -> K {
        variants[usize::from(self.bf16)][usize::from(self.heads.width > 32)]
    }

    /// Blocks along x and y: one per tile and head.
    fn grid(&self) -> [u32; 2] {
        [self.tiles().1 as u32, self.heads.count]
    }

    fn rows(&self) -> usize {
        self.tiles.n_tokens * self.heads.count as usize
    }
}

/// Writes the output over `output` `[N, H]`; returns log Σ exp of the scores of every token and head,
/// `[N, heads]`.
pub fn attention<B: Backend>(
    backend: &B,
    tiled: &TiledAttention<B>,
    qkv: DevicePtr<'_, f32>,
    output: DevicePtr<'_, f32>,
) -> Result<B::Buffer<f32>> {
    let log_sums = backend.alloc(tiled.rows())?;
    let (tiles, n) = tiled.tiles();
    if n > 0 {
        let kernel = tiled.choose(FORWARD);
        let (tiles, at_log_sums) = (backend.ptr(tiles), backend.ptr(&log_sums));
        let call = kernel(qkv, tiles, output, at_log_sums, tiled.heads, tiled.dropout);
        // SAFETY: the tiles cover the N tokens of qkv and output, and the log-sums were allocated for them.
        unsafe { backend.launch(call.grid(tiled.grid(), THREADS))? };
    }
    Ok(log_sums)
}

/// What the backward pass reads of the forward pass.
#[derive(Clone, Copy)]
pub struct AttentionActivations<'a> {
    /// `[N, 3H]`.
    pub qkv: DevicePtr<'a, f32>,
    /// `[N, H]`.
    pub output: DevicePtr<'a, f32>,
    /// [N, heads].
    pub log_sums: DevicePtr<'a, f32>,
}

/// Writes the gradient of qkv over `d_qkv` `[N, 3H]`, from that of the output, `grad` `[N, H]`.
pub fn attention_grad<B: Backend>(
    backend: &B,
    tiled: &TiledAttention<B>,
    activations: AttentionActivations<'_>,
    grad: DevicePtr<'_, f32>,
    d_qkv: DevicePtr<'_, f32>,
) -> Result<()> {
    let (tiles, n) = tiled.tiles();
    if n == 0 {
        return Ok(());
    }
    let AttentionActivations { qkv, output, log_sums } = activations;
    let rows = tiled.rows();
    let along = backend.alloc(rows)?;
    let along = backend.ptr(&along);
    // SAFETY: output and grad have a row of `width` numbers for each head of the N tokens.
    unsafe {
        let call = attention_along(output, grad, along, rows as u32, tiled.heads.width);
        backend.launch(call.warps(rows))?;
    }
    let tiles = backend.ptr(tiles);
    for variants in [QUERIES, KEYS] {
        let kernel = tiled.choose(variants);
        let call = kernel(qkv, tiles, grad, log_sums, along, d_qkv, tiled.heads, tiled.dropout);
        // SAFETY: the tiles cover the N tokens of all of these.
        unsafe { backend.launch(call.grid(tiled.grid(), THREADS))? };
    }
    Ok(())
}

/// Tiles, and where they come from.
struct CachedTiles {
    device: usize,
    offsets: Arc<[usize]>,
    tiles: Arc<Tiles<CudaBackend>>,
}

thread_local! {
    /// The last tiles made on this thread, which has a device and a stream of its own.
    static LAST: RefCell<Option<CachedTiles>> = const { RefCell::new(None) };
}

/// The tiles of sequences with these offsets: those of the last layer, where it had the same.
pub fn tiles(backend: &CudaBackend, offsets: &Arc<[usize]>) -> Result<Arc<Tiles<CudaBackend>>> {
    LAST.with_borrow_mut(|last| match last {
        Some(cached) if cached.device == backend.index() && Arc::ptr_eq(&cached.offsets, offsets) => {
            Ok(cached.tiles.clone())
        }
        _ => {
            let tiles = Arc::new(Tiles::new(backend, offsets)?);
            *last =
                Some(CachedTiles { device: backend.index(), offsets: offsets.clone(), tiles: tiles.clone() });
            Ok(tiles)
        }
    })
}

/// What the forward pass leaves for the backward pass.
pub struct Forward<B: Backend> {
    tiled: TiledAttention<B>,
    log_sums: B::Buffer<f32>,
}

/// Attention of a tensor.
pub fn forward(
    config: &AttentionConfig,
    qkv: &CudaStorage,
    layout: &Layout,
) -> Result<(CudaStorage, Shape, Forward<CudaBackend>)> {
    let backend = CudaBackend::of_storage(qkv)?;
    let (n, width) = layout.shape().dims2()?;
    let hidden = width / 3;
    let tiles = tiles(&backend, &config.offsets)?;
    let tiled = TiledAttention::new(tiles, config, [n, hidden / config.heads], Precision::F32)?;
    let output = backend.alloc(n * hidden)?;
    let log_sums = attention(&backend, &tiled, storage_ptr(qkv, layout)?, backend.ptr(&output))?;
    Ok((backend.storage(output), Shape::from((n, hidden)), Forward { tiled, log_sums }))
}

/// The gradient of qkv.
pub fn backward(
    backend: &CudaBackend,
    forward: &Forward<CudaBackend>,
    qkv: &Tensor,
    output: &Tensor,
    grad: &Tensor,
) -> Result<Tensor> {
    let d_qkv = backend.alloc(qkv.elem_count())?;
    with_ptrs([qkv, output, &grad.contiguous()?], |[qkv, output, grad]| {
        let activations = AttentionActivations { qkv, output, log_sums: backend.ptr(&forward.log_sums) };
        attention_grad(backend, &forward.tiled, activations, grad, backend.ptr(&d_qkv))
    })?;
    Ok(backend.tensor(d_qkv, qkv.shape()))
}
