//! The backward pass: from the output to the attention by the row, the attention by the sequence, and then the
//! gradients of the parameters, which are products over all rows.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::chunks::{self, Chunk, split};
use super::forward::Kept;
use super::{Dense, EncoderLayer, Numbers};
use crate::ops::buffers::Buffer;
use crate::ops::gradients::deposit;
use crate::ops::linear::column_sums;
use crate::ops::matmul::{Target, View, multiply_into};
use crate::ops::{gelu, norm, rows};

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

/// The rows of one chunk in what is written between the output and the attention.
struct Rows<'a> {
    context: &'a mut [f32],
    attended: &'a mut [f32],
    sum: &'a mut [f32],
    inner: &'a mut [f32],
    active: &'a mut [f32],
    output: &'a mut [f32],
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
        place(&parameters.output_norm, &norm::total(&output_norm, 2 * h))?;
        place(&parameters.attention_norm, &norm::total(&attention_norm, 2 * h))?;
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
        let bounds = || chunks.iter().cloned();
        let parts = split(&mut turning.context, h, bounds())
            .into_par_iter()
            .zip(split(&mut turning.attended, h, bounds()))
            .zip(split(&mut turning.sum, h, bounds()))
            .zip(split(&mut turning.inner, f, bounds()))
            .zip(split(&mut turning.active, f, bounds()))
            .zip(split(&mut turning.output, h, bounds()));
        let partials: Vec<NormPartials> = parts
            .zip(&chunks)
            .map(|((((((context, attended), sum), inner), active), output), rows)| {
                let parts = Rows { context, attended, sum, inner, active, output };
                self.rows_to_attention(x, kept, numbers, grad, rows.start, parts)
            })
            .collect();
        let mut all = NormPartials::default();
        for partials in partials {
            for (all, partials) in all.iter_mut().zip(partials) {
                all.extend(partials);
            }
        }
        all
    }

    fn rows_to_attention(
        &self,
        x: &[f32],
        kept: &Kept,
        numbers: Numbers<'_>,
        grad: &[f32],
        first: usize,
        rows: Rows<'_>,
    ) -> NormPartials {
        let (h, f) = (self.hidden, self.ffn);
        let n = rows.sum.len() / h;
        let at = first * h..(first + n) * h;
        // y = norm(middle + dropout(output))
        let mut d_middle = Buffer::stale(n * h);
        let (before, middle) = (&kept.output[at.clone()], &kept.middle[at.clone()]);
        let parameters = numbers.output_norm;
        let of_output = self.norm_backward(
            1,
            [before, middle, &grad[at.clone()]],
            parameters,
            at.start,
            &mut d_middle,
            rows.output,
        );
        // output = active · W2ᵀ
        let d_output = View::dense(rows.output, n, h);
        let weight = View::dense(numbers.output[0], h, f);
        multiply_into(Target::new(rows.inner, f), 1.0, d_output, weight, false);
        gelu::apply_and_turn(&kept.inner[first * f..(first + n) * f], rows.active, rows.inner);
        // inner = middle · W1ᵀ; what comes this way is added to what came past it.
        let mut through = Buffer::stale(n * h);
        let weight = View::dense(numbers.intermediate[0], f, h);
        multiply_into(Target::new(&mut through, h), 1.0, View::dense(rows.inner, n, f), weight, false);
        add(&mut d_middle, &through);
        // middle = norm(x + dropout(attended))
        let (attended, x) = (&kept.attended[at.clone()], &x[at.clone()]);
        let parameters = numbers.attention_norm;
        let of_attention =
            self.norm_backward(0, [attended, x, &d_middle], parameters, at.start, rows.sum, rows.attended);
        // attended = context · Woᵀ
        let weight = View::dense(numbers.attention_output[0], h, h);
        multiply_into(Target::new(rows.context, h), 1.0, View::dense(rows.attended, n, h), weight, false);
        [of_attention, of_output]
    }

    /// One of the norms behind a residual connection: writes the gradients of the sum and of what dropout reads, and returns
    /// those of γ and β by the block.
    fn norm_backward(
        &self,
        which: usize,
        inputs: [&[f32]; 3],
        parameters: &[f32],
        start: usize,
        d_sum: &mut [f32],
        dx: &mut [f32],
    ) -> Vec<Vec<f32>> {
        let norm = self.norm(which);
        let gamma = &parameters[..self.hidden];
        let block = rows::block_rows(self.hidden) * self.hidden;
        let blocks = d_sum.chunks_mut(block).zip(dx.chunks_mut(block)).enumerate();
        let body = |(index, (d_sum, dx)): (usize, (&mut [f32], &mut [f32]))| {
            let at = index * block..index * block + d_sum.len();
            let inputs = inputs.map(|values| &values[at.clone()]);
            let dropped: &mut [f32] = if norm.key.is_some() { &mut *dx } else { &mut [] };
            let partial = norm.backward_rows(inputs, gamma, start + at.start, d_sum, dropped);
            if norm.key.is_none() {
                dx.copy_from_slice(d_sum);
            }
            partial
        };
        blocks.map(body).collect()
    }

    /// From what attention gives to x.
    fn to_input(&self, kept: &Kept, numbers: Numbers<'_>, turning: &mut Turning) -> Vec<f32> {
        let h = self.hidden;
        let chunks = chunks::of_sequences(&self.settings.offsets, rayon::current_num_threads());
        let bounds = || chunks.iter().map(|chunk| chunk.rows.clone());
        let Turning { qkv, context, sum, .. } = turning;
        let mut dx = vec![0f32; sum.len()];
        let parts = split(qkv, 3 * h, bounds()).into_par_iter().zip(split(&mut dx, h, bounds())).zip(&chunks);
        let weight = View::dense(numbers.qkv[0], 3 * h, h);
        parts.for_each(|((d_qkv, dx), Chunk { sequences, rows })| {
            let qkv = &kept.qkv[rows.start * 3 * h..rows.end * 3 * h];
            let at = rows.start * h..rows.end * h;
            self.attention().backward_sequences(qkv, &context[at.clone()], d_qkv, sequences.clone(), h);
            multiply_into(Target::new(dx, h), 1.0, View::dense(d_qkv, rows.len(), 3 * h), weight, false);
            add(dx, &sum[at]);
        });
        dx
    }
}

fn add(sums: &mut [f32], values: &[f32]) {
    crate::ops::vector::vectorized(|| sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value));
}

/// Gradients of a dense layer's weight and bias from that of its output and from its input.
fn place_dense([weight, bias]: &Dense, grad: &[f32], input: &[f32]) -> Result<()> {
    let (o, i) = weight.dims2()?;
    let n = input.len() / i;
    let placed = deposit(weight, |out| {
        let grad = View::dense(grad, n, o).transposed();
        multiply_into(Target::new(out, i), 1.0, grad, View::dense(input, n, i), true);
    });
    check(placed)?;
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
