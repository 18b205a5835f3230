//! The heads that read spans: arithmetic on the hidden states of a ragged batch.
//!
//! Nothing is padded. Scores over the tokens of a window are rows over all N tokens of the batch in which the tokens of
//! other windows, and those that cannot be an answer, stand 1000 lower (the released code's mask): their
//! probability is exactly 0. Must never: tokenise, or decide which span is an answer. Next: `reader.rs`.
//!
//! Shape suffixes: N tokens, B windows, H width, Q inner width, T tokens of one window, K beam.

use std::sync::Arc;

use candle_core::{D, Device, Tensor};

use super::features::Input;
use crate::error::Result;
use crate::nn::{Builder, Init, Linear};
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::ops::cross_entropy::cross_entropy;
use crate::ops::gelu::gelu;

/// Width inside the end's and the classifier's networks.
const INNER: usize = 512;
/// What is taken from the logits of tokens that cannot be an answer.
const MASKED: f32 = -1000.0;

/// Where the windows of a batch lie, and what is to be predicted of them.
pub struct Layout {
    /// First token of each window and, last, N.
    pub offsets: Vec<usize>,
    /// Added to a row of logits over N for each window, [B, N].
    mask: Tensor,
    /// Window of each token, [N].
    window_of: Tensor,
    /// First token of each window, [B].
    firsts: Tensor,
    starts: Arc<[u32]>,
    ends: Arc<[u32]>,
    impossible: Arc<[f32]>,
}

/// Which tokens a head may point at, beside [CLS].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Those of the context, and the [SEP] after it.
    Context,
    /// All of the window.
    Window,
}

impl Layout {
    /// Of inputs end to end.
    pub fn new(inputs: &[&Input], allowed: Allowed, device: &Device) -> Result<Self> {
        let mut offsets = vec![0];
        offsets.extend(inputs.iter().scan(0, |end, input| {
            *end += input.ids.len();
            Some(*end)
        }));
        let n = offsets.last().copied().unwrap_or(0);
        let mut mask = Vec::with_capacity(inputs.len() * n);
        let mut window = Vec::with_capacity(n);
        for (index, (input, &offset)) in inputs.iter().zip(&offsets).enumerate() {
            mask.resize(mask.len() + offset, MASKED);
            mask.extend(allowed.tokens(input).map(|is_allowed| if is_allowed { 0.0 } else { MASKED }));
            mask.resize((index + 1) * n, MASKED);
            window.resize(window.len() + input.ids.len(), index as u32);
        }
        let each = || inputs.iter().zip(&offsets);
        let first: Vec<u32> = each().map(|(_, &offset)| offset as u32).collect();
        Ok(Self {
            mask: Tensor::from_vec(mask, (inputs.len(), n), device)?,
            window_of: Tensor::from_vec(window, n, device)?,
            firsts: Tensor::from_vec(first, inputs.len(), device)?,
            starts: each().map(|(input, offset)| (offset + input.start) as u32).collect(),
            ends: each().map(|(input, offset)| (offset + input.end) as u32).collect(),
            impossible: inputs.iter().map(|input| f32::from(u8::from(input.impossible))).collect(),
            offsets,
        })
    }

    /// [N, 1] logits of tokens → [B, N], a row a window.
    fn rows(&self, logits: &Tensor) -> Result<Tensor> {
        Ok(self.mask.broadcast_add(&logits.reshape((1, logits.dim(0)?))?)?)
    }

    /// The mean of both ends' cross-entropies, of rows over N.
    fn span_loss(&self, start_rows: &Tensor, end_rows: &Tensor) -> Result<Tensor> {
        Ok(((cross_entropy(start_rows, &self.starts)? + cross_entropy(end_rows, &self.ends)?)? * 0.5)?)
    }
}

impl Allowed {
    /// Whether each token of an input may be pointed at.
    pub fn tokens(self, input: &Input) -> impl Iterator<Item = bool> {
        let types = input.types.iter().enumerate();
        types.map(move |(position, &kind)| self == Self::Window || position == 0 || kind == 1)
    }
}

/// A start and an end logit of each token by one dense layer.
pub struct SimpleHead {
    outputs: Linear,
}

impl SimpleHead {
    /// For hidden states H wide.
    pub fn new(mut builder: Builder<'_>, hidden: usize) -> Result<Self> {
        let outputs = Linear::new(builder.within("qa_outputs"), hidden, 2, Init::TruncatedNormal)?;
        Ok(Self { outputs })
    }

    /// [N, H] → start and end logits, [N, 1] each.
    pub fn logits(&self, hidden: &Tensor) -> Result<[Tensor; 2]> {
        let both = self.outputs.forward(hidden)?;
        Ok([both.narrow(1, 0, 1)?, both.narrow(1, 1, 1)?])
    }

    /// The mean loss of the windows.
    pub fn loss(&self, hidden: &Tensor, layout: &Layout) -> Result<Tensor> {
        let [start, end] = self.logits(hidden)?;
        layout.span_loss(&layout.rows(&start)?, &layout.rows(&end)?)
    }
}

/// The released code's head (google-research/electra, finetune/qa/qa_tasks.py).
pub struct PaperHead {
    start: Linear,
    /// Reads the start's hidden state and the token's own.
    end_inner: Linear,
    end: Linear,
    classifier: Option<Classifier>,
}

