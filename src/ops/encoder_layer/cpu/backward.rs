//! The backward pass: from the output to the attention some rows at a time, through the attention some
//! sequences at a time, and then the gradients of the parameters, which are products over all rows.

use std::ops::Range;

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::chunks::{self, Chunk, split};
use super::layer::{Activations, CpuLayer, Weights};
use crate::ops::attention::cpu::backward_sequences;
use crate::ops::cpu::buffers::Buffer;
use crate::ops::cpu::matmul::{Target, View, multiply_into};
use crate::ops::cpu::{rows, vector};
use crate::ops::encoder_layer::config::Dense;
use crate::ops::gelu::cpu::gelu_backward_inplace;
use crate::ops::gradients::accumulate_grad;
use crate::ops::layer_norm::config::LayerNormConfig;
use crate::ops::layer_norm::cpu::backward_rows;
use crate::ops::linear::cpu::{accumulate_weight_grad, column_sums};

/// Gradients, N rows each; that of a dense layer's output has the layer's name.
struct RowGrads {
    /// `[N, 3H]`.
    qkv: Buffer,
    /// Of the output of the attention heads, `[N, H]`.
    context: Buffer,
    /// `[N, H]`.
    attended: Buffer,
    /// Of x + dropout(attended), `[N, H]`.
    sum: Buffer,
    /// `[N, F]`.
    inner: Buffer,
    /// GELU's output, once more: `[N, F]`.
    active: Buffer,
    /// `[N, H]`.
    output: Buffer,
}

/// Gradients of γ and β of both norms, block by block.
type NormPartials = [Vec<Vec<f32>>; 2];

