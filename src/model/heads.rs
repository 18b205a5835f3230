//! Output heads of pre-training (facts: google-research/electra, run_pretraining.py and modeling.py).

use std::sync::Arc;

use candle_core::Tensor;

use crate::error::Result;
use crate::experiment::EncoderShape;
use crate::nn::{Builder, Init, LayerNorm, Linear};
use crate::ops::fused_linear_cross_entropy::{RowLosses, fused_linear_cross_entropy};
use crate::ops::fused_linear_softmax_stats::fused_linear_softmax_stats;
use crate::ops::gelu::gelu;
use crate::ops::linear::linear;
use crate::ops::sampling::Sampler;
use crate::ops::softmax_stats::SoftmaxStats;
use crate::precision::Precision;

/// Dense(H → E) → GELU → LayerNorm → word tableᵀ + bias: logits over the vocabulary.
#[derive(Clone, Debug)]
pub struct MaskedLmHead {
    dense: Linear,
    norm: LayerNorm,
    word: Tensor,
    bias: Tensor,
    precision: Precision,
}

impl MaskedLmHead {
    /// A head whose output matrix is the word table `[V, E]`.
    pub fn new(mut builder: Builder<'_>, shape: &EncoderShape, word: &Tensor) -> Result<Self> {
        let (vocab, embedding) = word.dims2()?;
        Ok(Self {
            dense: Linear::new(builder.within("dense"), shape.hidden, embedding, Init::TruncatedNormal)?,
            norm: LayerNorm::new(builder.within("norm"), embedding, shape.norm_epsilon)?,
            word: word.clone(),
            bias: builder.parameter("bias", &[vocab], Init::Zeros)?,
            precision: builder.precision(),
        })
    }

    /// Hidden states `[M, H]` of the masked positions → logits `[M, V]`.
    pub fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        Ok(linear(&self.inner(hidden)?, &self.word, &self.bias, self.precision)?)
    }

    /// Hidden states `[M, H]` → softmax statistics of the logits `[M, V]` of [`forward`](Self::forward), each
    /// row with its target, without returning the logits.
    pub fn softmax_stats(
        &self,
        hidden: &Tensor,
        targets: &[u32],
        sampler: Option<Sampler>,
    ) -> Result<SoftmaxStats> {
        let inner = self.inner(hidden)?;
        Ok(fused_linear_softmax_stats(&inner, &self.word, &self.bias, targets, sampler, self.precision)?)
    }

    /// Hidden states `[N, H]` → the cross-entropy `[N]` of every row against its target, without holding N
    /// rows of logits.
    pub fn losses(&self, hidden: &Tensor, targets: &Arc<[u32]>) -> Result<RowLosses> {
        let inner = self.inner(hidden)?;
        Ok(fused_linear_cross_entropy(&inner, &self.word, &self.bias, targets, self.precision)?)
    }

    /// Hidden states `[N, H]` → log Σ exp of the logits `[N, V]` of each row, `[N]`, without holding them.
    pub fn log_sums(&self, hidden: &Tensor) -> Result<Tensor> {
        let inner = self.inner(hidden)?;
        // A cross-entropy is this sum less the target's logit, whichever token the target is.
        let targets: Arc<[u32]> = vec![0; inner.dim(0)?].into();
        let nll =
            fused_linear_cross_entropy(&inner, &self.word, &self.bias, &targets, self.precision)?.losses;
        let (word, bias) = (self.word.narrow(0, 0, 1)?, self.bias.narrow(0, 0, 1)?);
        Ok((nll + linear(&inner, &word, &bias, self.precision)?.squeeze(1)?)?)
    }

    fn inner(&self, hidden: &Tensor) -> Result<Tensor> {
        self.norm.forward(&gelu(&self.dense.forward(hidden)?)?)
    }
}

/// Dense(H → H) → GELU → Dense(H → 1): the logit that a token was replaced. No LayerNorm, no dropout.
#[derive(Clone, Debug)]
pub struct DiscriminatorHead {
    dense: Linear,
    prediction: Linear,
}

impl DiscriminatorHead {
    /// A head for hidden states of width `hidden`.
    pub fn new(mut builder: Builder<'_>, hidden: usize) -> Result<Self> {
        Ok(Self {
            dense: Linear::new(builder.within("dense"), hidden, hidden, Init::TruncatedNormal)?,
            prediction: Linear::new(builder.within("prediction"), hidden, 1, Init::Glorot)?,
        })
    }

    /// Hidden states `[N, H]` → logits `[N]`; positive means replaced.
    pub fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        let inner = gelu(&self.dense.forward(hidden)?)?;
        Ok(self.prediction.forward(&inner)?.squeeze(1)?)
    }
}

/// Dense(H → 1): the logit that a token is to be copied from the input (ELECTRA §3.5, All-Tokens MLM).
#[derive(Clone, Debug)]
pub struct CopyGate(Linear);

impl CopyGate {
    /// A gate for hidden states of width `hidden`.
    pub fn new(builder: Builder<'_>, hidden: usize) -> Result<Self> {
        Ok(Self(Linear::new(builder, hidden, 1, Init::TruncatedNormal)?))
    }

    /// Hidden states `[N, H]` → logits `[N]`; positive means copied.
    pub fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        Ok(self.0.forward(hidden)?.squeeze(1)?)
    }
}

/// wᵀ·h. Its -log sigmoid is the expected reward of a generator's sample (ELECTRA, appendix F).
#[derive(Clone, Debug)]
pub struct Baseline {
    weight: Tensor,
}

impl Baseline {
    /// A baseline for hidden states of width `hidden`.
    pub fn new(mut builder: Builder<'_>, hidden: usize) -> Result<Self> {
        Ok(Self { weight: builder.parameter("weight", &[1, hidden], Init::TruncatedNormal)? })
    }

    /// Hidden states `[M, H]` → logits `[M]`.
    pub fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        Ok(hidden.matmul(&self.weight.t()?)?.squeeze(1)?)
    }
}
