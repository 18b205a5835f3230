//! The heads that predict spans, from the hidden states of a batch without padding.
//!
//! The scores of a window are a row over all N tokens of the batch. The tokens of other windows, and those
//! that cannot be in an answer, have 1000 subtracted (the released code's mask), so their probability is
//! exactly 0. Must never: tokenise, or decide which span is the answer. Next: `reader.rs`.
//!
//! Shape suffixes: N tokens, B windows, H width, Q inner width, T tokens of one window, K beam.

use std::sync::Arc;

use candle_core::{D, Device, Tensor};

use super::features::WindowInput;
use crate::error::Result;
use crate::nn::{Builder, Init, Linear};
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::ops::cross_entropy::cross_entropy;
use crate::ops::gelu::gelu;

/// Inner width of the networks for the end and for the classifier.
const INNER: usize = 512;
/// Added to the logits of tokens that cannot be in an answer.
const MASKED: f32 = -1000.0;

/// The windows of a batch and their targets.
pub struct BatchLayout {
    /// First token of each window and, last, N.
    pub offsets: Vec<usize>,
    /// The mask of each window, which is added to a row of logits over N, `[B, N]`.
    mask: Tensor,
    /// Window of each token, `[N]`.
    window_of: Tensor,
    /// First token of each window, `[B]`.
    first_tokens: Tensor,
    starts: Arc<[u32]>,
    ends: Arc<[u32]>,
    is_impossible: Arc<[f32]>,
}

/// The tokens that a head may predict, in addition to `[CLS]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedTokens {
    /// The tokens of the context, and the `[SEP]` after it.
    Context,
    /// All tokens of the window.
    Window,
}

impl BatchLayout {
    /// The layout of inputs that are end to end.
    pub fn new(inputs: &[&WindowInput], allowed: AllowedTokens, device: &Device) -> Result<Self> {
        let mut offsets = vec![0];
        offsets.extend(inputs.iter().scan(0, |end, input| {
            *end += input.input_ids.len();
            Some(*end)
        }));
        let n = offsets.last().copied().unwrap_or(0);
        let mut mask = Vec::with_capacity(inputs.len() * n);
        let mut window = Vec::with_capacity(n);
        for (index, (input, &offset)) in inputs.iter().zip(&offsets).enumerate() {
            mask.resize(mask.len() + offset, MASKED);
            mask.extend(allowed.tokens(input).map(|is_allowed| if is_allowed { 0.0 } else { MASKED }));
            mask.resize((index + 1) * n, MASKED);
            window.resize(window.len() + input.input_ids.len(), index as u32);
        }
        let each = || inputs.iter().zip(&offsets);
        let first: Vec<u32> = each().map(|(_, &offset)| offset as u32).collect();
        Ok(Self {
            mask: Tensor::from_vec(mask, (inputs.len(), n), device)?,
            window_of: Tensor::from_vec(window, n, device)?,
            first_tokens: Tensor::from_vec(first, inputs.len(), device)?,
            starts: each().map(|(input, offset)| (offset + input.start) as u32).collect(),
            ends: each().map(|(input, offset)| (offset + input.end) as u32).collect(),
            is_impossible: inputs.iter().map(|input| f32::from(u8::from(input.is_impossible))).collect(),
            offsets,
        })
    }

    /// `[N, 1]` logits of tokens → `[B, N]`, one row per window.
    fn rows(&self, logits: &Tensor) -> Result<Tensor> {
        Ok(self.mask.broadcast_add(&logits.reshape((1, logits.dim(0)?))?)?)
    }

    /// The mean of the cross-entropies of the start and the end; logits are `[B, N]`.
    fn span_loss(&self, start_rows: &Tensor, end_rows: &Tensor) -> Result<Tensor> {
        Ok(((cross_entropy(start_rows, &self.starts)? + cross_entropy(end_rows, &self.ends)?)? * 0.5)?)
    }
}

impl AllowedTokens {
    /// Whether each token of an input may be predicted.
    pub fn tokens(self, input: &WindowInput) -> impl Iterator<Item = bool> {
        let segments = input.token_type_ids.iter().enumerate();
        segments.map(move |(position, &segment)| self == Self::Window || position == 0 || segment == 1)
    }
}

/// One dense layer gives a start logit and an end logit for each token.
pub struct SimpleHead {
    outputs: Linear,
}

impl SimpleHead {
    /// A head for hidden states of width H.
    pub fn new(mut builder: Builder<'_>, hidden: usize) -> Result<Self> {
        let outputs = Linear::new(builder.within("qa_outputs"), hidden, 2, Init::TruncatedNormal)?;
        Ok(Self { outputs })
    }

    /// `[N, H]` → start and end logits, `[N, 1]` each.
    pub fn logits(&self, hidden: &Tensor) -> Result<[Tensor; 2]> {
        let both = self.outputs.forward(hidden)?;
        Ok([both.narrow(1, 0, 1)?, both.narrow(1, 1, 1)?])
    }

    /// The mean loss of the windows.
    pub fn loss(&self, hidden: &Tensor, layout: &BatchLayout) -> Result<Tensor> {
        let [start, end] = self.logits(hidden)?;
        layout.span_loss(&layout.rows(&start)?, &layout.rows(&end)?)
    }
}

/// The released code's head (google-research/electra, finetune/qa/qa_tasks.py).
pub struct PaperHead {
    start: Linear,
    /// Its input is the hidden states of the start and of the token.
    end_inner: Linear,
    end: Linear,
    classifier: Option<AnswerabilityClassifier>,
}

