//! The statistics against the operations one after the other, and the kernel against the CPU.

use super::*;
use crate::ops::testing;

fn integers(tensor: &Tensor) -> Vec<u32> {
    tensor.to_vec1().unwrap()
}

#[test]
fn one_pass_is_the_operations_to_the_bit() {
    let logits = (testing::tensor(&[7, 1000], 1) * 3.0).unwrap();
    let targets = [0, 999, 3, 3, 500, 17, 256];
    let sampler = |temperature| Some(Sampler { temperature, seed: 3, step: 9, first: 0 });
    for sampler in [None, sampler(1.0), sampler(0.5), sampler(2.0)] {
        let one = softmax_stats(&logits, &targets, sampler).unwrap();
        let many = reference(&logits, &targets, sampler).unwrap();
        let loss = |stats: &SoftmaxStats| stats.loss.to_scalar::<f32>().unwrap().to_bits();
        assert_eq!(loss(&one), loss(&many));
        let losses = |stats: &SoftmaxStats| stats.losses.to_vec1::<f32>().unwrap();
        assert_eq!(losses(&one), losses(&many));
        let mean = losses(&one).iter().sum::<f32>() / 7.0;
        assert!((mean - one.loss.to_scalar::<f32>().unwrap()).abs() < 1e-5, "{mean}");
        let entropy = |stats: &SoftmaxStats| stats.entropy.to_scalar::<f32>().unwrap().to_bits();
        assert_eq!(entropy(&one), entropy(&many));
        let samples = |stats: &SoftmaxStats| stats.samples.as_ref().map(integers);
        assert_eq!((integers(&one.best), samples(&one)), (integers(&many.best), samples(&many)));
        assert_eq!(samples(&one).map(|samples| samples.len()), sampler.map(|_| 7));
    }
}

#[test]
fn the_loss_has_the_gradient_of_the_reference() {
    let logits = (testing::tensor(&[5, 51], 1) * 3.0).unwrap();
    let targets = [0, 3, 50, 7, 7];
    testing::compare(
        &[logits],
        |t| Ok(softmax_stats(&t[0], &targets, None)?.loss),
        |t| cross_entropy::reference(&t[0], &targets),
    );
}

/// Rows whose two largest logits lie beyond what f16 holds and closer together than bf16 tells apart.
const LARGE: [f32; 2] = [1e5, 1e5 - 1.0];

fn large_logits(rows: usize, classes: usize) -> Vec<f32> {
    let mut row = vec![-1e5; classes];
    row[7..9].copy_from_slice(&LARGE);
    row.repeat(rows)
}

/// Trap 28 of `tests/suite/traps.rs`: softmax and sampling overflow in half precision. In f32, and with the
/// row's maximum taken off, two classes at a distance of 1 have the loss ln(1 + 1/e) of the larger and an
/// entropy of 0.582 nats.
#[test]
fn large_logits_do_not_overflow() {
    let logits = Tensor::from_vec(large_logits(200, 50), (200, 50), &candle_core::Device::Cpu).unwrap();
    let sampler = Sampler { temperature: 1.0, seed: 3, step: 9, first: 0 };
    for stats in [softmax_stats, reference].map(|stats| stats(&logits, &[7; 200], Some(sampler)).unwrap()) {
        let loss = stats.loss.to_scalar::<f32>().unwrap();
        // log Σ exp is an f32 near 1e5, where half the distance of two numbers is 1/256.
        assert!((loss - (1.0 + (-1f32).exp()).ln()).abs() <= 1.0 / 256.0, "loss {loss}");
        let entropy = stats.entropy.to_scalar::<f32>().unwrap();
        assert!((entropy - 0.582_203).abs() < 1e-4, "entropy {entropy}");
        let samples = integers(&stats.samples.unwrap());
        let share = samples.iter().filter(|&&class| class == 7).count() as f32 / 200.0;
        assert!(samples.iter().all(|class| [7, 8].contains(class)), "{samples:?}");
        assert!((share - 0.731).abs() < 0.13, "the larger class was drawn in {share} of the rows");
    }
}

#[cfg(target_os = "linux")]
mod emulated {
    //! The kernel, run from its source.

