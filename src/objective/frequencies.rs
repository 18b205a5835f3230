//! Generators without a network: tokens drawn from one table for every position (ELECTRA §3.2, "unigram", and the
//! released code's `uniform_generator`).
//!
//! Tokens that are never masked are never drawn. Must never: look at the context. Next: `proposals.rs`.

use super::StepContext;
use super::masking::{Masked, Vocabulary};
use crate::error::{Error, ErrorKind, Result};
use crate::rng::{Purpose, Stream};

/// A distribution over the vocabulary.
#[derive(Clone, Debug)]
pub struct Frequencies {
    /// Weight of the tokens up to and with each one, [V].
    cumulative: Vec<f64>,
}

impl Frequencies {
    /// Each token as often as in the training text; a temperature T raises frequencies to 1/T.
    ///
    /// Errors: the text has none of the tokens that may be drawn.
    pub fn unigram(vocabulary: &Vocabulary, temperature: f64) -> Result<Self> {
        let weight = |token: usize| match vocabulary.counts.get(token) {
            None | Some(0) => 0.0,
            Some(&count) => (count as f64).powf(1.0 / temperature),
        };
        let table = Self::new(vocabulary, weight);
        if table.total() > 0.0 {
            return Ok(table);
        }
        let what = "generator: unigram finds no token in the training text that it may draw";
        Err(Error::new(ErrorKind::Data, what, "give more text, or use `generator: uniform`"))
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

    /// A token for every slot; with `disallow_correct` another one than the original, where there is another.
    /// Slot i of the whole batch uses stream (seed, Sample, step, i), as a network's samples do.
    pub fn sample(&self, masked: &Masked, disallow_correct: bool, at: StepContext) -> Vec<u32> {
        let draw = |(slot, &original): (usize, &u32)| {
            let uniform = Stream::new(at.seed, Purpose::Sample, at.draw(), slot as u64).uniform();
            self.draw(uniform, disallow_correct.then_some(original))
        };
        (masked.before..).zip(&masked.originals).map(draw).collect()
    }

    /// Entropy in nats: what a network's samples are compared with.
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

    /// The token's part of the cumulative weights.
    fn bounds(&self, token: usize) -> (f64, f64) {
        let up_to = |end: usize| end.checked_sub(1).and_then(|i| self.cumulative.get(i)).copied();
        (up_to(token).unwrap_or_default(), up_to(token + 1).unwrap_or(self.total()))
    }

    /// The token at which the cumulative probability passes `uniform`, with `forbidden` cut out of the line.
    fn draw(&self, uniform: f64, forbidden: Option<u32>) -> u32 {
        let mut left = uniform * self.total();
        if let Some(forbidden) = forbidden {
            let (before, after) = self.bounds(forbidden as usize);
            let others = before + (self.total() - after);
            if others > 0.0 {
                left = uniform * others;
                if left >= before {
                    left = (left - before) + after;
                }
            }
        }
        let token = self.cumulative.partition_point(|&sum| sum <= left);
        // Rounding may reach the very end: that sliver belongs to the last token with a weight.
        let last = self.cumulative.partition_point(|&sum| sum < self.total());
        token.min(last) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::masking::Slots;
    use crate::objective::masking::tests::vocabulary;

    const AT: StepContext = StepContext { seed: 1, step: 5, training: true, trace: false };

    fn counted() -> Vocabulary {
        // Half of the text are special tokens; of the rest 6 is 1/4, 7 is 3/4.
        Vocabulary { counts: vec![0, 0, 500, 400, 100, 0, 250, 750], ..vocabulary(8) }
    }

    fn slots(originals: &[u32]) -> Masked {
        let positions: Vec<u32> = (0..originals.len() as u32).collect();
        Masked {
            originals: originals.into(),
            ids: Vec::new(),
            whole: Slots::of(&positions),
            before: 0,
            positions,
        }
    }

    fn shares(table: &Frequencies, originals: &[u32], disallow_correct: bool) -> Vec<f64> {
        let mut shares = vec![0.0; 8];
        let samples = table.sample(&slots(originals), disallow_correct, AT);
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
                assert!(expected > 0.0 || *share == 0.0, "a token that the text has not: {shares:?}");
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
    fn the_original_is_never_drawn_where_it_may_not_be() {
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
        assert_eq!(only.sample(&slots(&[6, 5]), true, AT), [6, 6], "there is no other token");
    }

    #[test]
    fn the_ends_of_the_unit_interval_stay_in_range() {
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
    fn a_text_without_words_is_an_error() {
        for counts in [vec![], vec![9, 0, 9, 9, 9]] {
            let error = Frequencies::unigram(&Vocabulary { counts, ..vocabulary(8) }, 1.0).unwrap_err();
            assert!(error.message.contains("no token"), "{error}");
        }
    }
}
