//! Generators without a network: every position draws from the same table of token frequencies.
//!
//! They are ELECTRA's "unigram" generator (§3.2) and the released code's `uniform_generator`. Tokens that are
//! never masked are never drawn. Must never: look at the context. Next: `proposals.rs`.

use super::masking::{Masked, Vocabulary};
use super::step::StepContext;
use crate::error::{Error, ErrorKind, Result};
use crate::rng::{Purpose, Stream};

/// A distribution over the vocabulary.
#[derive(Clone, Debug)]
pub struct Frequencies {
    /// Summed weight of all tokens up to and including each one, `[V]`.
    cumulative: Vec<f64>,
}

impl Frequencies {
    /// Each token as often as in the training text. A temperature T raises the frequencies to the power 1/T.
    ///
    /// # Errors
    /// No token that may be drawn occurs in the text.
    pub fn unigram(vocabulary: &Vocabulary, temperature: f64) -> Result<Self> {
        let weight = |token: usize| match vocabulary.counts.get(token) {
            None | Some(0) => 0.0,
            Some(&count) => (count as f64).powf(1.0 / temperature),
        };
        let table = Self::new(vocabulary, weight);
        if table.total() > 0.0 {
            return Ok(table);
        }
        let what = "`generator: unigram` finds no token in the training text that it may draw";
        Err(Error::new(ErrorKind::Data, what, "add training text, or set `generator: uniform`"))
    }

    /// Every token equally likely.
    pub fn uniform(vocabulary: &Vocabulary) -> Self {
        Self::new(vocabulary, |_| 1.0)
    }

    fn new(vocabulary: &Vocabulary, weight: impl Fn(usize) -> f64) -> Self {
        let mut sum = 0.0;
        let each = (0..vocabulary.size).map(|token| {
            sum += if vocabulary.never_masked.contains(&(token as u32)) { 0.0 } else { weight(token) };
            sum
        });
        Self { cumulative: each.collect() }
    }

    /// A token for every slot. With `disallow_correct` it differs from the original, if there is another
    /// token. Slot i of the full batch uses stream (seed, Sample, step, i), as a network's samples do.
    pub fn sample(&self, masked: &Masked, disallow_correct: bool, context: StepContext) -> Vec<u32> {
        let draw = |(slot, &original): (usize, &u32)| {
            let step = context.sampling_step();
            let uniform = Stream::new(context.seed, Purpose::Sample, step, slot as u64).uniform();
            self.draw(uniform, disallow_correct.then_some(original))
        };
        (masked.first_slot..).zip(&masked.originals).map(draw).collect()
    }

    /// Entropy in nats.
    pub fn entropy(&self) -> f64 {
        let total = self.total();
        let probabilities = (0..self.cumulative.len()).map(|token| {
            let (before, after) = self.bounds(token);
            (after - before) / total
        });
        probabilities.filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum()
    }

    fn total(&self) -> f64 {
        self.cumulative.last().copied().unwrap_or_default()
    }

    /// Cumulative weight before the token and after it.
    fn bounds(&self, token: usize) -> (f64, f64) {
        let up_to = |end: usize| end.checked_sub(1).and_then(|i| self.cumulative.get(i)).copied();
        (up_to(token).unwrap_or_default(), up_to(token + 1).unwrap_or(self.total()))
    }

