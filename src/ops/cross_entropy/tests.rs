//! Cross-entropy against its reference.

use super::*;
use crate::ops::testing;

#[test]
fn fused_agrees_with_the_reference() {
    let targets: Arc<[u32]> = vec![0, 3, 50, 7, 7].into();
    let logits = (testing::tensor(&[5, 51], 1) * 3.0).unwrap();
    let inputs = &[logits];
    testing::compare(inputs, |t| cross_entropy(&t[0], &targets), |t| reference(&t[0], &targets));
    testing::compare(inputs, |t| row_cross_entropy(&t[0], &targets), |t| row_reference(&t[0], &targets));
}

#[test]
fn extreme_logits_stay_finite() {
    let logits = Tensor::new(&[[1e4f32, 0.0, -1e4]], &candle_core::Device::Cpu).unwrap();
    let loss =
        |target: u32| cross_entropy(&logits, &vec![target].into()).unwrap().to_scalar::<f32>().unwrap();
    assert_eq!((loss(0), loss(2)), (0.0, 2e4));
}

#[cfg(target_os = "linux")]
#[test]
fn emulated_kernels_agree_with_the_cpu() {
    use crate::ops::backend::Backend;
    use crate::ops::row_stats::cuda::RowStats;
    use crate::ops::testing::{EMULATOR, close, numbers, on_cpu, values, var};

    let (rows, classes) = (300, 700);
    let z: Vec<f32> = numbers(rows * classes, 1).iter().map(|value| 2.0 * value).collect();
    let targets: Arc<[u32]> = (0..rows as u32).map(|row| row * 7 % classes as u32).collect();
    let logits = var(&z, &[rows, classes]);
    let on_logits = EMULATOR.upload(&z).unwrap();
    let (at_logits, sizes) = (EMULATOR.ptr(&on_logits), [rows, classes]);
    let stats = RowStats::new(&EMULATOR, at_logits, sizes, None).unwrap();
    let forward = cuda::Forward { log_sums: stats.log_sums, targets: EMULATOR.upload(&targets).unwrap() };
    let (log_sums, at_targets) = (EMULATOR.ptr(&forward.log_sums), EMULATOR.ptr(&forward.targets));
    let losses = cuda::losses(&EMULATOR, at_logits, sizes, log_sums, at_targets).unwrap();
    close("losses", &losses.rows.read(), &values(&row_cross_entropy(&logits, &targets).unwrap()), 1e-5);
    close("mean", &losses.mean.read(), &values(&cross_entropy(&logits, &targets).unwrap()), 1e-6);

    let per_row = numbers(rows, 5);
    for (grad, is_per_row) in [(&[0.5][..], false), (&per_row[..], true)] {
        let on_grad = EMULATOR.upload(grad).unwrap();
        let on_d = EMULATOR.upload(&z).unwrap();
        let inputs = forward.inputs(&EMULATOR, EMULATOR.ptr(&on_grad), is_per_row);
        cuda::backward_inplace(&EMULATOR, EMULATOR.ptr(&on_d), sizes, inputs).unwrap();
        let (_, gradients) = on_cpu(&[&logits], grad, || match is_per_row {
            true => row_cross_entropy(&logits, &targets).unwrap(),
            false => cross_entropy(&logits, &targets).unwrap(),
        });
        close("gradient", &on_d.read(), &gradients[0], 1e-5);
    }
}
