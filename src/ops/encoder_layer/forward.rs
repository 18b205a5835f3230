//! The forward pass, some sequences at a time.

use rayon::prelude::*;

use super::chunks::{self, Chunk, split};
use super::{EncoderLayer, Numbers};
use crate::ops::buffers::Buffer;
use crate::ops::gelu;
use crate::ops::matmul::{View, multiply_add};

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

/// The rows of one chunk in all that is written.
struct Rows<'a> {
    qkv: &'a mut [f32],
    context: &'a mut [f32],
    attended: &'a mut [f32],
    middle: &'a mut [f32],
    inner: &'a mut [f32],
    output: &'a mut [f32],
    y: &'a mut [f32],
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
        let chunks = chunks::of_sequences(&self.settings.offsets, rayon::current_num_threads());
        let bounds = || chunks.iter().map(|chunk| chunk.rows.clone());
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
        let parts = split(&mut kept.qkv, 3 * h, bounds())
            .into_par_iter()
            .zip(split(&mut kept.context, h, bounds()))
            .zip(split(&mut kept.attended, h, bounds()))
            .zip(split(&mut kept.middle, h, bounds()))
            .zip(split(&mut kept.inner, f, bounds()))
            .zip(split(&mut kept.output, h, bounds()))
            .zip(split(&mut y, h, bounds()));
        parts.zip(&chunks).for_each(
            |(((((((qkv, context), attended), middle), inner), output), y), chunk)| {
                let rows = Rows { qkv, context, attended, middle, inner, output, y };
                let x = &x[chunk.rows.start * h..chunk.rows.end * h];
                self.forward_chunk(x, chunk, &weights, numbers, rows);
            },
        );
        (y, kept)
    }

    fn forward_chunk(
        &self,
        x: &[f32],
        chunk: &Chunk,
        [qkv, attention_output, intermediate, output]: &[Turned<'_>; 4],
        numbers: Numbers<'_>,
        rows: Rows<'_>,
    ) {
        let h = self.hidden;
        qkv.multiply(x, rows.qkv);
        self.attention().forward_sequences(rows.qkv, rows.context, chunk.sequences.clone(), h);
        let pieces = chunks::pieces(chunk.rows.len());
        let mut active = Buffer::stale(pieces.iter().map(|piece| piece.len()).max().unwrap_or(0) * self.ffn);
        for piece in pieces {
            let at = piece.start * h..piece.end * h;
            let start = chunk.rows.start * h + at.start;
            let attended = &mut rows.attended[at.clone()];
            attention_output.multiply(&rows.context[at.clone()], attended);
            let middle = &mut rows.middle[at.clone()];
            self.norm(0).forward_rows(attended, &x[at.clone()], numbers.attention_norm, start, middle);
            let inner = &mut rows.inner[piece.start * self.ffn..piece.end * self.ffn];
            intermediate.multiply(middle, inner);
            let active = &mut active[..inner.len()];
            gelu::apply(inner, active);
            let before = &mut rows.output[at.clone()];
            output.multiply(active, before);
            self.norm(1).forward_rows(before, middle, numbers.output_norm, start, &mut rows.y[at]);
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

/// Side of the squares that are turned at once.
const SQUARE: usize = 16;

/// The transpose of a weight with `input` columns.
fn turned<'a>([weight, bias]: [&'a [f32]; 2], input: usize) -> Turned<'a> {
    let output = bias.len();
    let mut transpose = Buffer::stale(weight.len());
    transpose.par_chunks_mut(SQUARE * output).enumerate().for_each(|(stripe, rows)| {
        let first = stripe * SQUARE;
        for left in (0..output).step_by(SQUARE) {
            let right = (left + SQUARE).min(output);
            for (i, row) in rows.chunks_exact_mut(output).enumerate() {
                for (o, value) in (left..right).zip(&mut row[left..right]) {
                    *value = weight[o * input + first + i];
                }
            }
        }
    });
    Turned { weight: transpose, bias }
}
