//! One operation against two, to the bit.

use candle_core::Var;

use super::*;
use crate::ops::gradients::Gradients;
use crate::ops::testing;

const TARGETS: [u32; 7] = [0, 899, 3, 3, 500, 17, 256];

fn parameters() -> [Var; 3] {
    let shapes: [&[usize]; 3] = [&[7, 24], &[900, 24], &[900]];
    let mut index = 0;
    shapes.map(|shape| {
        index += 1;
        Var::from_tensor(&testing::tensor(shape, index)).unwrap()
    })
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn one_operation_is_two_to_the_bit() {
    let p = parameters();
    for sampler in [None, Some(Sampler { temperature: 1.0, seed: 3, step: 9, first: 0 })] {
        let one = fused_linear_softmax_stats(&p[0], &p[1], &p[2], &TARGETS, sampler, Precision::F32).unwrap();
        let two = reference(&p[0], &p[1], &p[2], &TARGETS, sampler, Precision::F32).unwrap();
        assert_eq!((bits(&one.loss), bits(&one.entropy)), (bits(&two.loss), bits(&two.entropy)));
        assert_eq!(bits(&one.losses), bits(&two.losses));
        let integers = |tensor: &Tensor| tensor.to_vec1::<u32>().unwrap();
        let samples = |stats: &SoftmaxStats| stats.samples.as_ref().map(integers);
        assert_eq!((integers(&one.best), samples(&one)), (integers(&two.best), samples(&two)));
        // Whichever way the gradients go, and a second time.
        let mut gradients = Gradients::new(p.iter());
        for _ in 0..2 {
            gradients.backward(&one.loss).unwrap();
            let (fast, slow) = (one.loss.backward().unwrap(), two.loss.backward().unwrap());
            for (index, var) in p.iter().enumerate() {
                let expected = bits(slow.get(var).unwrap());
                assert!(bits(fast.get(var).unwrap()) == expected, "parameter {index}");
                assert!(bits(&gradients.tensor(index).unwrap().unwrap()) == expected, "parameter {index}");
            }
        }
    }
}

#[test]
fn a_target_outside_the_vocabulary_is_an_error() {
    let p = parameters();
    let message = |targets: &[u32]| {
        fused_linear_softmax_stats(&p[0], &p[1], &p[2], targets, None, Precision::F32)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(message(&[900; 7]).contains("7 rows of 900 classes"));
    assert!(message(&[1; 6]).contains("got 6 targets"));
}
