//! The backward pass: from the output to the attention by the row, the attention by the sequence, and then the
//! gradients of the parameters, which are products over all rows.

use std::ops::Range;

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::chunks::{self, Chunk, split};
use super::forward::Kept;
use super::{Dense, EncoderLayer, Numbers};
use crate::ops::buffers::Buffer;
use crate::ops::gradients::deposit;
use crate::ops::linear::{column_sums, deposit_weight};
use crate::ops::matmul::{Target, View, multiply_into};
use crate::ops::norm::Norm;
use crate::ops::{gelu, rows, vector};

/// Gradients of N rows each; of a dense layer's output under the layer's name.
struct Turning {
    /// [N, 3H].
    qkv: Buffer,
    /// Of what attention gives, [N, H].
    context: Buffer,
    /// [N, H].
    attended: Buffer,
    /// Of x + dropout(attended), [N, H].
    sum: Buffer,
    /// [N, F].
    inner: Buffer,
    /// GELU's output, once more: [N, F].
    active: Buffer,
    /// [N, H].
    output: Buffer,
}

/// Gradients of γ and β of both norms, block by block.
type NormPartials = [Vec<Vec<f32>>; 2];

impl EncoderLayer {
    /// The gradient of x; those of the parameters go to their places.
    pub(super) fn backward(
        &self,
        x: &[f32],
        kept: &Kept,
        numbers: Numbers<'_>,
        grad: &[f32],
    ) -> Result<Vec<f32>> {
        let (h, f) = (self.hidden, self.ffn);
        let n = x.len() / h;
        let stale = |width: usize| Buffer::stale(n * width);
        let mut turning = Turning {
            qkv: stale(3 * h),
            context: stale(h),
            attended: stale(h),
            sum: stale(h),
            inner: stale(f),
            active: stale(f),
            output: stale(h),
        };
        let [attention_norm, output_norm] = self.to_attention(x, kept, numbers, grad, &mut turning);
        let dx = self.to_input(kept, numbers, &mut turning);

        let Turning { qkv, attended, inner, active, output, .. } = &turning;
        let parameters = &self.parameters;
        place_dense(&parameters.output, output, active)?;
        place_dense(&parameters.intermediate, inner, &kept.middle)?;
        place_dense(&parameters.attention_output, attended, &kept.context)?;
        place_dense(&parameters.qkv, qkv, x)?;
        place(&parameters.output_norm, &rows::total(&output_norm, 2 * h))?;
        place(&parameters.attention_norm, &rows::total(&attention_norm, 2 * h))?;
        Ok(dx)
    }

    /// From the gradient of y to that of what attention gives.
    fn to_attention(
        &self,
        x: &[f32],
        kept: &Kept,
        numbers: Numbers<'_>,
        grad: &[f32],
        turning: &mut Turning,
    ) -> NormPartials {
        let (h, f) = (self.hidden, self.ffn);
        let n = x.len() / h;
        let chunks = chunks::of_rows(n, rows::block_rows(h), rayon::current_num_threads());
        let Turning { context, attended, sum, inner, active, output, .. } = turning;
        let written = [
            (&mut **context, h),
            (&mut **attended, h),
            (&mut **sum, h),
            (&mut **inner, f),
            (&mut **active, f),
            (&mut **output, h),
        ];
        let partials: Vec<NormPartials> = split(written, chunks.iter().cloned())
            .into_par_iter()
            .zip(&chunks)
            .map(|(written, rows)| self.rows_to_attention(x, kept, numbers, grad, rows.clone(), written))
            .collect();
        let mut all = NormPartials::default();
        for partials in partials {
            for (all, partials) in all.iter_mut().zip(partials) {
                all.extend(partials);
            }
        }
        all
    }

