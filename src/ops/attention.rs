//! Multi-head self-attention within each sequence of a ragged batch.
//!
//! qkv [N, 3H] (queries, keys and values of all heads side by side) → [N, H]. Per sequence and head, with
//! d = H / heads: P = softmax(Q·Kᵀ / √d), output = dropout(P) · V. Tokens see their own sequence only, all of it or
//! what lies on one side ([`Reach`]), so there is no padding and no mask. Probabilities are recomputed in the
//! backward pass, never stored.
//! Cost: 4·T²·H FLOPs a sequence of T tokens forward, 10·T²·H backward; what is out of reach is multiplied and thrown away.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::dropout::DropoutKey;
use super::matmul::{Target, View, multiply_into};
use super::{fused, host, vector};

/// Which tokens of its sequence a token sees; itself always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// All.
    #[default]
    Everything,
    /// Those before it: a model that reads from left to right.
    Before,
    /// Those behind it: from right to left.
    Behind,
}

impl Reach {
    /// What token `i` of `len` sees.
    fn keys(self, i: usize, len: usize) -> Range<usize> {
        match self {
            Self::Everything => 0..len,
            Self::Before => 0..i + 1,
            Self::Behind => i..len,
        }
    }
}

/// Attention of every sequence; `offsets` has the first token of each and, last, N.
pub fn attention(
    qkv: &Tensor,
    offsets: &Arc<[usize]>,
    heads: usize,
    reach: Reach,
    key: Option<DropoutKey>,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(qkv) && qkv.dim(1)? / 3 / heads <= super::gpu::attention::WIDEST_HEAD {
        return super::gpu::tensors::attention::attention(qkv, offsets, heads, reach, key);
    }
    if fused(qkv) {
        qkv.contiguous()?.apply_op1(Attention::new(offsets, heads, reach, key))
    } else {
        reference(qkv, offsets, heads, reach, key.filter(|key| !key.is_off()))
    }
}

/// The same from candle's primitives, one sequence and head after the other.
pub fn reference(
    qkv: &Tensor,
    offsets: &[usize],
    heads: usize,
    reach: Reach,
    key: Option<DropoutKey>,
) -> Result<Tensor> {
    let (_, width) = qkv.dims2()?;
    let (hidden, head) = (width / 3, width / 3 / heads);
    let numbers = Numbers::new(offsets, heads, key);
    let mut sequences = Vec::new();
    for bounds in offsets.windows(2) {
        let (start, len) = (bounds[0], bounds[1] - bounds[0]);
        let rows = qkv.narrow(0, start, len)?;
        let unseen = unseen(reach, len, qkv)?;
        let mut outputs = Vec::new();
        for h in 0..heads {
            let part = |which: usize| rows.narrow(1, which * hidden + h * head, head)?.contiguous();
            let mut scores = (part(0)?.matmul(&part(1)?.t()?)? * (1.0 / (head as f64).sqrt()))?;
            if let Some(unseen) = &unseen {
                scores = (scores + unseen)?;
            }
            let exps = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
            let mut probabilities = exps.broadcast_div(&exps.sum_keepdim(D::Minus1)?)?;
            if let Some(key) = &key {
                let mut mask = vec![0f32; len * len];
                for (i, row) in mask.chunks_exact_mut(len).enumerate() {
                    key.fill(numbers.first(start + i, h), row);
                }
                let mask = Tensor::from_vec(mask, (len, len), qkv.device())?.to_dtype(qkv.dtype())?;
                probabilities = (probabilities * mask)?;
            }
            outputs.push(probabilities.matmul(&part(2)?)?);
        }
        sequences.push(Tensor::cat(&outputs, 1)?);
    }
    Tensor::cat(&sequences, 0)
}

/// What takes the keys out of a sequence's scores [T, T] that its tokens do not see, where there are any.
fn unseen(reach: Reach, len: usize, like: &Tensor) -> Result<Option<Tensor>> {
    if reach == Reach::Everything {
        return Ok(None);
    }
    let score = |at: usize| if reach.keys(at / len, len).contains(&(at % len)) { 0.0 } else { OUT_OF_REACH };
    let scores: Vec<f32> = (0..len * len).map(score).collect();
    Ok(Some(Tensor::from_vec(scores, (len, len), like.device())?.to_dtype(like.dtype())?))
}

/// A score whose exponential is zero beside any other.
const OUT_OF_REACH: f32 = -1e9;

/// How dropout numbers the probabilities: as many a head of a token as the longest sequence of the batch has tokens.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    heads: usize,
    longest: usize,
    first_token: usize,
}

