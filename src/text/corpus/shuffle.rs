//! A seeded order of the training examples with random access.
//!
//! A Feistel network over the next power of four, applied until the result is inside `0..n` ("cycle walking",
//! Black and Rogaway, 2002), is a permutation whose k-th entry costs a few Philox blocks and no memory. So a
//! run that resumes at step 10⁶ computes its next batch directly, and every epoch visits every example
//! exactly once. Must never: hold state.

use crate::rng::{Purpose, StreamKey};

/// Rounds of the network. Four are enough for a pseudo-random permutation; six cost nothing here.
const ROUNDS: u64 = 6;

/// The order of `n` examples in one epoch.
#[derive(Clone, Copy, Debug)]
pub struct EpochOrder {
    key: StreamKey,
    n: u64,
    half_bits: u32,
}

impl EpochOrder {
    /// The order of epoch `epoch` under `seed`.
    pub fn new(seed: u64, epoch: u64, n: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        Self {
            key: StreamKey::new(seed, Purpose::Shuffle, epoch),
            n,
            half_bits: bits.div_ceil(2).clamp(1, 32),
        }
    }

    /// The example at `position`, both below `n`.
    pub fn at(&self, position: u64) -> u64 {
        let mut value = self.permute(position);
        while value >= self.n && self.n > 0 {
            value = self.permute(value);
        }
        value
    }

    /// One pass through the network: a bijection of `0..4^half_bits`.
    fn permute(&self, value: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..ROUNDS {
            let mixed = left ^ (u64::from(self.key.block(round, right)[0]) & mask);
            (left, right) = (right, mixed);
        }
        (left << self.half_bits) | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_visited_exactly_once() {
        for n in [1u64, 2, 3, 4, 5, 16, 17, 64, 65, 1000, 4097] {
            let order = EpochOrder::new(7, 0, n);
            let mut visited: Vec<u64> = (0..n).map(|position| order.at(position)).collect();
            visited.sort_unstable();
            assert_eq!(visited, (0..n).collect::<Vec<_>>(), "n = {n}");
        }
    }

    #[test]
    fn orders_depend_on_seed_and_epoch() {
        let order =
            |seed, epoch| (0..100).map(|k| EpochOrder::new(seed, epoch, 100).at(k)).collect::<Vec<_>>();
        assert_eq!(order(1, 0), order(1, 0));
        assert_ne!(order(1, 0), order(2, 0));
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), (0..100).collect::<Vec<_>>());
    }

    /// Over 2000 epochs every example comes first equally often: chi-square with 9 degrees of freedom, below
    /// its 99.9 % point.
    #[test]
    fn every_example_comes_first_equally_often() {
        let mut counts = [0f64; 10];
        for epoch in 0..2000 {
            counts[EpochOrder::new(3, epoch, 10).at(0) as usize] += 1.0;
        }
        let chi_square: f64 = counts.iter().map(|count| (count - 200.0).powi(2) / 200.0).sum();
        assert!(chi_square < 27.9, "{counts:?}");
    }
}