    /// `written` are the rows of context, attended, sum, inner, active and output in what [`Turning`] has.
    fn rows_to_attention(
        &self,
        x: &[f32],
        kept: &Kept,
        numbers: Numbers<'_>,
        grad: &[f32],
        rows: Range<usize>,
        written: [&mut [f32]; 6],
    ) -> NormPartials {
        let (h, f, n) = (self.hidden, self.ffn, rows.len());
        let [d_context, d_attended, d_sum, d_inner, active, d_output] = written;
        let at = rows.start * h..rows.end * h;
        // y = norm(middle + dropout(output))
        let mut d_middle = Buffer::stale(n * h);
        let inputs = [&kept.output[at.clone()], &kept.middle[at.clone()], &grad[at.clone()]];
        let (norm, parameters) = (&self.output_norm, numbers.output_norm);
        let of_output = self.norm_backward(norm, inputs, parameters, at.start, [&mut d_middle, d_output]);
        // output = active · W2ᵀ
        let weight = View::dense(numbers.output[0], h, f);
        multiply_into(Target::new(d_inner, f), 1.0, View::dense(d_output, n, h), weight, false);
        gelu::apply_and_turn(&kept.inner[rows.start * f..rows.end * f], active, d_inner);
        // inner = middle · W1ᵀ; what comes this way is added to what came past it.
        let mut through = Buffer::stale(n * h);
        let weight = View::dense(numbers.intermediate[0], f, h);
        multiply_into(Target::new(&mut through, h), 1.0, View::dense(d_inner, n, f), weight, false);
        vector::add(&mut d_middle, &through);
        // middle = norm(x + dropout(attended))
        let inputs = [&kept.attended[at.clone()], &x[at.clone()], &d_middle[..]];
        let (norm, parameters) = (&self.attention_norm, numbers.attention_norm);
        let of_attention = self.norm_backward(norm, inputs, parameters, at.start, [d_sum, d_attended]);
        // attended = context · Woᵀ
        let weight = View::dense(numbers.attention_output[0], h, h);
        multiply_into(Target::new(d_context, h), 1.0, View::dense(d_attended, n, h), weight, false);
        [of_attention, of_output]
    }

    /// One of the norms behind a residual connection: writes the gradients of the sum and of what dropout reads, and returns
    /// those of γ and β by the block.
    fn norm_backward(
        &self,
        norm: &Norm,
        inputs: [&[f32]; 3],
        parameters: &[f32],
        start: usize,
        [d_sum, dx]: [&mut [f32]; 2],
    ) -> Vec<Vec<f32>> {
        let gamma = &parameters[..self.hidden];
        if norm.key.is_some() {
            return norm.backward_rows(inputs, gamma, start, d_sum, dx);
        }
        let partials = norm.backward_rows(inputs, gamma, start, d_sum, &mut []);
        dx.copy_from_slice(d_sum);
        partials
    }

    /// From what attention gives to x.
    fn to_input(&self, kept: &Kept, numbers: Numbers<'_>, turning: &mut Turning) -> Vec<f32> {
        let h = self.hidden;
        let chunks = chunks::of_sequences(&self.attention.offsets, rayon::current_num_threads());
        let Turning { qkv, context, sum, .. } = turning;
        let mut dx = vec![0f32; sum.len()];
        let written = [(&mut **qkv, 3 * h), (&mut dx[..], h)];
        let parts = split(written, chunks.iter().map(|chunk| chunk.rows.clone()));
        let weight = View::dense(numbers.qkv[0], 3 * h, h);
        parts.into_par_iter().zip(&chunks).for_each(|([d_qkv, dx], Chunk { sequences, rows })| {
            let qkv = &kept.qkv[rows.start * 3 * h..rows.end * 3 * h];
            let at = rows.start * h..rows.end * h;
            self.attention.backward_sequences(qkv, &context[at.clone()], d_qkv, sequences.clone(), h);
            multiply_into(Target::new(dx, h), 1.0, View::dense(d_qkv, rows.len(), 3 * h), weight, false);
            vector::add(dx, &sum[at]);
        });
        dx
    }
}

/// Gradients of a dense layer's weight and bias from that of its output and from its input.
fn place_dense([weight, bias]: &Dense, grad: &[f32], input: &[f32]) -> Result<()> {
    let (o, i) = weight.dims2()?;
    let n = input.len() / i;
    check(deposit_weight(weight, View::dense(grad, n, o), View::dense(input, n, i)))?;
    place(bias, &column_sums(grad, n, o))
}

fn place(parameter: &Tensor, gradient: &[f32]) -> Result<()> {
    check(deposit(parameter, |out| out.copy_from_slice(gradient)))
}

fn check(placed: bool) -> Result<()> {
    if placed {
        return Ok(());
    }
    bail!(
        "an encoder layer's backward pass was run by candle alone: it needs Gradients::backward, over all parameters"
    )
}
