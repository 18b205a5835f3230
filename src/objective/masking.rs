//! Which tokens are predicted, and what the network reads in their place.
//!
//! Two rules (facts: ELECTRA §3.1; google-research/electra, pretrain_helpers.py), turned into behaviour by
//! [`Masker::new`] alone:
//!
//! - `paper`: max(1, round(fraction × tokens)) different positions of each sequence, [CLS] and [SEP] counted
//!   in the number but never chosen. The objective says which share of them becomes [MASK] or a random token.
//! - `released_code`: at most int((fraction + 0.005) × sequence length) draws, each among all candidates, so
//!   that a position may be drawn twice; every draw writes [MASK] with probability 0.85 and else nothing. A
//!   draw is a slot of its own in the generator's loss and gets a sample of its own.
//!
//! Must never: know what is done with the slots. Next: `mlm.rs`, `rtd.rs`.

use super::{StepTrace, integers};
use crate::error::Result;
use crate::experiment::Masking;
use crate::rng::{Purpose, Stream};
use crate::text::Batch;

/// Streams of what is written follow those of the positions, which are numbered by sequence.
const WRITING: u64 = 1 << 32;

/// What masking needs to know of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Number of tokens.
    pub size: usize,
    /// The [MASK] token.
    pub mask: u32,
    /// Tokens that are never masked: [CLS], [SEP], [MASK], [PAD].
    pub never_masked: Vec<u32>,
    /// How often each token occurs in the training text, where the objective needs it; else empty. [V]
    pub counts: Vec<u64>,
}

/// What is written into a slot: [MASK], a random token, or (the rest) nothing.
#[derive(Clone, Copy, Debug)]
pub struct MaskProbabilities {
    /// Probability of [MASK].
    pub mask: f64,
    /// Probability of a token drawn uniformly from the vocabulary.
    pub random: f64,
}

/// The released code writes [MASK] or nothing, whatever the objective.
const RELEASED_CODE: MaskProbabilities = MaskProbabilities { mask: 0.85, random: 0.0 };

/// How the positions of a sequence are drawn.
#[derive(Clone, Copy, Debug)]
enum Draw {
    /// Without replacement.
    Distinct,
    /// With replacement, at most so many.
    Repeated { most: usize },
}

/// What masking makes of a batch, in M slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// Where each slot is, as an index into the batch's tokens, ascending; equal ones where a position was
    /// drawn more than once. [M]
    pub positions: Vec<u32>,
    /// The token that each slot hides. [M]
    pub originals: Vec<u32>,
    /// What the network reads. [T]
    pub ids: Vec<u32>,
    /// Those of the whole batch, where this is a part of one.
    pub whole: Slots,
    /// Slots of the whole batch before these.
    pub before: usize,
}

/// Numbers of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// All.
    pub all: usize,
    /// Different positions.
    pub distinct: usize,
}

impl Slots {
    /// Of ascending positions.
    pub fn of(positions: &[u32]) -> Self {
        let distinct = positions.chunk_by(|one, next| one == next).count();
        Self { all: positions.len(), distinct }
    }
}

impl Masked {
    /// The parts of a step that masking knows.
    pub fn trace(&self) -> Result<StepTrace> {
        Ok(vec![
            ("masked_positions", integers(&self.positions)?),
            ("originals", integers(&self.originals)?),
            ("generator_input", integers(&self.ids)?),
        ])
    }
}

/// A masking rule with its numbers.
#[derive(Clone, Debug)]
pub struct Masker {
    vocabulary: Vocabulary,
    fraction: f64,
    draw: Draw,
    shares: MaskProbabilities,
}

impl Masker {
    /// The rule of `masking` for sequences of at most `seq_len` tokens; `paper` is what the objective writes
    /// under the paper's rule.
    pub fn new(
        masking: Masking,
        fraction: f64,
        seq_len: usize,
        vocabulary: &Vocabulary,
        paper: MaskProbabilities,
    ) -> Self {
        let (draw, shares) = match masking {
            Masking::Paper => (Draw::Distinct, paper),
            Masking::ReleasedCode => {
                (Draw::Repeated { most: ((fraction + 0.005) * seq_len as f64) as usize }, RELEASED_CODE)
            }
        };
        Self { vocabulary: vocabulary.clone(), fraction, draw, shares }
    }

    /// Entries of the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.size
    }

    /// Whether a token is ever chosen.
    pub fn may_mask(&self, id: u32) -> bool {
        !self.vocabulary.never_masked.contains(&id)
    }

    /// Masks a batch with the random numbers of (seed, step). A part of a batch gets its part of the whole's mask.
    pub fn mask(&self, batch: &Batch, seed: u64, step: u64) -> Masked {
        let masked = self.mask_whole(batch.whole(), seed, step);
        let (start, end) = (batch.first_token(), batch.first_token() + batch.n_tokens());
        let slot_at =
            |token: usize| masked.positions.partition_point(|&position| (position as usize) < token);
        let own = slot_at(start)..slot_at(end);
        Masked {
            positions: masked.positions[own.clone()].iter().map(|position| position - start as u32).collect(),
            originals: masked.originals[own.clone()].to_vec(),
            ids: masked.ids[start..end].to_vec(),
            whole: masked.whole,
            before: own.start,
        }
    }

    fn mask_whole(&self, batch: &Batch, seed: u64, step: u64) -> Masked {
        let mut positions = Vec::new();
        for (sequence, bounds) in batch.offsets.windows(2).enumerate() {
            let (start, end) = (bounds[0], bounds[1]);
            let candidates: Vec<u32> =
                (start..end).filter(|&i| self.may_mask(batch.ids[i])).map(|i| i as u32).collect();
            let stream = Stream::new(seed, Purpose::Mask, step, sequence as u64);
            positions.extend(self.draw.positions(candidates, end - start, self.fraction, stream));
        }
        let originals = positions.iter().map(|&position| batch.ids[position as usize]).collect();
        let mut ids = batch.ids.clone();
        let mut stream = Stream::new(seed, Purpose::Mask, step, WRITING);
        for &position in &positions {
            let (coin, random) = (stream.uniform(), stream.below(self.vocabulary.size));
            if coin < self.shares.mask {
                ids[position as usize] = self.vocabulary.mask;
            } else if coin < self.shares.mask + self.shares.random {
                ids[position as usize] = random as u32;
            }
        }
        Masked { whole: Slots::of(&positions), before: 0, positions, originals, ids }
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
                // The first `wanted` places of a Fisher-Yates shuffle: positions without replacement.
                for place in 0..wanted {
                    let other = place + stream.below(candidates.len() - place);
                    candidates.swap(place, other);
                }
                candidates.truncate(wanted);
                candidates.sort_unstable();
                candidates
            }
            Self::Repeated { most } => {
                // The released code multiplies in f32: 190 tokens at 0.15 are 28.500002 there, and 29 slots.
                let wanted = (length as f32 * fraction as f32).round_ties_even() as usize;
                let wanted = wanted.min(most).max(1);
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
