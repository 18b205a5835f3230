//! A generator without a network that reads the two neighbours of a slot.
//!
//! With l and r the tokens to the left and to the right, u the token frequencies, F the share of a token
//! among those that follow l, and B its share among those that stand before r:
//!
//! ```text
//! p(x) ∝ [(1 - ε)·F(x) + ε·u(x)] · [(1 - ε)·B(x) + ε·u(x)] / u(x)
//! ```
//!
//! That is p(x | l)·p(r | x) up to a constant: the probability of a token between two others under a bigram
//! model. The factor of a neighbour that `[MASK]` hides is left out. Tokens that are never masked are never
//! drawn. Must never: look further than the neighbours. Next: `frequencies.rs`, `proposals.rs`.

use std::sync::Arc;

use rayon::prelude::*;

use super::masking::{Masked, Vocabulary};
use super::step::StepContext;
use crate::error::{Error, ErrorKind, Result};
use crate::rng::{Purpose, Stream};
use crate::text::BigramCounts;

/// ε: the weight of the token frequencies in each factor. Ours.
const FREQUENCY_SHARE: f64 = 0.1;

/// A distribution for every pair of neighbours.
#[derive(Clone, Debug)]
pub struct BigramGenerator {
    counts: Arc<BigramCounts>,
    /// u, `[V]`; zero for tokens that are never drawn.
    frequencies: Vec<f64>,
    mask: u32,
    temperature: f64,
}

/// What was drawn at the M slots.
pub struct Drawn {
    /// `[M]`
    pub samples: Vec<u32>,
    /// Mean entropy of the distributions, in nats.
    pub entropy: f64,
}

impl BigramGenerator {
    /// # Errors
    /// No token that may be drawn occurs in the text.
    pub fn new(vocabulary: &Vocabulary, temperature: f64) -> Result<Self> {
        let Some(counts) = vocabulary.bigrams.clone() else {
            return Err(Error::internal("a bigram generator needs the counts of neighbouring tokens"));
        };
        let is_drawn = |token: usize| !vocabulary.never_masked.contains(&(token as u32));
        let count = |token: usize| match vocabulary.counts.get(token) {
            Some(&count) if is_drawn(token) => count as f64,
            _ => 0.0,
        };
        let total: f64 = (0..vocabulary.size).map(count).sum();
        if total == 0.0 {
            let what = "`generator: bigram` finds no token in the training text that it may draw";
            return Err(Error::new(ErrorKind::Data, what, "add training text, or set `generator: uniform`"));
        }
        let frequencies = (0..vocabulary.size).map(|token| count(token) / total).collect();
        Ok(Self { counts, frequencies, mask: vocabulary.mask, temperature })
    }

    /// A token for every slot. With `disallow_correct` it differs from the original, if there is another
    /// token. Slot i of the full batch uses stream (seed, Sample, step, i), as a network's samples do.
    pub fn sample(&self, masked: &Masked, disallow_correct: bool, context: StepContext) -> Drawn {
        let drawn: Vec<(u32, f64)> = (0..masked.positions.len())
            .into_par_iter()
            .map(|slot| {
                let (position, original) = (masked.positions[slot] as usize, masked.originals[slot]);
                let neighbour = |at: Option<usize>| {
                    let id = at.and_then(|at| masked.input_ids.get(at)).copied();
                    id.filter(|&id| id != self.mask)
                };
                let (left, right) = (neighbour(position.checked_sub(1)), neighbour(Some(position + 1)));
                let mut weights = self.weights(left, right);
                let entropy = entropy(&weights);
                if disallow_correct
                    && weights.iter().enumerate().any(|(token, &w)| w > 0.0 && token as u32 != original)
                {
                    weights[original as usize] = 0.0;
                }
                let number = (masked.first_slot + slot) as u64;
                let uniform =
                    Stream::new(context.seed, Purpose::Sample, context.sampling_step(), number).uniform();
                (draw(&weights, uniform), entropy)
            })
            .collect();
        let entropy = drawn.iter().map(|(_, entropy)| entropy).sum::<f64>() / drawn.len().max(1) as f64;
        Drawn { samples: drawn.into_iter().map(|(sample, _)| sample).collect(), entropy }
    }

    /// p up to a constant, `[V]`, to the power of 1/temperature.
    fn weights(&self, left: Option<u32>, right: Option<u32>) -> Vec<f64> {
        let mut weights = self.frequencies.clone();
        if let Some(left) = left {
            self.multiply(&mut weights, self.counts.followers(left));
        }
        if let Some(right) = right {
            self.multiply(&mut weights, self.counts.predecessors(right));
        }
        if self.temperature != 1.0 {
            // Of the largest weight, so that no power underflows to nothing but zeros.
            let largest = weights.iter().copied().fold(0.0, f64::max);
            weights.iter_mut().for_each(|weight| *weight = (*weight / largest).powf(1.0 / self.temperature));
        }
        weights
    }

    /// Multiplies each weight by (1 - ε)·share / u + ε.
    fn multiply(&self, weights: &mut [f64], shares: impl Iterator<Item = (u32, f64)>) {
        let mut next = 0;
        for (token, share) in shares {
            let token = token as usize;
            weights[next..token].iter_mut().for_each(|weight| *weight *= FREQUENCY_SHARE);
            if self.frequencies[token] > 0.0 {
                weights[token] *= (1.0 - FREQUENCY_SHARE) * share / self.frequencies[token] + FREQUENCY_SHARE;
            }
            next = token + 1;
        }
        weights[next..].iter_mut().for_each(|weight| *weight *= FREQUENCY_SHARE);
    }
}

