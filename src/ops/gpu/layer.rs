//! A whole transformer layer: the kernels of this folder one after the other, forward and backward.
//!
//! As `ops/encoder_layer/`, it keeps what the backward pass reads and computes GELU's output again.

use candle_core::Result;

use super::attention::{self, Plan, Seen};
use super::launch::{Address, Dropout};
use super::{Machine, dense, elementwise, norm};
use crate::ops::Precision;

/// Where a layer's parameters lie, in the order of `encoder_layer::Parameters`.
#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    /// Weight [3H, H] and bias.
    pub qkv: [Address<'a>; 2],
    /// Weight [H, H] and bias.
    pub attention_output: [Address<'a>; 2],
    /// [2, H].
    pub attention_norm: Address<'a>,
    /// Weight [F, H] and bias.
    pub intermediate: [Address<'a>; 2],
    /// Weight [H, F] and bias.
    pub output: [Address<'a>; 2],
    /// [2, H].
    pub output_norm: Address<'a>,
}

/// What else a layer computes with.
pub struct Settings<W> {
    /// The sequences and heads.
    pub plan: Plan<W>,
    /// Of the attention's output and of the layer's.
    pub dropout: [Dropout; 2],
    /// Added to the variance under LayerNorm's root.
    pub epsilon: f32,
    /// N, H and F.
    pub sizes: [usize; 3],
    /// Of the factors of matrix products.
    pub precision: Precision,
}

/// What the forward pass leaves for the backward pass.
pub struct Kept<F> {
    /// [N, 3H].
    qkv: F,
    /// [N, heads].
    log_sums: F,
    /// The attention's output. [N, H]
    context: F,
    /// The same through its dense layer. [N, H]
    attended: F,
    /// Behind the first LayerNorm. [N, H]
    middle: F,
    /// Before GELU. [N, F]
    inner: F,
    /// Before the second LayerNorm. [N, H]
    outer: F,
}

/// A layer of a batch.
pub struct Layer<'a, M: Machine> {
    /// Where it runs.
    pub machine: &'a M,
    /// Its parameters.
    pub parameters: Parameters<'a>,
    /// What else it computes with.
    pub settings: &'a Settings<M::Words>,
}

impl<M: Machine> Layer<'_, M> {
    /// Writes the output over `y` [N, H].
    pub fn forward(&self, x: Address<'_>, y: Address<'_>) -> Result<Kept<M::Floats>> {
        let Self { machine, parameters, settings } = self;
        let [n, h, f] = settings.sizes;
        let run = |x: Address<'_>, [weight, bias]: [Address<'_>; 2], [o, i]: [usize; 2]| {
            let y = machine.room(n * o)?;
            dense::forward(*machine, self.dense(x, weight, [o, i]), bias, machine.at(&y))?;
            candle_core::Result::Ok(y)
        };
        let qkv = run(x, parameters.qkv, [3 * h, h])?;
        let context = machine.room(n * h)?;
        let log_sums = attention::forward(*machine, &settings.plan, machine.at(&qkv), machine.at(&context))?;
        let attended = run(machine.at(&context), parameters.attention_output, [h, h])?;
        let middle = machine.room(n * h)?;
        norm::forward(*machine, self.first_norm(machine.at(&attended), x), machine.at(&middle))?;
        let inner = run(machine.at(&middle), parameters.intermediate, [f, h])?;
        let active = machine.room(n * f)?;
        elementwise::gelu(*machine, machine.at(&inner), machine.at(&active), n * f)?;
        let outer = run(machine.at(&active), parameters.output, [h, f])?;
        norm::forward(*machine, self.second_norm(machine.at(&outer), machine.at(&middle)), y)?;
        Ok(Kept { qkv, log_sums, context, attended, middle, inner, outer })
    }

    /// The gradients of x [N, H] and of the parameters, in their order, from that of the output, `dy` [N, H].
    pub fn backward(
        &self,
        x: Address<'_>,
        kept: &Kept<M::Floats>,
        dy: Address<'_>,
    ) -> Result<(M::Floats, [M::Floats; 10])> {
        let Self { machine, parameters, settings } = self;
        let machine = *machine;
        let [n, h, f] = settings.sizes;

        let second =
            norm::backward(machine, self.second_norm(machine.at(&kept.outer), machine.at(&kept.middle)), dy)?;
        let d_outer = machine.at(second.x.as_ref().unwrap_or(&second.sum));
        let active = machine.room(n * f)?;
        elementwise::gelu(machine, machine.at(&kept.inner), machine.at(&active), n * f)?;
        let of_output = self.dense(machine.at(&active), parameters.output[0], [h, f]);
        let [d_w2, d_b2] = dense::parameter_gradients(machine, of_output, d_outer)?;
        // The activations have been read: their gradient takes their place.
        let d_inner = machine.at(&active);
        dense::input_gradient(machine, of_output, d_outer, d_inner, false)?;
        elementwise::gelu_gradient(machine, machine.at(&kept.inner), d_inner, d_inner, n * f)?;
        let of_inner = self.dense(machine.at(&kept.middle), parameters.intermediate[0], [f, h]);
        let [d_w1, d_b1] = dense::parameter_gradients(machine, of_inner, d_inner)?;
        // The residual connection's gradient lies there already, and nobody reads the outer one any more.
        let d_middle = machine.at(&second.sum);
        dense::input_gradient(machine, of_inner, d_inner, d_middle, true)?;

        let first = norm::backward(machine, self.first_norm(machine.at(&kept.attended), x), d_middle)?;
        let d_attended = machine.at(first.x.as_ref().unwrap_or(&first.sum));
        let of_context = self.dense(machine.at(&kept.context), parameters.attention_output[0], [h, h]);
        let [d_wo, d_bo] = dense::parameter_gradients(machine, of_context, d_attended)?;
        let d_context = machine.room(n * h)?;
        dense::input_gradient(machine, of_context, d_attended, machine.at(&d_context), false)?;
        let d_qkv = machine.room(3 * n * h)?;
        let seen = Seen {
            qkv: machine.at(&kept.qkv),
            output: machine.at(&kept.context),
            log_sums: machine.at(&kept.log_sums),
        };
        attention::backward(machine, &settings.plan, seen, machine.at(&d_context), machine.at(&d_qkv))?;
        let of_qkv = self.dense(x, parameters.qkv[0], [3 * h, h]);
        let [d_wqkv, d_bqkv] = dense::parameter_gradients(machine, of_qkv, machine.at(&d_qkv))?;
        dense::input_gradient(machine, of_qkv, machine.at(&d_qkv), machine.at(&first.sum), true)?;
        let parameters =
            [d_wqkv, d_bqkv, d_wo, d_bo, first.parameters, d_w1, d_b1, d_w2, d_b2, second.parameters];
        Ok((first.sum, parameters))
    }

    fn dense<'b>(&self, x: Address<'b>, weight: Address<'b>, [o, i]: [usize; 2]) -> dense::Inputs<'b> {
        let Settings { sizes: [n, ..], precision, .. } = *self.settings;
        dense::Inputs { x, weight, sizes: [n, o, i], precision }
    }

    fn first_norm<'b>(&'b self, x: Address<'b>, residual: Address<'b>) -> norm::Inputs<'b> {
        self.norm(x, residual, self.parameters.attention_norm, self.settings.dropout[0])
    }

    fn second_norm<'b>(&'b self, x: Address<'b>, residual: Address<'b>) -> norm::Inputs<'b> {
        self.norm(x, residual, self.parameters.output_norm, self.settings.dropout[1])
    }

    fn norm<'b>(
        &self,
        x: Address<'b>,
        residual: Address<'b>,
        parameters: Address<'b>,
        dropout: Dropout,
    ) -> norm::Inputs<'b> {
        let Settings { sizes: [rows, width, _], epsilon, .. } = *self.settings;
        norm::Inputs { x, residual, parameters, dropout, epsilon, rows, width }
    }
}
