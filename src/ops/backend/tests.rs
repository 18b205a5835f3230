//! The emulator and the kernels that several operations call.

#![cfg(target_os = "linux")]

use candle_core::{DType, Device, Tensor};

use super::launch::{Argument, Call};
use super::{Backend, Gemm, primitives};
use crate::ops::testing::{EMULATOR, values};
use crate::precision::Precision;

#[test]
fn a_wrong_call_is_an_error() {
    let message = |kernel, arguments| {
        let call = Call { source: &primitives::SOURCE, kernel, arguments };
        // SAFETY: neither call runs anything.
        unsafe { EMULATOR.launch(call.over(1)) }.unwrap_err().to_string()
    };
    let text = message("no_such", vec![]);
    assert!(text.contains("there is no kernel `no_such` in electra-lab/primitives"), "{text}");
    let text = message("add_to", vec![Argument::value(1u32)]);
    assert!(text.contains("the kernel `add_to` does not take 1 arguments"), "{text}");
}

#[test]
fn sums_are_added_in_place() {
    let sum = EMULATOR.upload(&[1.0f32, 2.0, 3.0]).unwrap();
    primitives::add(&EMULATOR, EMULATOR.ptr(&sum), EMULATOR.ptr(&sum), 2).unwrap();
    assert_eq!(sum.read(), [2.0, 4.0, 3.0]);
}

#[test]
fn bfloat16_is_rounded_to_the_nearest() {
    // Each lies in the middle of two: the even one wins.
    let between = [1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0];
    let numbers = [1.0f32, -0.3, 1e-40, between[0], between[1], f32::INFINITY, f32::NAN, 3.4e38];
    let (x, y) = (EMULATOR.upload(&numbers).unwrap(), EMULATOR.alloc::<u16>(8).unwrap());
    primitives::round_to_bf16(&EMULATOR, EMULATOR.ptr(&x), EMULATOR.ptr(&y), 8).unwrap();
    let got: Vec<f32> = y.read().iter().map(|&half| f32::from_bits(u32::from(half) << 16)).collect();
    let halves = Tensor::new(&numbers, &Device::Cpu).unwrap().to_dtype(DType::BF16).unwrap();
    let expected = values(&halves.to_dtype(DType::F32).unwrap());
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert!(got[6].is_nan() && expected[6].is_nan());
    assert_eq!(bits(&got[..6]), bits(&expected[..6]));
    assert_eq!(got[7], expected[7]);
}

#[test]
fn a_precision_rounds_the_factors() {
    let a = EMULATOR.upload(&[1.0f32 + 1.0 / 512.0, 0.0]).unwrap();
    let b = EMULATOR.upload(&[1.0f32, 0.0]).unwrap();
    for (precision, expected) in
        [(Precision::F32, 1.0 + 1.0 / 512.0), (Precision::Tf32, 1.0 + 1.0 / 512.0), (Precision::Bf16, 1.0)]
    {
        let c = EMULATOR.alloc::<f32>(1).unwrap();
        let gemm = Gemm {
            a: EMULATOR.ptr(&a),
            a_transposed: false,
            b: EMULATOR.ptr(&b),
            b_transposed: true,
            c: EMULATOR.ptr(&c),
            sizes: [1, 1, 2],
            add: false,
            precision,
        };
        // SAFETY: two numbers times two.
        unsafe { EMULATOR.gemm(gemm).unwrap() };
        assert_eq!(c.read(), [expected]);
    }
}
