//! The forward pass, some sequences at a time.

use rayon::prelude::*;

use super::chunks::{self, Chunk, split};
use super::{EncoderLayer, Numbers};
use crate::ops::buffers::Buffer;
use crate::ops::gelu;
use crate::ops::matmul::{View, multiply_add, transpose};

/// What the backward pass needs of the forward pass, N rows each.
pub struct Kept {
    /// [N, 3H].
    pub qkv: Buffer,
    /// What attention read, [N, H].
    pub context: Buffer,
    /// The attention's output before dropout, [N, H].
    pub attended: Buffer,
    /// Behind the first LayerNorm, [N, H].
    pub middle: Buffer,
    /// Before GELU, [N, F].
    pub inner: Buffer,
    /// The layer's output before dropout, [N, H].
    pub output: Buffer,
}

/// A weight [O, I] turned into [I, O], which products read without rearranging it, and the bias.
struct Turned<'a> {
    weight: Buffer,
    bias: &'a [f32],
}

impl EncoderLayer {
    /// y, and what the backward pass needs.
    pub(super) fn forward(&self, x: &[f32], numbers: Numbers<'_>) -> (Vec<f32>, Kept) {
        let (h, f) = (self.hidden, self.ffn);
        let n = x.len() / h;
        let chunks = chunks::of_sequences(&self.attention.offsets, rayon::current_num_threads());
        let stale = |width: usize| Buffer::stale(n * width);
        let mut kept = Kept {
            qkv: stale(3 * h),
            context: stale(h),
            attended: stale(h),
            middle: stale(h),
            inner: stale(f),
            output: stale(h),
        };
        let mut y = vec![0f32; n * h];
        let weights = [
            turned(numbers.qkv, h),
            turned(numbers.attention_output, h),
            turned(numbers.intermediate, h),
            turned(numbers.output, f),
        ];
        let Kept { qkv, context, attended, middle, inner, output } = &mut kept;
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
            self.forward_chunk(x, chunk, &weights, numbers, written);
        });
        (y, kept)
    }

    /// `written` are the rows of the chunk in all that [`Kept`] has, in its order, and in y.
    fn forward_chunk(
        &self,
        x: &[f32],
        chunk: &Chunk,
        weights: &[Turned<'_>; 4],
        numbers: Numbers<'_>,
        written: [&mut [f32]; 7],
    ) {
        let (h, f) = (self.hidden, self.ffn);
        let [to_qkv, to_attended, to_inner, to_output] = weights;
        let [qkv, context, attended, middle, inner, output, y] = written;
        to_qkv.multiply(x, qkv);
        self.attention.forward_sequences(qkv, context, chunk.sequences.clone(), h);
        let pieces = chunks::pieces(chunk.rows.len());
        let mut active = Buffer::stale(pieces.iter().map(|piece| piece.len()).max().unwrap_or(0) * f);
        for piece in pieces {
            let at = piece.start * h..piece.end * h;
            let start = chunk.rows.start * h + at.start;
            let (x, attended, middle) = (&x[at.clone()], &mut attended[at.clone()], &mut middle[at.clone()]);
            let (inner, output) = (&mut inner[piece.start * f..piece.end * f], &mut output[at.clone()]);
            to_attended.multiply(&context[at.clone()], attended);
            self.attention_norm.forward_rows(attended, x, numbers.attention_norm, start, middle);
            to_inner.multiply(middle, inner);
            let active = &mut active[..inner.len()];
            gelu::apply(inner, active);
            to_output.multiply(active, output);
            self.output_norm.forward_rows(output, middle, numbers.output_norm, start, &mut y[at]);
        }
    }
}

impl Turned<'_> {
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
fn turned<'a>([weight, bias]: [&'a [f32]; 2], input: usize) -> Turned<'a> {
    let mut turned = Buffer::stale(weight.len());
    transpose(weight, input, &mut turned);
    Turned { weight: turned, bias }
}
