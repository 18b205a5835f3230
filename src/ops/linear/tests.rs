//! The dense layer against its reference.

use super::*;
use crate::ops::cpu::matmul::{View, multiply};
use crate::ops::testing;

#[test]
fn either_order_of_the_factors_gives_the_same_bits() {
    for (n, o, i) in [(1500, 40, 24), (70, 300, 128), (9, 17, 16), (3, 5, 2), (1100, 70, 1)] {
        let (grad, input) = (testing::numbers(n * o, 1), testing::numbers(n * i, 2));
        let (grad, input) = (View::dense(&grad, n, o), View::dense(&input, n, i));
        let mut out = vec![0.0; o * i];
        cpu::weight_grad(grad, input, &mut out);
        assert!(out == multiply(grad.transposed(), input), "{n} rows, {o}×{i}");
    }
}

#[test]
fn fused_agrees_with_the_reference() {
    let inputs = [testing::tensor(&[2000, 24], 1), testing::tensor(&[40, 24], 2), testing::tensor(&[40], 3)];
    testing::compare(
        &inputs,
        |t| linear(&t[0], &t[1], &t[2], Precision::F32),
        |t| reference(&t[0], &t[1], &t[2]),
    );
}

#[cfg(target_os = "linux")]
#[test]
fn emulated_kernels_agree_with_the_cpu() {
    use crate::ops::backend::Backend;
    use crate::ops::testing::{EMULATOR, close, numbers, on_cpu, values, var};

    for (n, o, i) in [(300, 24, 40), (1, 3, 5), (128, 70, 9)] {
        let [x, w, b, grad] =
            [(n * i, 1), (o * i, 2), (o, 3), (n * o, 4)].map(|(n, index)| numbers(n, index));
        let on = [&x, &w, &b, &grad].map(|values| EMULATOR.upload(values).unwrap());
        let [at_x, at_w, at_b, at_grad] = on.each_ref().map(|buffer| EMULATOR.ptr(buffer));
        let inputs =
            cuda::LinearInputs { x: at_x, weight: at_w, sizes: [n, o, i], precision: Precision::F32 };
        let (y, dx) = (EMULATOR.alloc::<f32>(n * o).unwrap(), EMULATOR.alloc::<f32>(n * i).unwrap());
        cuda::linear(&EMULATOR, inputs, at_b, EMULATOR.ptr(&y)).unwrap();
        cuda::input_grad(&EMULATOR, inputs, at_grad, EMULATOR.ptr(&dx), false).unwrap();
        let [dw, db] = cuda::parameter_grads(&EMULATOR, inputs, at_grad).unwrap();
        let (x, w, b) = (var(&x, &[n, i]), var(&w, &[o, i]), var(&b, &[o]));
        let (expected, gradients) =
            on_cpu(&[&x, &w, &b], &grad, || linear(&x, &w, &b, Precision::F32).unwrap());
        close("dense", &y.read(), &expected, 1e-5);
        for (what, (got, expected)) in ["x", "w", "b"].iter().zip([dx, dw, db].iter().zip(&gradients)) {
            close(what, &got.read(), expected, 1e-5);
        }
        let before = on[2].read();
        cuda::input_grad(&EMULATOR, inputs, at_grad, at_x, true).unwrap();
        let sum: Vec<f32> = values(&x).iter().zip(&gradients[0]).map(|(x, d)| x + d).collect();
        close("added", &on[0].read(), &sum, 1e-5);
        assert_eq!(on[2].read(), before);
    }
}