    /// The token at which the cumulative probability passes `uniform`, with `forbidden` left out.
    fn draw(&self, uniform: f64, forbidden: Option<u32>) -> u32 {
        let mut target = uniform * self.total();
        if let Some(forbidden) = forbidden {
            let (before, after) = self.bounds(forbidden as usize);
            let others = before + (self.total() - after);
            if others > 0.0 {
                target = uniform * others;
                if target >= before {
                    target = (target - before) + after;
                }
            }
        }
        let token = self.cumulative.partition_point(|&sum| sum <= target);
        // Rounding may reach the very end, which belongs to the last token with a weight.
        let last = self.cumulative.partition_point(|&sum| sum < self.total());
        token.min(last) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::masking::SlotCounts;
    use crate::objective::masking::tests::vocabulary;

    const CONTEXT: StepContext = StepContext { seed: 1, step: 5, training: true, trace: false };

    fn counted() -> Vocabulary {
        // Half of the text is special tokens. Of the rest, token 6 is 1/4 and token 7 is 3/4.
        Vocabulary { counts: vec![0, 0, 500, 400, 100, 0, 250, 750], ..vocabulary(8) }
    }

    fn slots(originals: &[u32]) -> Masked {
        let positions: Vec<u32> = (0..originals.len() as u32).collect();
        Masked {
            originals: originals.into(),
            input_ids: Vec::new(),
            is_hidden: vec![true; originals.len()],
            full_batch: SlotCounts::of(&positions),
            first_slot: 0,
            positions,
        }
    }

    fn shares(table: &Frequencies, originals: &[u32], disallow_correct: bool) -> Vec<f64> {
        let mut shares = vec![0.0; 8];
        let samples = table.sample(&slots(originals), disallow_correct, CONTEXT);
        for sample in &samples {
            shares[*sample as usize] += 1.0 / samples.len() as f64;
        }
        shares
    }

    #[test]
    fn samples_are_as_frequent_as_the_text() {
        let close = |shares: Vec<f64>, expected: [f64; 8]| {
            for (share, expected) in shares.iter().zip(expected) {
                assert!((share - expected).abs() < 0.02, "{shares:?}");
                assert!(expected > 0.0 || *share == 0.0, "a token that is not in the text: {shares:?}");
            }
        };
        let unigram = Frequencies::unigram(&counted(), 1.0).unwrap();
        close(shares(&unigram, &[5; 8000], false), [0., 0., 0., 0., 0., 0., 0.25, 0.75]);
        // Square roots of 1 : 3.
        let flat = Frequencies::unigram(&counted(), 2.0).unwrap();
        close(shares(&flat, &[5; 8000], false), [0., 0., 0., 0., 0., 0., 0.366, 0.634]);
        let uniform = Frequencies::uniform(&counted());
        close(shares(&uniform, &[5; 8000], false), [0., 0.25, 0., 0., 0., 0.25, 0.25, 0.25]);
    }

    #[test]
    fn a_disallowed_original_is_never_drawn() {
        let uniform = Frequencies::uniform(&counted());
        for original in [1, 5, 7] {
            let shares = shares(&uniform, &[original; 3000], true);
            assert_eq!(shares[original as usize], 0.0);
            for token in [1, 5, 6, 7].into_iter().filter(|&token| token != original as usize) {
                assert!((shares[token] - 1.0 / 3.0).abs() < 0.03, "{shares:?}");
            }
        }
        let one = Vocabulary { counts: vec![0, 0, 9, 9, 9, 0, 4, 0], ..vocabulary(8) };
        let only = Frequencies::unigram(&one, 1.0).unwrap();
        assert_eq!(only.sample(&slots(&[6, 5]), true, CONTEXT), [6, 6], "no other token can be drawn");
    }

    #[test]
    fn the_ends_of_the_unit_interval_give_tokens_with_a_weight() {
        let unigram = Frequencies::unigram(&counted(), 1.0).unwrap();
        for (uniform, forbidden, expected) in
            [(0.0, None, 6), (1.0, None, 7), (0.0, Some(6), 7), (1.0 - 1e-16, Some(7), 6)]
        {
            assert_eq!(unigram.draw(uniform, forbidden), expected);
        }
    }

    #[test]
    fn entropies_by_hand() {
        assert!((Frequencies::uniform(&counted()).entropy() - 4f64.ln()).abs() < 1e-12);
        let unigram = Frequencies::unigram(&counted(), 1.0).unwrap();
        assert!((unigram.entropy() - (4f64.ln() - 0.75 * 3f64.ln())).abs() < 1e-12);
    }

    #[test]
    fn a_text_without_drawable_tokens_is_an_error() {
        for counts in [vec![], vec![9, 0, 9, 9, 9]] {
            let error = Frequencies::unigram(&Vocabulary { counts, ..vocabulary(8) }, 1.0).unwrap_err();
            assert!(error.message.contains("no token"), "{error}");
        }
    }
}