/// Whether a question has no answer, from [CLS] and the mean of the hidden states by the probability of a start.
struct Classifier {
    inner: Linear,
    output: Linear,
    weight: f64,
}

impl PaperHead {
    /// For hidden states H wide; `answerable_weight` is that of the classifier's loss, None without a classifier.
    pub fn new(mut builder: Builder<'_>, hidden: usize, answerable_weight: Option<f64>) -> Result<Self> {
        let mut dense =
            |name: &str, input, output| Linear::new(builder.within(name), input, output, Init::Glorot);
        let start = dense("start", hidden, 1)?;
        let (end_inner, end) = (dense("end_inner", 2 * hidden, INNER)?, dense("end", INNER, 1)?);
        let classifier = match answerable_weight {
            Some(weight) => Some(Classifier {
                inner: dense("answerable_inner", 2 * hidden, INNER)?,
                output: dense("answerable", INNER, 1)?,
                weight,
            }),
            None => None,
        };
        Ok(Self { start, end_inner, end, classifier })
    }

    /// The mean loss of the windows: ends are predicted from the gold starts.
    pub fn loss(&self, hidden: &Tensor, layout: &Layout) -> Result<Tensor> {
        let start_rows = layout.rows(&self.start_logits(hidden)?)?;
        let gold = Tensor::from_slice(&layout.starts, layout.starts.len(), hidden.device())?;
        let of_starts = self.of_starts(&hidden.index_select(&gold, 0)?)?;
        let of_gold_starts = of_starts.index_select(&layout.window_of, 0)?;
        let inner = gelu(&(self.of_tokens(hidden)? + of_gold_starts)?)?;
        let end_rows = layout.rows(&self.end.forward(&inner)?)?;
        let spans = layout.span_loss(&start_rows, &end_rows)?;
        let Some(classifier) = &self.classifier else { return Ok(spans) };
        let logits = classifier.logits(hidden, &start_rows, layout)?;
        let impossible = Tensor::from_slice(&layout.impossible, layout.impossible.len(), logits.device())?;
        let answerable = binary_cross_entropy(&logits, &impossible)?;
        Ok((spans + (answerable * classifier.weight)?)?)
    }

    /// [N, H] → [N, 1].
    pub fn start_logits(&self, hidden: &Tensor) -> Result<Tensor> {
        self.start.forward(hidden)
    }

    /// End logits of the T tokens of one window for each of K starts, [K, T]; all K × T pairs in one product.
    pub fn end_logits(&self, hidden: &Tensor, starts: &[u32]) -> Result<Tensor> {
        let rows = Tensor::from_slice(starts, starts.len(), hidden.device())?;
        let of_starts = self.of_starts(&hidden.index_select(&rows, 0)?)?;
        let of_tokens = self.of_tokens(hidden)?;
        let (k, t) = (starts.len(), hidden.dim(0)?);
        let inner = of_tokens.unsqueeze(0)?.broadcast_add(&of_starts.unsqueeze(1)?)?;
        let logits = self.end.forward(&gelu(&inner.reshape((k * t, INNER))?)?)?;
        Ok(logits.reshape((k, t))?)
    }

    /// Logits of having no answer, [B]; None without a classifier.
    pub fn null_logits(
        &self,
        hidden: &Tensor,
        start_logits: &Tensor,
        layout: &Layout,
    ) -> Result<Option<Tensor>> {
        let Some(classifier) = &self.classifier else { return Ok(None) };
        classifier.logits(hidden, &layout.rows(start_logits)?, layout).map(Some)
    }

    /// The start's half of the first layer, without its bias: a dense layer on two vectors side by side is the sum
    /// of one on each, and each vector then goes through it once and not once a pair.
    fn of_starts(&self, starts: &Tensor) -> Result<Tensor> {
        let half = self.half(0)?;
        Ok(starts.matmul(&half.t()?)?)
    }

    /// The token's half, with the bias.
    fn of_tokens(&self, hidden: &Tensor) -> Result<Tensor> {
        let half = Linear { weight: self.half(1)?, ..self.end_inner.clone() };
        half.forward(hidden)
    }

    fn half(&self, which: usize) -> Result<Tensor> {
        let hidden = self.end_inner.weight.dim(1)? / 2;
        Ok(self.end_inner.weight.narrow(1, which * hidden, hidden)?.contiguous()?)
    }
}

impl Classifier {
    /// [N, H] and start logits [B, N] → [B].
    fn logits(&self, hidden: &Tensor, start_rows: &Tensor, layout: &Layout) -> Result<Tensor> {
        let starts = softmax(start_rows)?.matmul(hidden)?;
        let firsts = hidden.index_select(&layout.firsts, 0)?;
        let inner = gelu(&self.inner.forward(&Tensor::cat(&[&firsts, &starts], 1)?)?)?;
        Ok(self.output.forward(&inner)?.squeeze(1)?)
    }
}

/// Along rows, from primitives that candle differentiates.
fn softmax(logits: &Tensor) -> Result<Tensor> {
    let powers = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?.exp()?;
    Ok(powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?)
}

#[cfg(test)]
mod tests;
