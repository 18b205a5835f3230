//! Which tokens are predicted, and what the network reads in their place.
//!
//! There are two rules (ELECTRA §2; google-research/electra, pretrain_helpers.py). [`Masker::new`] alone
//! turns them into behaviour:
//!
//! - `paper`: max(1, round(fraction × tokens)) different positions of each sequence. `[CLS]` and `[SEP]`
//!   count in the number of tokens but are never chosen. The objective sets the probabilities of `[MASK]` and
//!   of a random token. The paper draws as many positions independently and uniformly, so that one may be
//!   drawn twice; ours are drawn without replacement.
//! - `released_code`: at most int((fraction + 0.005) × sequence length) draws, each among all candidates, so
//!   that a position may be drawn twice. Every draw writes `[MASK]` with probability 0.85 and otherwise
//!   nothing. Each draw is a slot of its own in the generator's loss and gets a sample of its own.
//!
//! A full batch is masked once per step, and every micro-batch gets its part of that mask.
//! Must never: know what is done with the slots. Next: `prediction.rs`.

use std::sync::Arc;

use super::step::{StepTrace, u32_tensor};
use crate::error::Result;
use crate::experiment::Masking;
use crate::rng::{Purpose, Stream};
use crate::text::{Batch, BigramCounts};

/// Stream of what is written into the slots. The streams of the positions are numbered by sequence and stay
/// below it.
const WRITING: u64 = 1 << 32;

/// What masking needs to know about a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Number of tokens.
    pub size: usize,
    /// The `[MASK]` token.
    pub mask: u32,
    /// Tokens that are never masked: `[CLS]`, `[SEP]`, `[MASK]`, `[PAD]`.
    pub never_masked: Vec<u32>,
    /// How often each token occurs in the training text, `[V]`. Empty if the objective does not need it.
    pub counts: Vec<u64>,
    /// How often two tokens stand side by side in it. None if the objective does not need it.
    pub bigrams: Option<Arc<BigramCounts>>,
}

/// What is written into a slot: `[MASK]`, a random token, or otherwise nothing.
#[derive(Clone, Copy, Debug)]
pub struct MaskProbabilities {
    /// Probability of `[MASK]`.
    pub mask: f64,
    /// Probability of a token drawn uniformly from the vocabulary.
    pub random: f64,
}

/// The released code writes `[MASK]` or nothing, for every objective.
const RELEASED_CODE: MaskProbabilities = MaskProbabilities { mask: 0.85, random: 0.0 };

/// How the positions of a sequence are drawn.
#[derive(Clone, Copy, Debug)]
enum Draw {
    /// Without replacement.
    Distinct,
    /// With replacement.
    Repeated { max_draws: usize },
}

/// The mask of a batch or micro-batch, with M slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// Index of each slot's token in the batch, ascending. Equal ones where a position was drawn more than
    /// once. `[M]`
    pub positions: Vec<u32>,
    /// The token that each slot hides. `[M]`
    pub originals: Vec<u32>,
    /// What the network reads. `[T]`
    pub input_ids: Vec<u32>,
    /// Whether the network reads `[MASK]` at each slot. `[M]`
    pub is_hidden: Vec<bool>,
    /// Slots of the full batch.
    pub full_batch: SlotCounts,
    /// Number of slots of the full batch before these.
    pub first_slot: usize,
}

/// Numbers of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotCounts {
    /// All slots.
    pub all: usize,
    /// Different positions.
    pub distinct: usize,
}

impl SlotCounts {
    /// Counts ascending positions.
    pub fn of(positions: &[u32]) -> Self {
        let distinct = positions.chunk_by(|one, next| one == next).count();
        Self { all: positions.len(), distinct }
    }
}

impl Masked {
    /// The part of a full batch's mask that belongs to one of its micro-batches.
    pub fn of_micro_batch(&self, batch: &Batch) -> Self {
        let (start, end) = (batch.token_offset(), batch.token_offset() + batch.n_tokens());
        let first_slot_from =
            |token: usize| self.positions.partition_point(|&position| (position as usize) < token);
        let slots = first_slot_from(start)..first_slot_from(end);
        Self {
            positions: self.positions[slots.clone()].iter().map(|position| position - start as u32).collect(),
            originals: self.originals[slots.clone()].to_vec(),
            input_ids: self.input_ids[start..end].to_vec(),
            is_hidden: self.is_hidden[slots.clone()].to_vec(),
            full_batch: self.full_batch,
            first_slot: slots.start,
        }
    }