    use super::{integers, softmax_stats};
    use crate::ops::backend::Backend;
    use crate::ops::row_stats::Sampler;
    use crate::ops::row_stats::cuda::RowStats;
    use crate::ops::testing::{EMULATOR, close, numbers, values, var};

    #[test]
    fn the_kernel_agrees_with_the_cpu() {
        let (rows, classes) = (300, 700);
        let z: Vec<f32> = numbers(rows * classes, 1).iter().map(|value| 2.0 * value).collect();
        let targets: Vec<u32> = (0..rows as u32).map(|row| row * 7 % classes as u32).collect();
        let logits = var(&z, &[rows, classes]);
        let on_logits = EMULATOR.upload(&z).unwrap();
        for temperature in [None, Some(1.0), Some(0.5)] {
            let sampler = temperature.map(|temperature| Sampler {
                temperature,
                seed: 3,
                step: 9,
                first: (1 << 33) + 5,
            });
            let got = RowStats::new(&EMULATOR, EMULATOR.ptr(&on_logits), [rows, classes], sampler).unwrap();
            let expected = softmax_stats(&logits, &targets, sampler).unwrap();
            assert_eq!(got.best.read(), integers(&expected.best));
            let entropies = got.entropies.read();
            let mean = entropies.iter().sum::<f32>() / rows as f32;
            close("entropy", &[mean], &values(&expected.entropy), 1e-5);
            if let Some(samples) = &expected.samples {
                // The same uniform numbers against sums that round differently: another class only at a
                // border.
                let samples = integers(samples);
                let other = got.samples.read().iter().zip(&samples).filter(|(a, b)| a != b).count();
                assert!(other <= 1, "{other} of {rows} samples differ");
            }
        }
    }

    /// Trap 28 of `tests/suite/traps.rs`, in the kernel.
    #[test]
    fn large_logits_do_not_overflow_in_the_kernel() {
        let (rows, classes) = (200, 50);
        let on_logits = EMULATOR.upload(&super::large_logits(rows, classes)).unwrap();
        let sampler = Some(Sampler { temperature: 1.0, seed: 3, step: 9, first: 0 });
        let stats = RowStats::new(&EMULATOR, EMULATOR.ptr(&on_logits), [rows, classes], sampler).unwrap();
        close("entropy", &stats.entropies.read(), &vec![0.582_203; rows], 1e-3);
        let samples = stats.samples.read();
        let larger = samples.iter().filter(|&&class| class == 7).count() as f32 / rows as f32;
        assert!(samples.iter().all(|class| [7, 8].contains(class)), "{samples:?}");
        assert!((larger - 0.731).abs() < 0.13, "the larger class was drawn in {larger} of the rows");
    }

    /// The kernel's own draws follow the softmax: Pearson's chi-square over ten slices of the classes.
    #[test]
    fn samples_follow_the_softmax() {
        let (rows, classes) = (2000, 700);
        let row: Vec<f32> = (0..classes).map(|class| (class as f32 * 0.37).sin() * 3.0).collect();
        let on_logits = EMULATOR.upload(&row.repeat(rows)).unwrap();
        let sampler = Sampler { temperature: 1.0, seed: 2, step: 5, first: 0 };
        let stats =
            RowStats::new(&EMULATOR, EMULATOR.ptr(&on_logits), [rows, classes], Some(sampler)).unwrap();
        let drawn = stats.samples.read();
        let total: f64 = row.iter().map(|&z| f64::from(z).exp()).sum();
        let slices = 10;
        let statistic: f64 = (0..slices)
            .map(|slice| {
                let classes = slice * classes / slices..(slice + 1) * classes / slices;
                let probability: f64 = row[classes.clone()].iter().map(|&z| f64::from(z).exp()).sum::<f64>();
                let expected = probability / total * rows as f64;
                let seen = drawn.iter().filter(|&&class| classes.contains(&(class as usize))).count();
                (seen as f64 - expected).powi(2) / expected
            })
            .sum();
        // 99.99 % quantile of chi-square with 9 degrees of freedom.
        assert!(statistic < 33.7, "chi-square {statistic}");
    }
}
