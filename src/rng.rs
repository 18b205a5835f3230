//! Counter-based random streams, the source of all random numbers.
//!
//! The address of a stream is `(seed, purpose, step, index)`. It does not depend on what was drawn before, so
//! a resumed run, another number of threads or another order of work draws the same numbers. The generator is
//! Philox4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3").
//!
//! Must never: read the clock, the thread id or any global state.

/// The purpose of a stream; different purposes draw different numbers. Results depend on the discriminants,
/// which must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Weight initialisation; index = parameter.
    Init = 1,
    /// Masked positions; step = training step, index = sequence of the batch.
    Mask = 2,
    /// Replacement tokens drawn from the generator; index = masked slot of the batch.
    Sample = 3,
    /// Dropout; index = site in the network.
    Dropout = 4,
    /// Order of the training examples; step = epoch.
    Shuffle = 5,
    /// Documents of the built-in language; index = document.
    Language = 6,
    /// Tasks of the built-in language; step = task and split, index = example.
    LanguageTask = 7,
    /// Packing of documents into sequences; index = document.
    Packing = 8,
    /// Bootstrap resampling in reports.
    Bootstrap = 9,
    /// Task heads and example order of a fine-tuning run.
    Finetune = 10,
    /// Tests and benchmarks; no result depends on it.
    Test = 11,
    /// Crops of texts (second views); step = training step, index = sequence of the batch.
    Crop = 12,
}

const MULTIPLIER_0: u64 = 0xD251_1F53;
const MULTIPLIER_1: u64 = 0xCD9E_8D57;
const WEYL_0: u32 = 0x9E37_79B9;
const WEYL_1: u32 = 0xBB67_AE85;

/// One Philox4x32-10 block: four uniform 32-bit words for a 128-bit counter and a 64-bit key.
#[inline(always)]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        let product_0 = MULTIPLIER_0 * u64::from(c0);
        let product_1 = MULTIPLIER_1 * u64::from(c2);
        c0 = (product_1 >> 32) as u32 ^ c1 ^ k0;
        c2 = (product_0 >> 32) as u32 ^ c3 ^ k1;
        c1 = product_1 as u32;
        c3 = product_0 as u32;
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
    }
    [c0, c1, c2, c3]
}

/// The finaliser of SplitMix64: a bijection in which every input bit affects the whole word.
fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// The Philox key of `(seed, purpose, step)`; `index` and the position make the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamKey(pub [u32; 2]);

impl StreamKey {
    /// The key of `(seed, purpose, step)`.
    pub fn new(seed: u64, purpose: Purpose, step: u64) -> Self {
        let word = mix(mix(mix(seed) ^ purpose as u64) ^ step);
        Self([word as u32, (word >> 32) as u32])
    }

    /// The four words at position `block` of stream `index` (for dropout masks).
    #[inline(always)]
    pub fn block(self, index: u64, block: u64) -> [u32; 4] {
        philox([block as u32, (block >> 32) as u32, index as u32, (index >> 32) as u32], self.0)
    }
}

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    key: StreamKey,
    index: u64,
    block: u64,
    words: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream at `(seed, purpose, step, index)`, from its start.
    pub fn new(seed: u64, purpose: Purpose, step: u64, index: u64) -> Self {
        Self { key: StreamKey::new(seed, purpose, step), index, block: 0, words: [0; 4], used: 4 }
    }

    /// A uniform 32-bit word.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.words = self.key.block(self.index, self.block);
            self.block += 1;
            self.used = 0;
        }
        let word = self.words[self.used];
        self.used += 1;
        word
    }

    /// A uniform 64-bit word.
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | (u64::from(self.next_u32()) << 32)
    }

    /// A uniform number in [0, 1) with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A uniform integer in `0..bound`, without bias (rejection sampling). A `bound` of 0 gives 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let word = self.next_u64();
            if word < limit {
                return (word % bound) as usize;
            }
        }
    }

    /// True with probability `probability`.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A standard normal number (Box-Muller, the cosine branch).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A standard normal number, redrawn until it is within two standard deviations (TensorFlow's
    /// `truncated_normal`).
    pub fn truncated_normal(&mut self) -> f64 {
        loop {
            let value = self.normal();
            if value.abs() <= 2.0 {
                return value;
            }
        }
    }

    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// One of the items; None if there are none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known-answer vectors of the reference implementation (Random123, kat_vectors, philox4x32 10).
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
    }

    #[test]
    fn streams_differ_in_every_coordinate() {
        let base = Stream::new(1, Purpose::Mask, 2, 3).next_u64();
        assert_eq!(base, Stream::new(1, Purpose::Mask, 2, 3).next_u64());
        for other in [
            Stream::new(2, Purpose::Mask, 2, 3),
            Stream::new(1, Purpose::Sample, 2, 3),
            Stream::new(1, Purpose::Mask, 3, 3),
            Stream::new(1, Purpose::Mask, 2, 4),
        ] {
            assert_ne!(base, other.clone().next_u64());
        }
    }

    #[test]
    fn means_and_variances_are_those_of_the_distributions() {
        let mut stream = Stream::new(7, Purpose::Test, 0, 0);
        let n = 200_000;
        let draw = |f: &mut dyn FnMut() -> f64| {
            let values: Vec<f64> = (0..n).map(|_| f()).collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64)
        };
        let (mean, variance) = draw(&mut || stream.uniform());
        assert!((mean - 0.5).abs() < 0.003 && (variance - 1.0 / 12.0).abs() < 0.001);
        let (mean, variance) = draw(&mut || stream.normal());
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.015);
        // The variance of a normal distribution truncated at two standard deviations is 0.7737.
        let (mean, variance) = draw(&mut || stream.truncated_normal());
        assert!(mean.abs() < 0.01 && (variance - 0.7737).abs() < 0.01);
    }

    #[test]
    fn below_covers_its_range_evenly() {
        let mut stream = Stream::new(3, Purpose::Test, 0, 1);
        let mut counts = [0usize; 7];
        for _ in 0..70_000 {
            counts[stream.below(7)] += 1;
        }
        assert!(counts.iter().all(|&count| (9_600..10_400).contains(&count)), "{counts:?}");
    }
}
