//! Which tokens attend to which, and how dropout numbers the probabilities.

use std::ops::Range;
use std::sync::Arc;

use crate::ops::dropout::DropoutKey;

/// Which tokens of its sequence a token attends to; itself always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttentionMask {
    /// All.
    #[default]
    Full,
    /// Those before it: a model that reads from left to right.
    Causal,
    /// Those after it: from right to left.
    ReverseCausal,
}

impl AttentionMask {
    /// The keys that token `i` of `len` attends to.
    pub fn keys(self, i: usize, len: usize) -> Range<usize> {
        match self {
            Self::Full => 0..len,
            Self::Causal => 0..i + 1,
            Self::ReverseCausal => i..len,
        }
    }
}

/// The settings of an attention over a batch.
#[derive(Clone, Debug)]
pub struct AttentionConfig {
    /// First token of every sequence and, last, N.
    pub offsets: Arc<[usize]>,
    /// Attention heads.
    pub heads: usize,
    /// Which tokens attend to which.
    pub mask: AttentionMask,
    /// Dropout of the probabilities; None where nothing is dropped.
    pub key: Option<DropoutKey>,
}

impl AttentionConfig {
    /// A key that never drops anything is left out.
    pub fn new(offsets: &Arc<[usize]>, heads: usize, mask: AttentionMask, key: Option<DropoutKey>) -> Self {
        Self { offsets: offsets.clone(), heads, mask, key: key.filter(|key| !key.is_off()) }
    }
}

/// How dropout numbers the probabilities: each head of a token has as many as the longest sequence of the
/// batch has tokens.
#[derive(Clone, Copy, Debug)]
pub struct ProbabilityNumbers {
    heads: usize,
    longest: usize,
    first_token: usize,
}

impl ProbabilityNumbers {
    /// Those of sequences with these offsets.
    pub fn new(offsets: &[usize], heads: usize, key: Option<DropoutKey>) -> Self {
        let offset = key.map(|key| key.offset).unwrap_or_default();
        let longest = longest(offsets).max(offset.longest);
        Self { heads, longest, first_token: offset.first_token }
    }

    /// The number of the probability that a head of token `token` gives to its sequence's first key.
    pub fn first(self, token: usize, head: usize) -> usize {
        ((self.first_token + token) * self.heads + head) * self.longest
    }
}

/// Tokens of the longest sequence.
pub fn longest(offsets: &[usize]) -> usize {
    offsets.windows(2).map(|bounds| bounds[1] - bounds[0]).max().unwrap_or(0)
}
