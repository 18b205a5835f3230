//! Self-attention within the sequences of a ragged batch, and its gradients.

use std::sync::Arc;

use candle_core::Result;

use super::Machine;
use super::launch::{Address, Argument, Dropout, Heads, Launch, arguments};
use crate::ops::Precision;
use crate::ops::attention::Reach;
use crate::ops::dropout::DropoutKey;

/// Rows of a block's tile (`attention.cu`, and `attention_bf16.cu`).
const ROWS: [usize; 2] = [32, 64];
/// Kernels in f32 and with rounded factors, each for narrow and for wide heads.
const FORWARD: [[&str; 2]; 2] = [
    ["attention_forward_32", "attention_forward_64"],
    ["attention_forward_bf16_32", "attention_forward_bf16_64"],
];
const QUERIES: [[&str; 2]; 2] = [
    ["attention_queries_32", "attention_queries_64"],
    ["attention_queries_bf16_32", "attention_queries_bf16_64"],
];
const KEYS: [[&str; 2]; 2] =
    [["attention_keys_32", "attention_keys_64"], ["attention_keys_bf16_32", "attention_keys_bf16_64"]];
/// Threads of a block.
const THREADS: u32 = 128;
/// Features that a head may have.
pub const WIDEST_HEAD: usize = 64;

/// The sequences of a batch, cut into tiles of either size: the same for all of a network's layers.
pub struct Tiles<W> {
    of: [(W, usize); 2],
    n_tokens: usize,
    longest: usize,
}

/// Tiles, their heads and dropout site.
pub struct Plan<W> {
    tiles: Arc<Tiles<W>>,
    heads: Heads,
    dropout: Dropout,
    /// Whether the factors of products are rounded to bfloat16.
    rounds: bool,
}

/// What an attention computes with.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Attention heads.
    pub heads: usize,
    /// Features of each, at most [`WIDEST_HEAD`].
    pub width: usize,
    /// What a token sees.
    pub reach: Reach,
    /// Of the probabilities.
    pub key: Option<DropoutKey>,
    /// Of the factors of products: anything but bf16 leaves them as they are.
    pub precision: Precision,
}

impl<W> Tiles<W> {
    /// Of sequences with these offsets: the first token of each and, last, their end. In the machine's memory.
    pub fn new<M: Machine<Words = W>>(machine: &M, offsets: &[usize]) -> Result<Self> {
        let of_rows = |rows: usize| -> Result<(W, usize)> {
            let mut tiles = Vec::new();
            for bounds in offsets.windows(2) {
                let len = bounds[1] - bounds[0];
                for first in (0..len).step_by(rows) {
                    tiles.extend([bounds[0] as u32, len as u32, first as u32]);
                }
            }
            Ok((machine.words(&tiles)?, tiles.len() / 3))
        };
        let [few, many] = ROWS;
        let n_tokens = offsets.last().copied().unwrap_or(0);
        let longest = offsets.windows(2).map(|bounds| bounds[1] - bounds[0]).max().unwrap_or(0);
        Ok(Self { of: [of_rows(few)?, of_rows(many)?], n_tokens, longest })
    }
}

impl<W> Plan<W> {
    /// Of a batch of `n` tokens.
    pub fn new(tiles: Arc<Tiles<W>>, shape: Shape, n: usize) -> Result<Self> {
        let Shape { heads, width, reach, key, precision } = shape;
        if width > WIDEST_HEAD {
            candle_core::bail!(
                "the attention kernels take heads of {WIDEST_HEAD} features at most, not {width}"
            );
        }
        if tiles.n_tokens != n {
            candle_core::bail!("sequences end at token {} of {n}", tiles.n_tokens);
        }
        let reach = match reach {
            Reach::Everything => 0,
            Reach::Before => 1,
            Reach::Behind => 2,
        };
        let scale = 1.0 / (width as f32).sqrt();
        // As `ops/attention.rs` numbers the probabilities.
        let longest = tiles.longest.max(key.map_or(0, |key| key.place.longest));
        let dropout = Dropout::new(key, heads * longest);
        let heads = Heads { count: heads as u32, width: width as u32, longest: longest as u32, reach, scale };
        Ok(Self { tiles, heads, dropout, rounds: precision == Precision::Bf16 })
    }

    fn tiles(&self) -> (&W, usize) {
        let (words, n) = &self.tiles.of[usize::from(self.rounds)];
        (words, *n)
    }

    /// A kernel of either width, in f32 and with rounded factors, over all tiles and heads.
    fn launch<'a>(&self, kernels: [[&'static str; 2]; 2], arguments: Vec<Argument<'a>>) -> Launch<'a> {
        let kernel = kernels[usize::from(self.rounds)][usize::from(self.heads.width > 32)];
        Launch { kernel, grid: [self.tiles().1 as u32, self.heads.count], block: THREADS, arguments }
    }

    fn rows(&self) -> usize {
        self.tiles.n_tokens * self.heads.count as usize
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
    let (tiles, n) = plan.tiles();
    let tiles = machine.at_words(tiles);
    let arguments = arguments![qkv, tiles, output, machine.at(&log_sums), plan.heads, plan.dropout];
    let launch = plan.launch(FORWARD, arguments);
    if n > 0 {
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
    let (tiles, n) = plan.tiles();
    if n == 0 {
        return Ok(());
    }
    let Seen { qkv, output, log_sums } = seen;
    let along = machine.room(plan.rows())?;
    let (rows, along) = (plan.rows(), machine.at(&along));
    let arguments = arguments![output, grad, along, rows as u32, plan.heads.width];
    // SAFETY: output and grad have a row of `width` numbers for each of the N tokens' heads.
    unsafe { machine.launch(Launch::warps("attention_along", rows, arguments))? };
    let tiles = machine.at_words(tiles);
    for kernels in [QUERIES, KEYS] {
        let arguments = arguments![qkv, tiles, grad, log_sums, along, d_qkv, plan.heads, plan.dropout];
        // SAFETY: the tiles cover the N tokens of all of these.
        unsafe { machine.launch(plan.launch(kernels, arguments))? };
    }
    Ok(())
}
