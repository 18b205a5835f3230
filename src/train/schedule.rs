//! The learning rate over the steps: linear decay to zero times a warm-up factor.
//!
//! The two factors multiply, as in google-research/electra's optimization.py. With a warm-up, step 0 has rate
//! 0.

/// Learning-rate schedule.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Peak rate.
    pub peak: f64,
    /// Steps over which the warm-up factor rises to 1.
    pub warmup: u64,
    /// Steps after which the rate is 0.
    pub total: u64,
}

impl Schedule {
    /// Rate of step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        let decay = 1.0 - (step.min(self.total) as f64 / self.total.max(1) as f64);
        let warmup = if self.warmup == 0 { 1.0 } else { (step as f64 / self.warmup as f64).min(1.0) };
        self.peak * decay * warmup
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trap 23 of `tests/suite/traps.rs`: the released code's values for ELECTRA-Small.
    #[test]
    fn rates_of_electra_small() {
        let schedule = Schedule { peak: 5e-4, warmup: 10_000, total: 1_000_000 };
        for (step, rate) in [
            (0, 0.0),
            (1, 5e-4 * 0.999_999 / 10_000.0),
            (5_000, 5e-4 * 0.995 * 0.5),
            (10_000, 5e-4 * 0.99),
            (500_000, 2.5e-4),
            (1_000_000, 0.0),
        ] {
            assert!((schedule.rate(step) - rate).abs() < 1e-15, "step {step}: {}", schedule.rate(step));
        }
    }
}