/// Predicts whether a question has no answer, from the hidden state of `[CLS]` and the mean of all hidden
/// states, weighted by the probability of a start.
struct AnswerabilityClassifier {
    inner: Linear,
    output: Linear,
    weight: f64,
}

impl PaperHead {
    /// A head for hidden states of width H; `answerable_weight` is the weight of the classifier's loss, None
    /// without a classifier.
    pub fn new(mut builder: Builder<'_>, hidden: usize, answerable_weight: Option<f64>) -> Result<Self> {
        let mut dense =
            |name: &str, input, output| Linear::new(builder.within(name), input, output, Init::Glorot);
        let start = dense("start", hidden, 1)?;
        let (end_inner, end) = (dense("end_inner", 2 * hidden, INNER)?, dense("end", INNER, 1)?);
        let classifier = match answerable_weight {
            Some(weight) => Some(AnswerabilityClassifier {
                inner: dense("answerable_inner", 2 * hidden, INNER)?,
                output: dense("answerable", INNER, 1)?,
                weight,
            }),
            None => None,
        };
        Ok(Self { start, end_inner, end, classifier })
    }

    /// The mean loss of the windows; ends are predicted from the gold starts.
    pub fn loss(&self, hidden: &Tensor, layout: &BatchLayout) -> Result<Tensor> {
        let start_rows = layout.rows(&self.start_logits(hidden)?)?;
        let gold = Tensor::from_slice(&layout.starts, layout.starts.len(), hidden.device())?;
        let start_products = self.project_starts(&hidden.index_select(&gold, 0)?)?;
        let start_products = start_products.index_select(&layout.window_of, 0)?;
        let inner = gelu(&(self.project_tokens(hidden)? + start_products)?)?;
        let end_rows = layout.rows(&self.end.forward(&inner)?)?;
        let spans = layout.span_loss(&start_rows, &end_rows)?;
        let Some(classifier) = &self.classifier else { return Ok(spans) };
        let logits = classifier.logits(hidden, &start_rows, layout)?;
        let impossible =
            Tensor::from_slice(&layout.is_impossible, layout.is_impossible.len(), logits.device())?;
        let answerable = binary_cross_entropy(&logits, &impossible)?;
        Ok((spans + (answerable * classifier.weight)?)?)
    }

    /// Start logits: `[N, H]` → `[N, 1]`.
    pub fn start_logits(&self, hidden: &Tensor) -> Result<Tensor> {
        self.start.forward(hidden)
    }

    /// End logits of the T tokens of one window for each of K starts, `[K, T]`; all K × T pairs in one
    /// product.
    pub fn end_logits(&self, hidden: &Tensor, starts: &[u32]) -> Result<Tensor> {
        let rows = Tensor::from_slice(starts, starts.len(), hidden.device())?;
        let start_products = self.project_starts(&hidden.index_select(&rows, 0)?)?;
        let token_products = self.project_tokens(hidden)?;
        let (k, t) = (starts.len(), hidden.dim(0)?);
        let inner = token_products.unsqueeze(0)?.broadcast_add(&start_products.unsqueeze(1)?)?;
        let logits = self.end.forward(&gelu(&inner.reshape((k * t, INNER))?)?)?;
        Ok(logits.reshape((k, t))?)
    }

    /// Logits of no answer, `[B]`; None without a classifier.
    pub fn null_logits(
        &self,
        hidden: &Tensor,
        start_logits: &Tensor,
        layout: &BatchLayout,
    ) -> Result<Option<Tensor>> {
        let Some(classifier) = &self.classifier else { return Ok(None) };
        classifier.logits(hidden, &layout.rows(start_logits)?, layout).map(Some)
    }

    /// The first layer's product with the starts, without the bias. A dense layer on two concatenated vectors
    /// is the sum of one dense layer on each, so each vector is multiplied once, and not once per pair.
    fn project_starts(&self, starts: &Tensor) -> Result<Tensor> {
        let half = self.half(0)?;
        Ok(starts.matmul(&half.t()?)?)
    }

    /// The first layer's product with the tokens, with the bias.
    fn project_tokens(&self, hidden: &Tensor) -> Result<Tensor> {
        let half = Linear { weight: self.half(1)?, ..self.end_inner.clone() };
        half.forward(hidden)
    }

    fn half(&self, which: usize) -> Result<Tensor> {
        let hidden = self.end_inner.weight.dim(1)? / 2;
        Ok(self.end_inner.weight.narrow(1, which * hidden, hidden)?.contiguous()?)
    }
}

impl AnswerabilityClassifier {
    /// `[N, H]` and start logits `[B, N]` → `[B]`.
    fn logits(&self, hidden: &Tensor, start_rows: &Tensor, layout: &BatchLayout) -> Result<Tensor> {
        let starts = softmax(start_rows)?.matmul(hidden)?;
        let first_tokens = hidden.index_select(&layout.first_tokens, 0)?;
        let inner = gelu(&self.inner.forward(&Tensor::cat(&[&first_tokens, &starts], 1)?)?)?;
        Ok(self.output.forward(&inner)?.squeeze(1)?)
    }
}

/// Softmax along rows, from operations that candle differentiates.
fn softmax(logits: &Tensor) -> Result<Tensor> {
    let exponentials = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?.exp()?;
    Ok(exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)?)
}

#[cfg(test)]
mod tests;
