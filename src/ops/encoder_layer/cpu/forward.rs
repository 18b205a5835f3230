//! The forward pass, some sequences at a time.

use rayon::prelude::*;

use super::chunks::{self, Chunk, split};
use super::layer::{Activations, CpuLayer, Weights};
use crate::ops::attention::cpu::forward_sequences;
use crate::ops::cpu::buffers::Buffer;
use crate::ops::cpu::matmul::{View, multiply_add, transpose};
use crate::ops::gelu::cpu::gelu_into;
use crate::ops::layer_norm::cpu::forward_rows;

/// A weight `[O, I]` transposed to `[I, O]`, which products read without rearranging it, and the bias.
struct Transposed<'a> {
    weight: Buffer,
    bias: &'a [f32],
}

impl CpuLayer<'_> {
    /// y, and what the backward pass reads.
    pub fn forward(&self, x: &[f32], weights: Weights<'_>) -> (Vec<f32>, Activations) {
        let (h, f) = (self.hidden, self.ffn);
        let n = x.len() / h;
        let chunks = chunks::of_sequences(&self.attention.offsets, rayon::current_num_threads());
        let stale = |width: usize| Buffer::stale(n * width);
        let mut activations = Activations {
            qkv: stale(3 * h),
            context: stale(h),
            attended: stale(h),
            middle: stale(h),
            inner: stale(f),
            output: stale(h),
        };
        let mut y = vec![0f32; n * h];
        let transposed = [
            transposed(weights.qkv, h),
            transposed(weights.attention_output, h),
            transposed(weights.intermediate, h),
            transposed(weights.output, f),
        ];
        let Activations { qkv, context, attended, middle, inner, output } = &mut activations;
        let written = [
            (&mut **qkv, 3 * h),
            (&mut **context, h),
            (&mut **attended, h),
            (&mut **middle, h),
            (&mut **inner, f),
            (&mut **output, h),
            (&mut y[..], h),
        ];
        let parts = split(written, chunks.iter().map(|chunk| chunk.rows.clone()));
        parts.into_par_iter().zip(&chunks).for_each(|(written, chunk)| {
            let x = &x[chunk.rows.start * h..chunk.rows.end * h];
            self.forward_chunk(x, chunk, &transposed, weights, written);
        });
        (y, activations)
    }

    /// `written` are the chunk's rows of every buffer of [`Activations`], in its order, and of y.
    fn forward_chunk(
        &self,
        x: &[f32],
        chunk: &Chunk,
        transposed: &[Transposed<'_>; 4],
        weights: Weights<'_>,
        written: [&mut [f32]; 7],
    ) {
        let (h, f) = (self.hidden, self.ffn);
        let [to_qkv, to_attended, to_inner, to_output] = transposed;
        let [qkv, context, attended, middle, inner, output, y] = written;
        to_qkv.multiply(x, qkv);
        forward_sequences(&self.attention, qkv, context, chunk.sequences.clone(), h);
        let pieces = chunks::pieces(chunk.rows.len());
        let mut active = Buffer::stale(pieces.iter().map(|piece| piece.len()).max().unwrap_or(0) * f);
        for piece in pieces {
            let at = piece.start * h..piece.end * h;
            let start = chunk.rows.start * h + at.start;
            let (x, attended, middle) = (&x[at.clone()], &mut attended[at.clone()], &mut middle[at.clone()]);
            let (inner, output) = (&mut inner[piece.start * f..piece.end * f], &mut output[at.clone()]);
            to_attended.multiply(&context[at.clone()], attended);
            forward_rows(&self.attention_norm, attended, x, weights.attention_norm, start, middle);
            to_inner.multiply(middle, inner);
            let active = &mut active[..inner.len()];
            gelu_into(inner, active);
            to_output.multiply(active, output);
            forward_rows(&self.output_norm, output, middle, weights.output_norm, start, &mut y[at]);
        }
    }
}

impl Transposed<'_> {
    /// out = x · wᵀ + b, on this thread.
    fn multiply(&self, x: &[f32], out: &mut [f32]) {
        let o = self.bias.len();
        let i = self.weight.len() / o;
        for row in out.chunks_exact_mut(o) {
            row.copy_from_slice(self.bias);
        }
        multiply_add(out, View::dense(x, x.len() / i, i), View::dense(&self.weight, i, o), false);
    }
}

/// The transpose of a weight with `input` columns.
fn transposed<'a>([weight, bias]: [&'a [f32]; 2], input: usize) -> Transposed<'a> {
    let mut transposed = Buffer::stale(weight.len());
    transpose(weight, input, &mut transposed);
    Transposed { weight: transposed, bias }
}
