//! Self-attention within the sequences of a ragged batch, and its gradients.

use candle_core::Result;

use super::Machine;
use super::launch::{Address, Dropout, Heads, Launch, arguments};
use crate::ops::attention::{Numbers, Reach};
use crate::ops::dropout::DropoutKey;

/// Rows of a block's tile (`attention.cu`).
const TILE: usize = 32;
/// Threads of a block.
const THREADS: u32 = 128;
/// Features that a head may have.
pub const WIDEST_HEAD: usize = 64;

/// The sequences, cut into tiles, their heads and dropout site.
pub struct Plan<W> {
    tiles: W,
    n_tiles: usize,
    heads: Heads,
    dropout: Dropout,
    n: usize,
}

/// What an attention computes with.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// First token of each sequence and, last, N.
    pub offsets: &'a [usize],
    /// Attention heads.
    pub heads: usize,
    /// Features of each, at most [`WIDEST_HEAD`].
    pub width: usize,
    /// What a token sees.
    pub reach: Reach,
    /// Of the probabilities.
    pub key: Option<DropoutKey>,
}

impl<W> Plan<W> {
    /// The tiles of a batch of `n` tokens, in the machine's memory.
    pub fn new<M: Machine<Words = W>>(machine: &M, shape: Shape<'_>, n: usize) -> Result<Self> {
        let Shape { offsets, heads, width, reach, key } = shape;
        if width > WIDEST_HEAD {
            candle_core::bail!(
                "the attention kernels take heads of {WIDEST_HEAD} features at most, not {width}"
            );
        }
        let end = offsets.last().copied().unwrap_or(0);
        if end != n {
            candle_core::bail!("sequences end at token {end} of {n}");
        }
        let mut tiles = Vec::new();
        for bounds in offsets.windows(2) {
            let len = bounds[1] - bounds[0];
            for first in (0..len).step_by(TILE) {
                tiles.extend([bounds[0] as u32, len as u32, first as u32]);
            }
        }
        let reach = match reach {
            Reach::Everything => 0,
            Reach::Before => 1,
            Reach::Behind => 2,
        };
        let scale = 1.0 / (width as f32).sqrt();
        let longest = Numbers::new(offsets, heads, key).longest();
        let dropout = Dropout::new(key, heads * longest);
        let heads = Heads { count: heads as u32, width: width as u32, longest: longest as u32, reach, scale };
        Ok(Self { n_tiles: tiles.len() / 3, tiles: machine.words(&tiles)?, heads, dropout, n })
    }

    /// A kernel of either size, over all tiles and heads.
    fn launch<'a>(
        &self,
        kernels: [&'static str; 2],
        arguments: Vec<super::launch::Argument<'a>>,
    ) -> Launch<'a> {
        let kernel = kernels[usize::from(self.heads.width > 32)];
        Launch { kernel, grid: [self.n_tiles as u32, self.heads.count], block: THREADS, arguments }
    }

    fn rows(&self) -> usize {
        self.n * self.heads.count as usize
    }

    /// H.
    pub fn hidden(&self) -> usize {
        (self.heads.count * self.heads.width) as usize
    }
}

/// Writes the output over `output` [N, H]; returns log Σ exp of every token's and head's scores, [N, heads].
pub fn forward<M: Machine>(
    machine: &M,
    plan: &Plan<M::Words>,
    qkv: Address<'_>,
    output: Address<'_>,
) -> Result<M::Floats> {
    let log_sums = machine.room(plan.rows())?;
    let tiles = machine.at_words(&plan.tiles);
    let arguments = arguments![qkv, tiles, output, machine.at(&log_sums), plan.heads, plan.dropout];
    let launch = plan.launch(["attention_forward_32", "attention_forward_64"], arguments);
    if plan.n_tiles > 0 {
        // SAFETY: the tiles cover the N tokens of qkv and output, and the log-sums were made for them.
        unsafe { machine.launch(launch)? };
    }
    Ok(log_sums)
}

/// What the forward pass leaves.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// [N, 3H].
    pub qkv: Address<'a>,
    /// [N, H].
    pub output: Address<'a>,
    /// [N, heads].
    pub log_sums: Address<'a>,
}

/// Writes the gradient of qkv over `d_qkv` [N, 3H], from that of the output, `grad` [N, H].
pub fn backward<M: Machine>(
    machine: &M,
    plan: &Plan<M::Words>,
    seen: Seen<'_>,
    grad: Address<'_>,
    d_qkv: Address<'_>,
) -> Result<()> {
    if plan.n_tiles == 0 {
        return Ok(());
    }
    let Seen { qkv, output, log_sums } = seen;
    let along = machine.room(plan.rows())?;
    let (rows, along) = (plan.rows(), machine.at(&along));
    let arguments = arguments![output, grad, along, rows as u32, plan.heads.width];
    // SAFETY: output and grad have a row of `width` numbers for each of the N tokens' heads.
    unsafe { machine.launch(Launch::warps("attention_along", rows, arguments))? };
    let tiles = machine.at_words(&plan.tiles);
    for kernels in
        [["attention_queries_32", "attention_queries_64"], ["attention_keys_32", "attention_keys_64"]]
    {
        let arguments = arguments![qkv, tiles, grad, log_sums, along, d_qkv, plan.heads, plan.dropout];
        // SAFETY: the tiles cover the N tokens of all of these.
        unsafe { machine.launch(plan.launch(kernels, arguments))? };
    }
    Ok(())
}