impl Numbers {
    /// Of sequences with these offsets.
    pub fn new(offsets: &[usize], heads: usize, key: Option<DropoutKey>) -> Self {
        let place = key.map(|key| key.place).unwrap_or_default();
        let lengths = offsets.windows(2).map(|bounds| bounds[1] - bounds[0]);
        let longest = lengths.max().unwrap_or(0).max(place.longest);
        Self { heads, longest, first_token: place.first_token }
    }

    /// That of the probability of token `token`'s head for its sequence's first key.
    fn first(self, token: usize, head: usize) -> usize {
        ((self.first_token + token) * self.heads + head) * self.longest
    }
}

/// The operation on slices; the encoder layer (`encoder_layer/`) runs it sequence by sequence.
pub(super) struct Attention {
    pub(super) offsets: Arc<[usize]>,
    heads: usize,
    reach: Reach,
    key: Option<DropoutKey>,
    numbers: Numbers,
}

/// Square matrices of one task, kept by each thread from task to task.
#[derive(Default)]
struct Scratch {
    probabilities: Vec<f32>,
    mask: Vec<f32>,
    gradient: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// One sequence and head of the batch.
struct Task<'a> {
    op: &'a Attention,
    qkv: &'a [f32],
    hidden: usize,
    /// The sequence's first token in the batch: addresses its dropout.
    start: usize,
    /// Its first row in the slices: less where they hold a part of the batch.
    row: usize,
    len: usize,
    head: usize,
}

impl<'a> Task<'a> {
    fn run(&self, body: &impl Fn(&Self, &mut Scratch)) {
        if self.len > 0 {
            SCRATCH.with_borrow_mut(|scratch| body(self, scratch));
        }
    }

    fn width(&self) -> usize {
        self.hidden / self.op.heads
    }

    /// First element of this head's queries (0), keys (1) or values (2).
    fn offset(&self, which: usize) -> usize {
        self.row * 3 * self.hidden + which * self.hidden + self.head * self.width()
    }

    fn part(&self, which: usize) -> View<'a> {
        View::strided(&self.qkv[self.offset(which)..], self.len, self.width(), 3 * self.hidden)
    }

    fn output_offset(&self) -> usize {
        self.row * self.hidden + self.head * self.width()
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width() as f32).sqrt()
    }

    /// Probabilities before dropout, and the dropout factors where there is dropout.
    fn probabilities(&self, scratch: &mut Scratch) {
        let len = self.len;
        scratch.probabilities.resize(len * len, 0.0);
        let target = Target::new(&mut scratch.probabilities, len);
        multiply_into(target, self.scale(), self.part(0), self.part(1).transposed(), false);
        vector::vectorized!(|| {
            for (i, row) in scratch.probabilities.chunks_exact_mut(len).enumerate() {
                let keys = self.op.reach.keys(i, len);
                softmax(&mut row[keys.clone()]);
                row[..keys.start].fill(0.0);
                row[keys.end..].fill(0.0);
            }
        });
        if let Some(key) = &self.op.key {
            scratch.mask.resize(len * len, 0.0);
            vector::vectorized!(|| {
                for (i, row) in scratch.mask.chunks_exact_mut(len).enumerate() {
                    key.fill(self.op.numbers.first(self.start + i, self.head), row);
                }
            });
        }
    }

    fn forward(&self, output: Target, scratch: &mut Scratch) {
        self.probabilities(scratch);
        if self.op.key.is_some() {
            vector::vectorized!(|| multiply_elements(&mut scratch.probabilities, &scratch.mask));
        }
        let probabilities = View::dense(&scratch.probabilities, self.len, self.len);
        multiply_into(output.at(self.output_offset()), 1.0, probabilities, self.part(2), false);
    }

    fn backward(&self, grad: &[f32], d_qkv: Target, scratch: &mut Scratch) {
        let len = self.len;
        self.probabilities(scratch);
        let Scratch { probabilities, mask, gradient } = scratch;
        gradient.resize(len * len, 0.0);
        let d_output = View::strided(&grad[self.output_offset()..], len, self.width(), self.hidden);
        // Gradient of the dropped-out probabilities, then of the probabilities.
        multiply_into(Target::new(gradient, len), 1.0, d_output, self.part(2).transposed(), false);
        if self.op.key.is_some() {
            vector::vectorized!(|| {
                multiply_elements(gradient, mask);
                multiply_elements(mask, probabilities);
            });
        }
        let dropped: &[f32] = if self.op.key.is_some() { mask } else { probabilities };
        let dropped = View::dense(dropped, len, len).transposed();
        multiply_into(d_qkv.at(self.offset(2)), 1.0, dropped, d_output, false);
        // Gradient of the scores: P ∘ (dP - Σ dP ∘ P).
        vector::vectorized!(|| {
            for (d, p) in gradient.chunks_exact_mut(len).zip(probabilities.chunks_exact(len)) {
                let along = vector::sum(len, |i| d[i] * p[i]);
                for (d, &p) in d.iter_mut().zip(p) {
                    *d = p * (*d - along);
                }
            }
        });
        let d_scores = View::dense(gradient, len, len);
        multiply_into(d_qkv.at(self.offset(0)), self.scale(), d_scores, self.part(1), false);
        multiply_into(d_qkv.at(self.offset(1)), self.scale(), d_scores.transposed(), self.part(0), false);
    }
}

