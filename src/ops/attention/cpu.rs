//! Attention on the CPU. The encoder layer calls it with some sequences at a time.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::config::{AttentionConfig, ProbabilityNumbers};
use crate::ops::cpu::matmul::{Target, View, multiply_into};
use crate::ops::cpu::vector;

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
    config: &'a AttentionConfig,
    numbers: ProbabilityNumbers,
    qkv: &'a [f32],
    hidden: usize,
    /// The sequence's first token in the batch: addresses its dropout.
    start: usize,
    /// Its first row in the slices: smaller than `start` where they hold a part of the batch.
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
        self.hidden / self.config.heads
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
                let keys = self.config.mask.keys(i, len);
                softmax(&mut row[keys.clone()]);
                row[..keys.start].fill(0.0);
                row[keys.end..].fill(0.0);
            }
        });
        if let Some(key) = &self.config.key {
            scratch.mask.resize(len * len, 0.0);
            vector::vectorized!(|| {
                for (i, row) in scratch.mask.chunks_exact_mut(len).enumerate() {
                    key.fill(self.numbers.first(self.start + i, self.head), row);
                }
            });
        }
    }

    fn forward(&self, output: Target, scratch: &mut Scratch) {
        self.probabilities(scratch);
        if self.config.key.is_some() {
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
        if self.config.key.is_some() {
            vector::vectorized!(|| {
                multiply_elements(gradient, mask);
                multiply_elements(mask, probabilities);
            });
        }
        let dropped: &[f32] = if self.config.key.is_some() { mask } else { probabilities };
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

/// The tasks of a batch, on slices of rows.
struct Tasks<'a> {
    config: &'a AttentionConfig,
    numbers: ProbabilityNumbers,
    qkv: &'a [f32],
    hidden: usize,
}

impl<'a> Tasks<'a> {
    fn new(config: &'a AttentionConfig, qkv: &'a [f32], hidden: usize) -> Self {
        let numbers = ProbabilityNumbers::new(&config.offsets, config.heads, config.key);
        Self { config, numbers, qkv, hidden }
    }

    /// Runs `body` on every (sequence, head), in parallel.
    fn each(&self, body: impl Fn(&Task<'_>, &mut Scratch) + Sync) {
        let tasks = (self.config.offsets.len() - 1) * self.config.heads;
        (0..tasks).into_par_iter().for_each(|index| self.task(0, index).run(&body));
    }

    /// Runs `body` on every head of some sequences, on this thread; the slices begin with the first of them.
    fn some(&self, sequences: Range<usize>, body: impl Fn(&Task<'_>, &mut Scratch)) {
        let AttentionConfig { offsets, heads, .. } = self.config;
        let first = offsets[sequences.start];
        for index in sequences.start * heads..sequences.end * heads {
            self.task(first, index).run(&body);
        }
    }

    /// Task number `index` of the batch, on slices that begin with token `first`.
    fn task(&self, first: usize, index: usize) -> Task<'a> {
        let Self { config, numbers, qkv, hidden } = *self;
        let (sequence, head) = (index / config.heads, index % config.heads);
        let start = config.offsets[sequence];
        let len = config.offsets[sequence + 1] - start;
        Task { config, numbers, qkv, hidden, start, row: start - first, len, head }
    }
}

/// The output `[N, H]`.
pub fn forward(config: &AttentionConfig, qkv: &[f32], hidden: usize) -> Vec<f32> {
    let mut output = vec![0f32; qkv.len() / 3];
    let target = Target::new(&mut output, hidden);
    Tasks::new(config, qkv, hidden).each(|task, scratch| task.forward(target, scratch));
    output
}

/// The gradient of qkv from that of the output.
pub fn backward(config: &AttentionConfig, qkv: &[f32], grad: &[f32], hidden: usize) -> Vec<f32> {
    let mut d_qkv = vec![0f32; qkv.len()];
    let target = Target::new(&mut d_qkv, 3 * hidden);
    Tasks::new(config, qkv, hidden).each(|task, scratch| task.backward(grad, target, scratch));
    d_qkv
}

/// The output of some sequences, on this thread. `qkv` and `output` hold their rows only.
pub fn forward_sequences(
    config: &AttentionConfig,
    qkv: &[f32],
    output: &mut [f32],
    sequences: Range<usize>,
    hidden: usize,
) {
    let target = Target::new(output, hidden);
    Tasks::new(config, qkv, hidden).some(sequences, |task, scratch| task.forward(target, scratch));
}

/// The gradient of qkv of some sequences, as in [`forward_sequences`].
pub fn backward_sequences(
    config: &AttentionConfig,
    qkv: &[f32],
    grad: &[f32],
    d_qkv: &mut [f32],
    sequences: Range<usize>,
    hidden: usize,
) {
    let target = Target::new(d_qkv, 3 * hidden);
    Tasks::new(config, qkv, hidden).some(sequences, |task, scratch| task.backward(grad, target, scratch));
}