/// Entropy in nats of the distribution that is proportional to `weights`.
fn entropy(weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    weights
        .iter()
        .filter(|&&weight| weight > 0.0)
        .map(|&weight| -(weight / total) * (weight / total).ln())
        .sum()
}

/// The token at which the summed weight passes the share `uniform` of the total.
fn draw(weights: &[f64], uniform: f64) -> u32 {
    let target = uniform * weights.iter().sum::<f64>();
    let (mut sum, mut last) = (0.0, 0);
    for (token, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        sum += weight;
        last = token as u32;
        if sum > target {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::masking::SlotCounts;
    use crate::objective::masking::tests::vocabulary;

    const CONTEXT: StepContext = StepContext { seed: 1, step: 5, training: true, trace: false };

    /// Token 5 follows 6 three times, 7 follows 6 once, and 7 stands before 5 always.
    fn generator(temperature: f64) -> BigramGenerator {
        let texts = [vec![2, 6, 5, 6, 5, 6, 5, 3], vec![2, 6, 7, 5, 3]];
        let bigrams = BigramCounts::of_sequences(texts.clone().into_iter(), 8);
        let mut counts = vec![0; 8];
        texts.iter().flatten().for_each(|&id| counts[id as usize] += 1);
        let vocabulary = Vocabulary { counts, bigrams: Some(Arc::new(bigrams)), ..vocabulary(8) };
        BigramGenerator::new(&vocabulary, temperature).unwrap()
    }

    /// `n` sequences of three tokens whose middle one is a slot.
    fn slots(left: u32, original: u32, right: u32, n: usize) -> Masked {
        let positions: Vec<u32> = (0..n as u32).map(|i| 3 * i + 1).collect();
        Masked {
            originals: vec![original; n],
            input_ids: [left, 4, right].repeat(n),
            is_hidden: vec![true; n],
            full_batch: SlotCounts::of(&positions),
            first_slot: 0,
            positions,
        }
    }

    /// Frequencies: 5 and 6 have 4 of 9, 7 has 1 of 9. After 6 come 5 (3/4) and 7 (1/4); before 5 stand 6
    /// (3/4) and 7 (1/4).
    #[test]
    fn weights_by_hand() {
        let close = |found: &[f64], expected: [f64; 3]| {
            let (found, sum) = (&found[5..8], expected.iter().sum::<f64>());
            let total: f64 = found.iter().sum();
            for (found, expected) in found.iter().zip(expected) {
                assert!((found / total - expected / sum).abs() < 1e-12, "{found} {expected}");
            }
        };
        let (u, generator) = ([4.0 / 9.0, 4.0 / 9.0, 1.0 / 9.0], generator(1.0));
        let (f, b) = ([0.75, 0.0, 0.25], [0.0, 0.75, 0.25]);
        let mixed = |share: [f64; 3], i: usize| 0.9 * share[i] + 0.1 * u[i];
        close(&generator.weights(None, None), u);
        close(&generator.weights(Some(6), None), [0, 1, 2].map(|i| mixed(f, i)));
        close(&generator.weights(None, Some(5)), [0, 1, 2].map(|i| mixed(b, i)));
        let both = [0, 1, 2].map(|i| mixed(f, i) * mixed(b, i) / u[i]);
        close(&generator.weights(Some(6), Some(5)), both);
        close(&self::generator(2.0).weights(Some(6), Some(5)), both.map(f64::sqrt));
        assert!(generator.weights(Some(6), Some(5))[..5].iter().all(|&weight| weight == 0.0));
    }

    #[test]
    fn samples_are_as_frequent_as_the_weights() {
        let generator = generator(1.0);
        let weights = generator.weights(Some(6), Some(5));
        let total: f64 = weights.iter().sum();
        let drawn = generator.sample(&slots(6, 7, 5, 8000), false, CONTEXT);
        for token in 5..8u32 {
            let n = drawn.samples.iter().filter(|&&sample| sample == token).count();
            let expected = weights[token as usize] / total;
            assert!((n as f64 / 8000.0 - expected).abs() < 0.02, "{token}: {n} of 8000, not {expected}");
        }
        assert!((drawn.entropy - entropy(&weights)).abs() < 1e-9);
        let others = generator.sample(&slots(6, 7, 5, 500), true, CONTEXT);
        assert!(others.samples.iter().all(|&sample| sample != 7));
    }

    /// A hidden neighbour tells nothing, and a micro-batch draws what its part of the full batch draws.
    #[test]
    fn hidden_neighbours_and_parts_of_a_batch() {
        let generator = generator(1.0);
        let hidden = generator.sample(&slots(4, 5, 4, 1), false, CONTEXT);
        assert!((hidden.entropy - entropy(&generator.frequencies)).abs() < 1e-12);
        let whole = generator.sample(&slots(6, 5, 3, 10), false, CONTEXT).samples;
        let second = Masked { first_slot: 5, ..slots(6, 5, 3, 5) };
        assert_eq!(generator.sample(&second, false, CONTEXT).samples, whole[5..]);
    }
}
