//! Adam by hand and against its reference.

use candle_core::{Tensor, Var};

use super::*;
use crate::ops::gradients::host::{BLOCK, HostGradient};
use crate::ops::testing;

const PLAIN: Update = Update {
    rate: 0.01,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-6,
    decay: 0.0,
    gradient_scale: 1.0,
    corrections: (1.0, 1.0),
};

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn zeros(n: usize) -> Var {
    Var::zeros(n, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap()
}

fn update_once(parameter: &Var, first: &Var, second: &Var, gradient: &[f32], update: Update) {
    let mut alive = vec![true; gradient.len().div_ceil(BLOCK)];
    adam(parameter, first, second, &HostGradient::of(gradient.to_vec()), &mut alive, update).unwrap();
}

/// Trap 21 of `tests/suite/traps.rs`: from zero moments the uncorrected first step is 0.1 / √0.001 = 3.16
/// times the rate.
#[test]
fn the_first_step_has_no_bias_correction() {
    let step = |update: Update| {
        let parameter = zeros(4);
        update_once(&parameter, &zeros(4), &zeros(4), &[5.0, -5.0, 100.0, -0.5], update);
        values(parameter.as_tensor())
    };
    for (p, sign) in step(PLAIN).iter().zip([-1.0, 1.0, -1.0, 1.0]) {
        assert!((p - sign * 0.031_622_8).abs() < 1e-5, "{p}");
    }
    let corrected = Update { corrections: (1.0 / (1.0 - 0.9), 1.0 / (1.0 - 0.999)), ..PLAIN };
    for (p, sign) in step(corrected).iter().zip([-1.0, 1.0, -1.0, 1.0]) {
        assert!((p - sign * 0.01).abs() < 1e-5, "{p}");
    }
}

/// The second moment of one gradient of 1 is 1 - 0.999, not f32's 0.000999987.
#[test]
fn one_minus_beta_is_exact() {
    let (first, second) = (zeros(1), zeros(1));
    update_once(&zeros(1), &first, &second, &[1.0], PLAIN);
    assert_eq!((values(first.as_tensor()), values(second.as_tensor())), (vec![0.1], vec![0.001]));
}

#[test]
fn fused_agrees_with_the_reference() {
    let update = Update { decay: 0.01, gradient_scale: 0.3, ..PLAIN };
    let var = |index| Var::from_tensor(&testing::tensor(&[20_000], index)).unwrap();
    let square = |index| Var::from_tensor(&testing::tensor(&[20_000], index).sqr().unwrap()).unwrap();
    let (fast, slow) = ([var(1), var(2), square(3)], [var(1), var(2), square(3)]);
    for step in 0..3 {
        let gradient = testing::tensor(&[20_000], 10 + step);
        update_once(&fast[0], &fast[1], &fast[2], &values(&gradient), update);
        reference(&slow[0], &slow[1], &slow[2], &gradient, update).unwrap();
    }
    for (a, b) in fast.iter().zip(&slow) {
        for (x, y) in values(a).iter().zip(values(b)) {
            assert!((x - y).abs() < 1e-5 * (1.0 + y.abs()), "{x} {y}");
        }
    }
}

/// Blocks that no gradient ever reached are skipped. The result is the same to the bit as computing with
/// their zeros.
#[test]
fn blocks_without_gradients_are_those_with_zero_gradients() {
    let n = 5 * BLOCK + 7;
    for decay in [0.0, 0.01] {
        let update = Update { decay, gradient_scale: 0.5, ..PLAIN };
        let parameter = || Var::from_tensor(&testing::tensor(&[n], 1)).unwrap();
        let (fast, slow) = ([parameter(), zeros(n), zeros(n)], [parameter(), zeros(n), zeros(n)]);
        let mut alive = vec![false; n.div_ceil(BLOCK)];
        for step in 0..4u64 {
            let mut gradient = vec![0f32; n];
            // Block 1 in the first step, block 3 later, the others never.
            let reached = if step == 0 { BLOCK } else { 3 * BLOCK };
            gradient[reached..reached + 50].copy_from_slice(&values(&testing::tensor(&[50], step)));
            let [p, m, v] = &fast;
            adam(p, m, v, &HostGradient::of(gradient.clone()), &mut alive, update).unwrap();
            let mut all = vec![true; alive.len()];
            let [p, m, v] = &slow;
            let whole = HostGradient::whole(gradient);
            adam(p, m, v, &whole, &mut all, update).unwrap();
        }
        assert_eq!(alive, [false, true, false, true, false, false]);
        for (a, b) in fast.iter().zip(&slow) {
            assert!(values(a) == values(b), "decay {decay}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn emulated_kernels_agree_with_the_reference() {
    use super::cuda::{
        AdamParams, ParameterChunks, ParameterWithMoments, Step, gradient_norm, update_all, upload_steps,
    };
    use crate::ops::backend::Backend;
    use crate::ops::testing::{EMULATOR, close, numbers, var};

    let sizes = [20_000, 3, 8192];
    let rates = [0.01, 0.02, 0.03];
    let decay = |len| if len == 3 { 0.0 } else { 0.1 };
    let params = AdamParams {
        first: [0.9, 0.1],
        second: [0.999, 0.001],
        epsilon: 1e-6,
        corrections: [1.0, 1.0],
        clip_norm: 1.0,
    };
    let start = |index: usize, kind: u64| -> Vec<f32> {
        let values = numbers(sizes[index], 10 * kind + index as u64);
        if kind == 2 { values.iter().map(|v| v * v).collect() } else { values }
    };
    let on = [0, 1, 2].map(|index| [0, 1, 2, 3].map(|kind| EMULATOR.upload(&start(index, kind)).unwrap()));
    let pointers = on.each_ref().map(|buffers| buffers.each_ref().map(|buffer| EMULATOR.ptr(buffer)));
    let parameters: Vec<ParameterWithMoments<'_>> = pointers
        .iter()
        .zip(sizes)
        .map(|(&[values, first, second, _], len)| ParameterWithMoments {
            values,
            first,
            second,
            len,
            decay: decay(len),
        })
        .collect();
    let chunks = ParameterChunks::new(&EMULATOR, &parameters, None).unwrap();
    let chunks = ParameterChunks::new(&EMULATOR, &parameters, Some(chunks)).unwrap();
    let steps: Vec<Step<'_>> =
        (pointers.iter().zip(rates)).map(|(&[.., gradient], rate)| Step { gradient, rate }).collect();
    let steps = upload_steps(&EMULATOR, &steps).unwrap();
    let steps = EMULATOR.ptr(&steps);
    let norm = gradient_norm(&EMULATOR, &chunks, steps).unwrap();
    let squares: f64 = (0..3).flat_map(|index| start(index, 3)).map(|g| f64::from(g) * f64::from(g)).sum();
    close("norm", &norm.read(), &[squares.sqrt() as f32], 1e-6);
    let infinite = EMULATOR.upload(&[f32::INFINITY]).unwrap();
    update_all(&EMULATOR, &chunks, steps, EMULATOR.ptr(&infinite), params).unwrap();
    assert_eq!(on[0][0].read(), start(0, 0), "a norm that is not finite changes nothing");
    update_all(&EMULATOR, &chunks, steps, EMULATOR.ptr(&norm), params).unwrap();
    for (index, on) in on.iter().enumerate() {
        let vars = [0, 1, 2].map(|kind| var(&start(index, kind), &[sizes[index]]));
        let update = Update {
            rate: rates[index],
            epsilon: 1e-6,
            decay: decay(sizes[index]),
            gradient_scale: (1.0 / squares.sqrt()) as f32,
            ..PLAIN
        };
        let gradient = Tensor::from_vec(start(index, 3), sizes[index], &candle_core::Device::Cpu).unwrap();
        reference(&vars[0], &vars[1], &vars[2], &gradient, update).unwrap();
        for (got, expected) in on.iter().zip(&vars) {
            close("update", &got.read(), &values(expected), 1e-6);
        }
    }
}