#[inline(always)]
fn multiply_elements(values: &mut [f32], factors: &[f32]) {
    for (value, &factor) in values.iter_mut().zip(factors) {
        *value *= factor;
    }
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let max = vector::max(row);
    for value in row.iter_mut() {
        *value = vector::exp(*value - max);
    }
    let factor = 1.0 / vector::sum(row.len(), |i| row[i]);
    for value in row.iter_mut() {
        *value *= factor;
    }
}

impl Attention {
    pub(super) fn new(offsets: &Arc<[usize]>, heads: usize, reach: Reach, key: Option<DropoutKey>) -> Self {
        let key = key.filter(|key| !key.is_off());
        Self { offsets: offsets.clone(), heads, reach, key, numbers: Numbers::new(offsets, heads, key) }
    }

    /// Runs `body` on every (sequence, head), in parallel.
    fn each(&self, qkv: &[f32], hidden: usize, body: impl Fn(&Task<'_>, &mut Scratch) + Sync) {
        let tasks = (self.offsets.len() - 1) * self.heads;
        (0..tasks).into_par_iter().for_each(|index| self.task(qkv, hidden, 0, index).run(&body));
    }

    /// Runs `body` on every head of some sequences, on this thread; the slices begin with the first of them.
    fn some(
        &self,
        qkv: &[f32],
        hidden: usize,
        sequences: Range<usize>,
        body: impl Fn(&Task<'_>, &mut Scratch),
    ) {
        let first = self.offsets[sequences.start];
        for index in sequences.start * self.heads..sequences.end * self.heads {
            self.task(qkv, hidden, first, index).run(&body);
        }
    }

    /// Task number `index` of the batch, on slices that begin with token `first`.
    fn task<'a>(&'a self, qkv: &'a [f32], hidden: usize, first: usize, index: usize) -> Task<'a> {
        let (sequence, head) = (index / self.heads, index % self.heads);
        let start = self.offsets[sequence];
        let len = self.offsets[sequence + 1] - start;
        Task { op: self, qkv, hidden, start, row: start - first, len, head }
    }

    /// The output of some sequences, on this thread. `qkv` and `output` hold their rows only.
    pub(super) fn forward_sequences(
        &self,
        qkv: &[f32],
        output: &mut [f32],
        sequences: Range<usize>,
        hidden: usize,
    ) {
        let target = Target::new(output, hidden);
        self.some(qkv, hidden, sequences, |task, scratch| task.forward(target, scratch));
    }

    /// The gradients of queries, keys and values of some sequences, as in [`Self::forward_sequences`].
    pub(super) fn backward_sequences(
        &self,
        qkv: &[f32],
        grad: &[f32],
        d_qkv: &mut [f32],
        sequences: Range<usize>,
        hidden: usize,
    ) {
        let target = Target::new(d_qkv, 3 * hidden);
        self.some(qkv, hidden, sequences, |task, scratch| task.backward(grad, target, scratch));
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, width) = layout.shape().dims2()?;
        let hidden = width / 3;
        let qkv = host::slice(storage, layout)?;
        let mut output = vec![0f32; n * hidden];
        let target = Target::new(&mut output, hidden);
        self.each(qkv, hidden, |task, scratch| task.forward(target, scratch));
        Ok((CpuStorage::F32(output), Shape::from((n, hidden))))
    }

    fn bwd(&self, qkv: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (n, width) = qkv.dims2()?;
        let mut d_qkv = vec![0f32; n * width];
        let target = Target::new(&mut d_qkv, width);
        host::with(qkv, |qkv| {
            host::with(grad, |grad| {
                self.each(qkv, width / 3, |task, scratch| task.backward(grad, target, scratch));
                Ok(())
            })
        })?;
        Ok(Some(Tensor::from_vec(d_qkv, (n, width), qkv.device())?))
    }
}

#[cfg(test)]
mod tests;
