//! A seeded order of the training examples that can be entered anywhere.
//!
//! A Feistel network over the next power of four, walked until it lands inside `0..n` ("cycle walking", Black
//! and Rogaway, 2002), is a permutation whose k-th entry costs a few Philox blocks and no memory. So a run that
//! resumes at step 10⁶ computes its next batch directly, and every epoch visits every example exactly once.
//! Must never: hold state.

use crate::rng::{Purpose, StreamKey};

/// Rounds of the network; four would do for a pseudo-random permutation, six cost nothing here.
const ROUNDS: u64 = 6;

/// The order of `n` examples in one epoch.
#[derive(Clone, Copy, Debug)]
pub struct EpochOrder {
    key: StreamKey,
    n: u64,
    half_bits: u32,
}

impl EpochOrder {
    /// The order that `seed` gives to epoch `epoch`.
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
        let mut value = self.round_trip(position);
        while value >= self.n && self.n > 0 {
            value = self.round_trip(value);
        }
        value
    }

    /// One pass of the network: a bijection of `0..4^half_bits`.
    fn round_trip(&self, value: u64) -> u64 {
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
    fn every_example_comes_exactly_once() {
        for n in [1u64, 2, 3, 4, 5, 16, 17, 64, 65, 1000, 4097] {
            let order = EpochOrder::new(7, 0, n);
            let mut seen: Vec<u64> = (0..n).map(|position| order.at(position)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..n).collect::<Vec<_>>(), "n = {n}");
        }
    }

    #[test]
    fn seeds_and_epochs_give_other_orders() {
        let order =
            |seed, epoch| (0..100).map(|k| EpochOrder::new(seed, epoch, 100).at(k)).collect::<Vec<_>>();
        assert_eq!(order(1, 0), order(1, 0));
        assert_ne!(order(1, 0), order(2, 0));
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), (0..100).collect::<Vec<_>>());
    }

    /// The first example is spread evenly over 2000 epochs: a chi-square of 9 degrees of freedom below its
    /// 99.9 % point.
    #[test]
    fn the_order_prefers_no_example() {
        let mut counts = [0f64; 10];
        for epoch in 0..2000 {
            counts[EpochOrder::new(3, epoch, 10).at(0) as usize] += 1.0;
        }
        let chi_square: f64 = counts.iter().map(|count| (count - 200.0).powi(2) / 200.0).sum();
        assert!(chi_square < 27.9, "{counts:?}");
    }
}