    /// The tensors that a trace of the step shows of the mask.
    pub fn trace(&self) -> Result<StepTrace> {
        Ok(vec![
            ("masked_positions", u32_tensor(&self.positions)?),
            ("originals", u32_tensor(&self.originals)?),
            ("generator_input", u32_tensor(&self.input_ids)?),
        ])
    }
}

/// A masking rule with its numbers.
#[derive(Clone, Debug)]
pub struct Masker {
    vocabulary: Vocabulary,
    fraction: f64,
    draw: Draw,
    probabilities: MaskProbabilities,
}

impl Masker {
    /// The rule of `masking` for sequences of at most `seq_len` tokens. `paper` is what the objective writes
    /// under the paper's rule.
    pub fn new(
        masking: Masking,
        fraction: f64,
        seq_len: usize,
        vocabulary: &Vocabulary,
        paper: MaskProbabilities,
    ) -> Self {
        let (draw, probabilities) = match masking {
            Masking::Paper => (Draw::Distinct, paper),
            Masking::ReleasedCode => {
                let max_draws = ((fraction + 0.005) * seq_len as f64) as usize;
                (Draw::Repeated { max_draws }, RELEASED_CODE)
            }
        };
        Self { vocabulary: vocabulary.clone(), fraction, draw, probabilities }
    }

    /// Number of entries in the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.size
    }

    /// Whether a token can be chosen.
    pub fn may_mask(&self, id: u32) -> bool {
        !self.vocabulary.never_masked.contains(&id)
    }

    /// Masks a full batch with the random numbers of (seed, step).
    pub fn mask(&self, batch: &Batch, seed: u64, step: u64) -> Masked {
        let mut positions = Vec::new();
        for (sequence, bounds) in batch.offsets.windows(2).enumerate() {
            let (start, end) = (bounds[0], bounds[1]);
            let candidates: Vec<u32> =
                (start..end).filter(|&i| self.may_mask(batch.input_ids[i])).map(|i| i as u32).collect();
            let stream = Stream::new(seed, Purpose::Mask, step, sequence as u64);
            positions.extend(self.draw.positions(candidates, end - start, self.fraction, stream));
        }
        let originals = positions.iter().map(|&position| batch.input_ids[position as usize]).collect();
        let mut input_ids = batch.input_ids.clone();
        let mut stream = Stream::new(seed, Purpose::Mask, step, WRITING);
        for &position in &positions {
            let (coin, random) = (stream.uniform(), stream.below(self.vocabulary.size));
            if coin < self.probabilities.mask {
                input_ids[position as usize] = self.vocabulary.mask;
            } else if coin < self.probabilities.mask + self.probabilities.random {
                input_ids[position as usize] = random as u32;
            }
        }
        let full_batch = SlotCounts::of(&positions);
        let is_mask = |&position: &u32| input_ids[position as usize] == self.vocabulary.mask;
        let is_hidden = positions.iter().map(is_mask).collect();
        Masked { positions, originals, input_ids, is_hidden, full_batch, first_slot: 0 }
    }
}

impl Draw {
    /// Positions of one sequence of `length` tokens, ascending.
    fn positions(
        self,
        mut candidates: Vec<u32>,
        length: usize,
        fraction: f64,
        mut stream: Stream,
    ) -> Vec<u32> {
        match self {
            Self::Distinct => {
                let wanted = (length as f64 * fraction).round_ties_even().max(1.0) as usize;
                let wanted = wanted.min(candidates.len());
                // The first `wanted` entries of a Fisher-Yates shuffle: positions without replacement.
                for entry in 0..wanted {
                    let other = entry + stream.below(candidates.len() - entry);
                    candidates.swap(entry, other);
                }
                candidates.truncate(wanted);
                candidates.sort_unstable();
                candidates
            }
            Self::Repeated { max_draws } => {
                // The released code multiplies in f32. There 190 tokens at 0.15 give 28.500002, so 29 slots.
                let wanted = (length as f32 * fraction as f32).round_ties_even() as usize;
                let wanted = wanted.min(max_draws).max(1);
                let mut drawn: Vec<u32> =
                    (0..wanted).filter_map(|_| stream.choose(&candidates).copied()).collect();
                drawn.sort_unstable();
                drawn
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
