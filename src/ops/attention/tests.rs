//! Attention against its reference, and the masks.

use super::*;
use crate::ops::dropout::MicroBatchOffset;
use crate::ops::testing;
use crate::rng::{Purpose, StreamKey};

#[test]
fn fused_agrees_with_the_reference() {
    let key = DropoutKey {
        key: StreamKey::new(1, Purpose::Dropout, 2),
        site: 1,
        probability: 0.2,
        offset: MicroBatchOffset::default(),
    };
    let offsets: Arc<[usize]> = vec![0, 1, 8, 40].into();
    for (mask, key) in [
        (AttentionMask::Full, None),
        (AttentionMask::Full, Some(key)),
        (AttentionMask::Causal, Some(key)),
        (AttentionMask::ReverseCausal, None),
    ] {
        testing::compare(
            &[testing::tensor(&[40, 3 * 24], 1)],
            |t| attention(&t[0], &offsets, 3, mask, key),
            |t| reference(&t[0], &offsets, 3, mask, key),
        );
    }
}

/// With one head of width 1, the output of token i is the mean of the values that it attends to, weighed by
/// e^(query·key). Queries are 0, so all weights are equal.
#[test]
fn masks_by_hand() {
    let qkv = Tensor::new(&[[0f32, 5.0, 1.0], [0.0, -3.0, 2.0], [0.0, 1.0, 6.0]], &candle_core::Device::Cpu);
    let of = |mask| {
        let offsets: Arc<[usize]> = vec![0, 3].into();
        let output = attention(qkv.as_ref().unwrap(), &offsets, 1, mask, None).unwrap();
        output.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    for (mask, expected) in [
        (AttentionMask::Full, [3.0, 3.0, 3.0]),
        (AttentionMask::Causal, [1.0, 1.5, 3.0]),
        (AttentionMask::ReverseCausal, [3.0, 4.0, 6.0]),
    ] {
        let close = of(mask).iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6);
        assert!(close, "{mask:?}: {:?}", of(mask));
    }
}

#[test]
fn sequences_do_not_see_each_other() {
    let offsets: Arc<[usize]> = vec![0, 3, 7].into();
    let x = testing::tensor(&[7, 12], 1);
    let other = Tensor::cat(&[&x.narrow(0, 0, 3).unwrap(), &testing::tensor(&[4, 12], 2)], 0).unwrap();
    let first = |x: &Tensor| {
        attention(x, &offsets, 2, AttentionMask::Full, None)
            .unwrap()
            .narrow(0, 0, 3)
            .unwrap()
            .to_vec2::<f32>()
            .unwrap()
    };
    assert_eq!(first(&x), first(&other));
}

#[cfg(target_os = "linux")]
mod emulated {
    //! The kernels, run from their source.

    use std::sync::Arc;

    use crate::ops::attention::attention;
    use crate::ops::attention::config::{AttentionConfig, AttentionMask};
    use crate::ops::attention::cuda::{self, AttentionActivations, TiledAttention, Tiles};
    use crate::ops::backend::Backend;
    use crate::ops::backend::emulator::CpuEmulator;
    use crate::ops::testing::{EMULATOR, close, dropout_key, numbers, on_cpu, var};
    use crate::precision::Precision;

    /// Lengths on both sides of a tile, an empty sequence among them.
    const OFFSETS: [usize; 6] = [0, 5, 5, 38, 70, 171];

    #[expect(
        clippy::arc_with_non_send_sync,
        reason = "a device's buffers may go to other threads, the emulator's stay"
    )]
    fn tiles() -> Arc<Tiles<CpuEmulator>> {
        Arc::new(Tiles::new(&EMULATOR, &OFFSETS).unwrap())
    }

    /// Cuts the numbers to those that bfloat16 holds.
    fn cut_to_bf16(values: Vec<f32>) -> Vec<f32> {
        values.into_iter().map(|value| f32::from_bits(value.to_bits() & 0xFFFF_0000)).collect()
    }

    #[test]
    fn kernels_agree_with_the_cpu() {
        let offsets: Arc<[usize]> = OFFSETS.as_slice().into();
        // The factors are numbers that bfloat16 holds, so only probabilities and gradients of scores are
        // rounded.
        let precisions = [(Precision::F32, 1e-5), (Precision::Bf16, 6e-3)];
        for (heads, width, mask, site) in [
            (2, 12, AttentionMask::Full, Some(1)),
            (1, 64, AttentionMask::Full, None),
            (2, 32, AttentionMask::Causal, Some(2)),
            (1, 40, AttentionMask::ReverseCausal, Some(3)),
            (1, 7, AttentionMask::Full, Some(4)),
        ] {
            let (n, hidden) = (OFFSETS[5], heads * width);
            let config = AttentionConfig::new(&offsets, heads, mask, site.map(dropout_key));
            let (x, grad) = (cut_to_bf16(numbers(n * 3 * hidden, 1)), cut_to_bf16(numbers(n * hidden, 2)));
            let input = var(&x, &[n, 3 * hidden]);
            let (expected, gradients) = on_cpu(&[&input], &grad, || {
                attention(&input, &offsets, heads, mask, site.map(dropout_key)).unwrap()
            });
            for (precision, tolerance) in precisions {
                let tiled = TiledAttention::new(tiles(), &config, [n, width], precision).unwrap();
                let [qkv, d_output] = [&x, &grad].map(|values| EMULATOR.upload(values).unwrap());
                let [output, d_qkv] = [n * hidden, n * 3 * hidden].map(|n| EMULATOR.alloc::<f32>(n).unwrap());
                let (qkv, at_output) = (EMULATOR.ptr(&qkv), EMULATOR.ptr(&output));
                let log_sums = cuda::attention(&EMULATOR, &tiled, qkv, at_output).unwrap();
                let activations =
                    AttentionActivations { qkv, output: at_output, log_sums: EMULATOR.ptr(&log_sums) };
                let (d_output, at_d_qkv) = (EMULATOR.ptr(&d_output), EMULATOR.ptr(&d_qkv));
                cuda::attention_grad(&EMULATOR, &tiled, activations, d_output, at_d_qkv).unwrap();
                close("attention", &output.read(), &expected, tolerance);
                close("its gradient", &d_qkv.read(), &gradients[0], tolerance);
            }
        }
    }

    #[test]
    fn heads_that_are_too_wide_and_wrong_sequences_are_errors() {
        let offsets: Arc<[usize]> = OFFSETS.as_slice().into();
        let config = AttentionConfig::new(&offsets, 1, AttentionMask::Full, None);
        let tiled = |n, width| TiledAttention::new(tiles(), &config, [n, width], Precision::F32).err();
        assert!(tiled(171, 64).is_none());
        assert!(tiled(171, 65).unwrap().to_string().contains("at most 64 features, not 65"));
        assert!(tiled(170, 64).unwrap().to_string().contains("end at token 171, but there are 170 tokens"));
    }
}
