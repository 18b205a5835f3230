//! Attention from candle's primitives, one sequence and head after the other.

use candle_core::{D, Result, Tensor};

use super::config::{AttentionMask, ProbabilityNumbers};
use crate::ops::dropout::DropoutKey;

/// `attention` from candle's primitives.
pub fn reference(
    qkv: &Tensor,
    offsets: &[usize],
    heads: usize,
    mask: AttentionMask,
    key: Option<DropoutKey>,
) -> Result<Tensor> {
    let (_, width) = qkv.dims2()?;
    let (hidden, head) = (width / 3, width / 3 / heads);
    let numbers = ProbabilityNumbers::new(offsets, heads, key);
    let mut sequences = Vec::new();
    for bounds in offsets.windows(2) {
        let (start, len) = (bounds[0], bounds[1] - bounds[0]);
        let rows = qkv.narrow(0, start, len)?;
        let mask_scores = mask_scores(mask, len, qkv)?;
        let mut outputs = Vec::new();
        for h in 0..heads {
            let part = |which: usize| rows.narrow(1, which * hidden + h * head, head)?.contiguous();
            let mut scores = (part(0)?.matmul(&part(1)?.t()?)? * (1.0 / (head as f64).sqrt()))?;
            if let Some(mask_scores) = &mask_scores {
                scores = (scores + mask_scores)?;
            }
            let exps = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
            let mut probabilities = exps.broadcast_div(&exps.sum_keepdim(D::Minus1)?)?;
            if let Some(key) = &key {
                let mut kept = vec![0f32; len * len];
                for (i, row) in kept.chunks_exact_mut(len).enumerate() {
                    key.fill(numbers.first(start + i, h), row);
                }
                let kept = Tensor::from_vec(kept, (len, len), qkv.device())?.to_dtype(qkv.dtype())?;
                probabilities = (probabilities * kept)?;
            }
            outputs.push(probabilities.matmul(&part(2)?)?);
        }
        sequences.push(Tensor::cat(&outputs, 1)?);
    }
    Tensor::cat(&sequences, 0)
}

/// The scores `[T, T]` that are added to mask a sequence: None where nothing is masked.
fn mask_scores(mask: AttentionMask, len: usize, like: &Tensor) -> Result<Option<Tensor>> {
    if mask == AttentionMask::Full {
        return Ok(None);
    }
    let score = |at: usize| if mask.keys(at / len, len).contains(&(at % len)) { 0.0 } else { MASKED };
    let scores: Vec<f32> = (0..len * len).map(score).collect();
    Ok(Some(Tensor::from_vec(scores, (len, len), like.device())?.to_dtype(like.dtype())?))
}

/// A score whose exponential is negligible compared with that of any other score.
const MASKED: f32 = -1e9;