impl CpuLayer<'_> {
    /// The gradient of x; those of the parameters are accumulated.
    pub fn backward(
        &self,
        x: &[f32],
        activations: &Activations,
        weights: Weights<'_>,
        grad: &[f32],
    ) -> Result<Vec<f32>> {
        let (h, f) = (self.hidden, self.ffn);
        let n = x.len() / h;
        let stale = |width: usize| Buffer::stale(n * width);
        let mut grads = RowGrads {
            qkv: stale(3 * h),
            context: stale(h),
            attended: stale(h),
            sum: stale(h),
            inner: stale(f),
            active: stale(f),
            output: stale(h),
        };
        let [attention_norm, output_norm] =
            self.backward_to_attention(x, activations, weights, grad, &mut grads);
        let dx = self.backward_to_input(activations, weights, &mut grads);

        let RowGrads { qkv, attended, inner, active, output, .. } = &grads;
        let parameters = self.parameters;
        accumulate_dense(&parameters.output, output, active)?;
        accumulate_dense(&parameters.intermediate, inner, &activations.middle)?;
        accumulate_dense(&parameters.attention_output, attended, &activations.context)?;
        accumulate_dense(&parameters.qkv, qkv, x)?;
        accumulate(&parameters.output_norm, &rows::total(&output_norm, 2 * h))?;
        accumulate(&parameters.attention_norm, &rows::total(&attention_norm, 2 * h))?;
        Ok(dx)
    }

    /// From the gradient of y to that of the output of the attention heads.
    fn backward_to_attention(
        &self,
        x: &[f32],
        activations: &Activations,
        weights: Weights<'_>,
        grad: &[f32],
        grads: &mut RowGrads,
    ) -> NormPartials {
        let (h, f) = (self.hidden, self.ffn);
        let n = x.len() / h;
        let chunks = chunks::of_rows(n, rows::block_rows(h), rayon::current_num_threads());
        let RowGrads { context, attended, sum, inner, active, output, .. } = grads;
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
            .map(|(written, rows)| {
                self.rows_to_attention(x, activations, weights, grad, rows.clone(), written)
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

    /// `written` are some rows of context, attended, sum, inner, active and output of [`RowGrads`].
    fn rows_to_attention(
        &self,
        x: &[f32],
        activations: &Activations,
        weights: Weights<'_>,
        grad: &[f32],
        rows: Range<usize>,
        written: [&mut [f32]; 6],
    ) -> NormPartials {
        let (h, f, n) = (self.hidden, self.ffn, rows.len());
        let [d_context, d_attended, d_sum, d_inner, active, d_output] = written;
        let at = rows.start * h..rows.end * h;
        // y = norm(middle + dropout(output))
        let mut d_middle = Buffer::stale(n * h);
        let inputs = [&activations.output[at.clone()], &activations.middle[at.clone()], &grad[at.clone()]];
        let (config, parameters) = (&self.output_norm, weights.output_norm);
        let of_output = self.norm_backward(config, inputs, parameters, at.start, [&mut d_middle, d_output]);
        // output = active · W2ᵀ
        let weight = View::dense(weights.output[0], h, f);
        multiply_into(Target::new(d_inner, f), 1.0, View::dense(d_output, n, h), weight, false);
        gelu_backward_inplace(&activations.inner[rows.start * f..rows.end * f], active, d_inner);
        // inner = middle · W1ᵀ; this gradient is added to that of the residual connection.
        let mut through = Buffer::stale(n * h);
        let weight = View::dense(weights.intermediate[0], f, h);
        multiply_into(Target::new(&mut through, h), 1.0, View::dense(d_inner, n, f), weight, false);
        vector::add(&mut d_middle, &through);
        // middle = norm(x + dropout(attended))
        let inputs = [&activations.attended[at.clone()], &x[at.clone()], &d_middle[..]];
        let (config, parameters) = (&self.attention_norm, weights.attention_norm);
        let of_attention = self.norm_backward(config, inputs, parameters, at.start, [d_sum, d_attended]);
        // attended = context · Woᵀ
        let weight = View::dense(weights.attention_output[0], h, h);
        multiply_into(Target::new(d_context, h), 1.0, View::dense(d_attended, n, h), weight, false);
        [of_attention, of_output]
    }

    /// One of the LayerNorms: writes the gradients of the sum and of the input of dropout, and returns those
    /// of γ and β block by block.
    fn norm_backward(
        &self,
        config: &LayerNormConfig,
        inputs: [&[f32]; 3],
        parameters: &[f32],
        start: usize,
        [d_sum, dx]: [&mut [f32]; 2],
    ) -> Vec<Vec<f32>> {
        let gamma = &parameters[..self.hidden];
        if config.key.is_some() {
            return backward_rows(config, inputs, gamma, start, d_sum, dx);
        }
        let partials = backward_rows(config, inputs, gamma, start, d_sum, &mut []);
        dx.copy_from_slice(d_sum);
        partials
    }

    /// From the output of the attention heads to x.
    fn backward_to_input(
        &self,
        activations: &Activations,
        weights: Weights<'_>,
        grads: &mut RowGrads,
    ) -> Vec<f32> {
        let h = self.hidden;
        let chunks = chunks::of_sequences(&self.attention.offsets, rayon::current_num_threads());
        let RowGrads { qkv, context, sum, .. } = grads;
        let mut dx = vec![0f32; sum.len()];
        let written = [(&mut **qkv, 3 * h), (&mut dx[..], h)];
        let parts = split(written, chunks.iter().map(|chunk| chunk.rows.clone()));
        let weight = View::dense(weights.qkv[0], 3 * h, h);
        parts.into_par_iter().zip(&chunks).for_each(|([d_qkv, dx], Chunk { sequences, rows })| {
            let qkv = &activations.qkv[rows.start * 3 * h..rows.end * 3 * h];
            let at = rows.start * h..rows.end * h;
            let d_context = &context[at.clone()];
            backward_sequences(&self.attention, qkv, d_context, d_qkv, sequences.clone(), h);
            multiply_into(Target::new(dx, h), 1.0, View::dense(d_qkv, rows.len(), 3 * h), weight, false);
            vector::add(dx, &sum[at]);
        });
        dx
    }
}

/// Accumulates the gradients of a dense layer's weight and bias, from that of its output and from its input.
fn accumulate_dense([weight, bias]: &Dense, grad: &[f32], input: &[f32]) -> Result<()> {
    let (o, i) = weight.dims2()?;
    let n = input.len() / i;
    check(accumulate_weight_grad(weight, View::dense(grad, n, o), View::dense(input, n, i)))?;
    accumulate(bias, &column_sums(grad, n, o))
}

fn accumulate(parameter: &Tensor, gradient: &[f32]) -> Result<()> {
    check(accumulate_grad(parameter, |out| out.copy_from_slice(gradient)))
}

fn check(accumulated: bool) -> Result<()> {
    if accumulated {
        return Ok(());
    }
    bail!(
        "the gradients of an encoder layer's parameters would be lost: run its backward pass by Gradients::backward over \
         all parameters, not by candle's own backward"
    )
}
