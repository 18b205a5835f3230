//! Attention against its reference, and what a token may see.

use super::*;
use crate::ops::dropout::Place;
use crate::ops::testing;
use crate::rng::{Purpose, StreamKey};

#[test]
fn fused_agrees_with_the_reference() {
    let key = DropoutKey {
        key: StreamKey::new(1, Purpose::Dropout, 2),
        site: 1,
        probability: 0.2,
        place: Place::default(),
    };
    let offsets: Arc<[usize]> = vec![0, 1, 8, 40].into();
    for (reach, key) in [
        (Reach::Everything, None),
        (Reach::Everything, Some(key)),
        (Reach::Before, Some(key)),
        (Reach::Behind, None),
    ] {
        testing::compare(
            &[testing::tensor(&[40, 3 * 24], 1)],
            |t| attention(&t[0], &offsets, 3, reach, key),
            |t| reference(&t[0], &offsets, 3, reach, key),
        );
    }
}

/// Of one head one number wide: what token i gets is the mean of the values that it reaches, weighed by
/// e^(query·key). Queries are 0, so the means are plain.
#[test]
fn reach_by_hand() {
    let qkv = Tensor::new(&[[0f32, 5.0, 1.0], [0.0, -3.0, 2.0], [0.0, 1.0, 6.0]], &candle_core::Device::Cpu);
    let of = |reach| {
        let offsets: Arc<[usize]> = vec![0, 3].into();
        let output = attention(qkv.as_ref().unwrap(), &offsets, 1, reach, None).unwrap();
        output.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    for (reach, expected) in [
        (Reach::Everything, [3.0, 3.0, 3.0]),
        (Reach::Before, [1.0, 1.5, 3.0]),
        (Reach::Behind, [3.0, 4.0, 6.0]),
    ] {
        let close = of(reach).iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6);
        assert!(close, "{reach:?}: {:?}", of(reach));
    }
}

#[test]
fn sequences_do_not_see_each_other() {
    let offsets: Arc<[usize]> = vec![0, 3, 7].into();
    let x = testing::tensor(&[7, 12], 1);
    let other = Tensor::cat(&[&x.narrow(0, 0, 3).unwrap(), &testing::tensor(&[4, 12], 2)], 0).unwrap();
    let first = |x: &Tensor| {
        attention(x, &offsets, 2, Reach::Everything, None)
            .unwrap()
            .narrow(0, 0, 3)
            .unwrap()
            .to_vec2::<f32>()
            .unwrap()
    };
    assert_eq!(first(&x), first(&other));
}
