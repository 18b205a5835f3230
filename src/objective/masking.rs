//! Which tokens are predicted (facts: ELECTRA §3.1; google-research/electra, pretrain_helpers.py).
//!
//! This is the paper's rule: max(1, round(fraction × tokens)) different positions of each sequence, [CLS] and
//! [SEP] counted in the number but never chosen. The released code draws positions with replacement, which
//! reaches fewer distinct ones.

use crate::data::Batch;
use crate::rng::{Purpose, Stream};

/// What masking needs to know of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Number of tokens.
    pub size: usize,
    /// The [MASK] token.
    pub mask: u32,
    /// Tokens that are never masked: [CLS], [SEP], [MASK], [PAD].
    pub never_masked: Vec<u32>,
}

/// Positions of a batch that are predicted, in order, as indices into its tokens.
pub fn choose(batch: &Batch, vocabulary: &Vocabulary, fraction: f64, seed: u64, step: u64) -> Vec<u32> {
    let mut chosen = Vec::new();
    for (sequence, bounds) in batch.offsets.windows(2).enumerate() {
        let (start, end) = (bounds[0], bounds[1]);
        let mut candidates: Vec<u32> = (start..end)
            .filter(|&i| !vocabulary.never_masked.contains(&batch.ids[i]))
            .map(|i| i as u32)
            .collect();
        let wanted = ((end - start) as f64 * fraction).round_ties_even().max(1.0) as usize;
        let wanted = wanted.min(candidates.len());
        // The first `wanted` places of a Fisher-Yates shuffle: positions without replacement.
        let mut stream = Stream::new(seed, Purpose::Mask, step, sequence as u64);
        for place in 0..wanted {
            let other = place + stream.below(candidates.len() - place);
            candidates.swap(place, other);
        }
        candidates.truncate(wanted);
        candidates.sort_unstable();
        chosen.extend(candidates);
    }
    chosen
}

/// The batch's ids with `words` at `positions`.
pub fn replaced(batch: &Batch, positions: &[u32], words: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut ids = batch.ids.clone();
    for (&position, word) in positions.iter().zip(words) {
        ids[position as usize] = word;
    }
    ids
}

/// The original ids at `positions`.
pub fn originals(batch: &Batch, positions: &[u32]) -> Vec<u32> {
    positions.iter().map(|&position| batch.ids[position as usize]).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4.
    pub fn vocabulary(size: usize) -> Vocabulary {
        Vocabulary { size, mask: 4, never_masked: vec![0, 2, 3, 4] }
    }

    fn sentence(words: usize) -> Batch {
        let mut ids = vec![2];
        ids.extend((0..words).map(|i| 5 + i as u32 % 50));
        ids.push(3);
        let mut batch = Batch::new();
        batch.push(&ids, &vec![0; ids.len()]);
        batch
    }

    /// Facts, trap 18: round half to even, at least one.
    #[test]
    fn how_many_are_masked() {
        for (tokens, expected) in
            [(3, 1), (10, 2), (30, 4), (50, 8), (70, 10), (90, 14), (128, 19), (512, 77)]
        {
            let chosen = choose(&sentence(tokens - 2), &vocabulary(60), 0.15, 1, 1);
            assert_eq!(chosen.len(), expected, "{tokens} tokens");
        }
    }

    #[test]
    fn every_word_is_masked_equally_often_and_anew_each_step() {
        let batch = sentence(20);
        let mut counts = [0usize; 22];
        for step in 0..4000 {
            for position in choose(&batch, &vocabulary(60), 0.15, 1, step) {
                counts[position as usize] += 1;
            }
        }
        // 3 of 20 words at each of 4,000 steps: 600 expected, standard deviation 23.
        assert!(counts[1..21].iter().all(|&count| (510..690).contains(&count)), "{counts:?}");
        assert_eq!((counts[0], counts[21]), (0, 0));
        let at = |step| choose(&batch, &vocabulary(60), 0.15, 1, step);
        assert_ne!(at(1), at(2));
    }

    proptest! {
        #[test]
        fn special_tokens_are_never_masked(ids in prop::collection::vec(0u32..9, 1..40), fraction in 0.01..0.9) {
            let mut batch = Batch::new();
            batch.push(&ids, &vec![0; ids.len()]);
            batch.push(&[2, 3], &[0, 0]);
            batch.push(&ids, &vec![0; ids.len()]);
            let chosen = choose(&batch, &vocabulary(9), fraction, 3, 1);
            prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            for position in chosen {
                prop_assert!([1, 5, 6, 7, 8].contains(&batch.ids[position as usize]));
            }
        }
    }
}
