//! Loops that the compiler turns into SIMD at run time, and the elementary functions they need.
//!
//! No fused multiply-add and no reordering: the same input gives the same bits at every vector width. Sums
//! run in [`LANES`] fixed lanes.

use std::sync::LazyLock;

/// Lanes of every sum.
pub const LANES: usize = 16;

static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Runs a closure compiled for the widest instruction set of this machine. It is a macro, since the closure
/// has to be inlined: a closure that is called is compiled for the oldest processor
/// (docs/findings/2026-11-23-closures-for-the-widest-instructions.md).
macro_rules! vectorized {
    (|| $body:expr) => {
        $crate::ops::cpu::vector::dispatch(
            #[inline(always)]
            || $body,
        )
    };
}
pub(crate) use vectorized;

/// Used by [`vectorized`] alone.
#[inline]
pub fn dispatch<R>(body: impl FnOnce() -> R) -> R {
    ARCH.dispatch(body)
}

/// Magnitude under which a value counts as zero. Denormal numbers, below 1e-38, cost a hundred times as much
/// to compute with. Saturated attention and the moments of tokens that do not occur produce them, which
/// made training twenty times slower (docs/findings/2026-11-22-denormal-numbers.md).
const TINY: f32 = 1e-30;

/// The value, or zero where it is tiny.
#[inline(always)]
pub fn flush(value: f32) -> f32 {
    if value.abs() < TINY { 0.0 } else { value }
}

/// e^x with a relative error under 2e-7 for x in [-50, 88]; 0 below (2e-22 against the 1 of a softmax's
/// largest term, see [`flush`]), saturating above. Range reduction by ln 2 and a degree-6 polynomial of the
/// remainder (its Taylor series, enough at |r| < 0.35).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 × 2^23: adding and subtracting it rounds to an integer
    let below = x < -50.0;
    let x = x.clamp(-50.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let tail = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0));
    let poly = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * tail))));
    let value =
        poly * f32::from_bits(rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    if below { 0.0 } else { value }
}

/// The error function with an absolute error under 5e-7: a rational function of odd powers, saturating at ±4
/// (the coefficients are those of Eigen's generic float erf).
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let p = -2.726_142_3e-10;
    let p = p * s + 2.770_681_4e-8;
    let p = p * s + -2.101_024e-6;
    let p = p * s + -5.692_506_4e-5;
    let p = p * s + -7.349_906_3e-4;
    let p = p * s + -2.954_6e-3;
    let p = p * s + -1.609_603_3e-2;
    let q = -1.456_607_2e-5;
    let q = q * s + -2.133_740_6e-4;
    let q = q * s + -1.682_827e-3;
    let q = q * s + -7.373_329e-3;
    let q = q * s + -1.426_473_9e-2;
    x * p / q
}

/// Adds `values` to `sums`, element by element.
pub fn add(sums: &mut [f32], values: &[f32]) {
    vectorized!(|| sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value));
}

/// Sum of `f(i)` for i in 0..n, in fixed lanes.
#[inline(always)]
pub fn sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = n / LANES * LANES;
    let mut start = 0;
    while start < whole {
        for (lane, total) in lanes.iter_mut().enumerate() {
            *total += f(start + lane);
        }
        start += LANES;
    }
    for (lane, i) in (whole..n).enumerate() {
        lanes[lane] += f(i);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Largest of the values; negative infinity of none. NaN is passed over.
#[inline(always)]
pub fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (best, &value) in lanes.iter_mut().zip(chunk) {
            *best = if value > *best { value } else { *best };
        }
    }
    let head = lanes.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    rest.iter().fold(head, |a, &b| if b > a { b } else { a })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate() {
        for i in -49_990..88_000 {
            let x = i as f32 * 1e-3;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "exp({x}): relative error {error}");
        }
        assert_eq!((exp(-50.1), exp(-1e9), flush(1e-31), flush(1e-29)), (0.0, 0.0, 0.0, 1e-29));
        assert!(exp(1e9).is_finite());
    }

    /// Reference values of erf to ten digits (any table, for example Abramowitz and Stegun, Table 7.1).
    #[test]
    fn erf_is_accurate() {
        for (x, exact) in [
            (0.0, 0.0),
            (0.1, 0.112_462_916_0),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (1.5, 0.966_105_146_5),
            (2.0, 0.995_322_265_0),
            (3.0, 0.999_977_909_5),
            (5.0, 1.0),
        ] {
            assert!((f64::from(erf(x)) - exact).abs() < 5e-7, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
    }

    #[test]
    fn sum_and_max_take_every_element() {
        let values: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(vectorized!(|| sum(values.len(), |i| values[i])), 666.0);
        assert_eq!(max(&values), 36.0);
        assert_eq!(max(&[]), f32::NEG_INFINITY);
    }
}
