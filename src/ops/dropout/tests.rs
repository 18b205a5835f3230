//! Dropout against its reference, and which mask a part of a batch gets.

use super::*;
use crate::ops::testing;
use crate::rng::{Purpose, StreamKey};

fn key(probability: f64) -> DropoutKey {
    DropoutKey {
        key: StreamKey::new(5, Purpose::Dropout, 1),
        site: 3,
        probability,
        offset: MicroBatchOffset::default(),
    }
}

#[test]
fn a_part_of_the_tokens_gets_its_part_of_the_mask() {
    let x = testing::tensor(&[370, 59], 1);
    let part = DropoutKey { offset: MicroBatchOffset { first_token: 101, longest: 0 }, ..key(0.2) };
    let rows = |t: Tensor, first| t.narrow(0, first, 50).unwrap().to_vec2::<f32>().unwrap();
    let whole = rows(dropout(&x, Some(key(0.2))).unwrap(), 101);
    let x = x.narrow(0, 101, 50).unwrap();
    for y in [dropout(&x, Some(part)).unwrap(), reference(&x, part).unwrap()] {
        assert_eq!(rows(y, 0), whole);
    }
}

#[test]
fn any_window_of_the_mask_is_the_same() {
    let mut whole = vec![0f32; 1000];
    key(0.3).fill(0, &mut whole);
    for (start, len) in [(0, 64), (1, 63), (63, 2), (100, 300), (999, 1)] {
        let mut part = vec![9f32; len];
        key(0.3).fill(start, &mut part);
        assert_eq!(part, whole[start..start + len]);
    }
}

#[test]
fn drops_the_asked_share_and_keeps_the_mean() {
    let mut mask = vec![0f32; 1 << 20];
    key(0.1).fill(0, &mut mask);
    let dropped = mask.iter().filter(|&&m| m == 0.0).count() as f64 / mask.len() as f64;
    let mean = mask.iter().map(|&m| f64::from(m)).sum::<f64>() / mask.len() as f64;
    assert!((dropped - 0.1).abs() < 0.0015 && (mean - 1.0).abs() < 0.002, "{dropped} {mean}");
}

#[test]
fn fused_agrees_with_the_reference() {
    let x = testing::tensor(&[370, 59], 1);
    testing::compare(&[x], |t| dropout(&t[0], Some(key(0.2))), |t| reference(&t[0], key(0.2)));
}

#[cfg(target_os = "linux")]
#[test]
fn the_emulated_kernel_gives_the_cpus_bits() {
    use crate::ops::backend::Backend;
    use crate::ops::testing::{EMULATOR, dropout_key, numbers, values, var};

    let n = 70_000;
    let x = numbers(n, 1);
    let input = var(&x, &[n / 100, 100]);
    let (x, y) = (EMULATOR.upload(&x).unwrap(), EMULATOR.alloc::<f32>(n).unwrap());
    let site = cuda::DropoutSite::new(Some(dropout_key(3)), 100);
    cuda::dropout(&EMULATOR, EMULATOR.ptr(&x), EMULATOR.ptr(&y), n, site).unwrap();
    assert_eq!(y.read(), values(&dropout(&input, Some(dropout_key(3))).unwrap()));
}
