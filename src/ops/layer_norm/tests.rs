//! LayerNorm against its reference.

use super::*;
use crate::ops::dropout::MicroBatchOffset;
use crate::ops::testing;
use crate::rng::{Purpose, StreamKey};

#[test]
fn layer_norm_agrees_with_the_reference() {
    let inputs = [testing::tensor(&[1500, 24], 1), testing::tensor(&[2, 24], 2)];
    for epsilon in [1e-12, 0.5] {
        testing::compare(
            &inputs,
            |t| layer_norm(&t[0], &t[1], epsilon),
            |t| reference(&t[0], &t[1], epsilon),
        );
    }
}

/// Trap 5 of `tests/suite/traps.rs`: ε stands under the root, and ELECTRA's is 1e-12. A row of variance 1e-12
/// comes out as ±√½.
#[test]
fn epsilon_by_hand() {
    let x = Tensor::new(&[[1e-6f32, -1e-6]], &candle_core::Device::Cpu).unwrap();
    let parameters = Tensor::new(&[[1f32, 1.0], [0.0, 0.0]], &candle_core::Device::Cpu).unwrap();
    for y in [layer_norm(&x, &parameters, 1e-12).unwrap(), reference(&x, &parameters, 1e-12).unwrap()] {
        let y = y.to_vec2::<f32>().unwrap();
        assert!((y[0][0] - 0.5f32.sqrt()).abs() < 1e-6 && y[0][1] == -y[0][0], "{y:?}");
    }
}

#[test]
fn residual_layer_norm_agrees_with_the_reference() {
    let key = DropoutKey {
        key: StreamKey::new(1, Purpose::Dropout, 4),
        site: 2,
        probability: 0.25,
        offset: MicroBatchOffset::default(),
    };
    for key in [None, Some(key)] {
        let inputs =
            [testing::tensor(&[1100, 16], 1), testing::tensor(&[1100, 16], 2), testing::tensor(&[2, 16], 3)];
        testing::compare(
            &inputs,
            |t| residual_layer_norm(&t[0], &t[1], &t[2], key, 1e-12),
            |t| residual_reference(&t[0], &t[1], &t[2], key, 1e-12),
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn emulated_kernels_agree_with_the_cpu() {
    use candle_core::Var;

    use crate::ops::backend::{Backend, DevicePtr};
    use crate::ops::dropout::cuda::DropoutSite;
    use crate::ops::testing::{EMULATOR, close, dropout_key, numbers, on_cpu, var};

    for (rows, width, site) in [(300, 96, Some(2)), (37, 20, None), (1, 256, Some(1))] {
        let dropout = site.map(dropout_key);
        let [x, residual, grad] = [1, 2, 3].map(|index| numbers(rows * width, index));
        let parameters = numbers(2 * width, 4);
        let on = [&x, &residual, &parameters, &grad].map(|values| EMULATOR.upload(values).unwrap());
        let [at_x, at_residual, at_parameters, at_grad] = on.each_ref().map(|buffer| EMULATOR.ptr(buffer));
        for with_residual in [true, false] {
            let dropout = dropout.filter(|_| with_residual);
            let inputs = cuda::LayerNormInputs {
                x: at_x,
                residual: if with_residual { at_residual } else { DevicePtr::NULL },
                parameters: at_parameters,
                dropout: DropoutSite::new(dropout, width),
                epsilon: 1e-12,
                rows,
                width,
            };
            let y = EMULATOR.alloc::<f32>(rows * width).unwrap();
            cuda::layer_norm(&EMULATOR, inputs, EMULATOR.ptr(&y)).unwrap();
            let got = cuda::layer_norm_grads(&EMULATOR, inputs, at_grad).unwrap();
            let (x, r) = (var(&x, &[rows, width]), var(&residual, &[rows, width]));
            let p = var(&parameters, &[2, width]);
            let op = || match with_residual {
                true => residual_layer_norm(&x, &r, &p, dropout, 1e-12).unwrap(),
                false => layer_norm(&x, &p, 1e-12).unwrap(),
            };
            let reached: Vec<&Var> = if with_residual { vec![&x, &p, &r] } else { vec![&x, &p] };
            let (expected, gradients) = on_cpu(&reached, &grad, op);
            close("layer norm", &y.read(), &expected, 1e-5);
            close("of x", &got.x.as_ref().unwrap_or(&got.sum).read(), &gradients[0], 1e-5);
            close("of γ and β", &got.parameters.read(), &gradients[1], 1e-5);
            if with_residual {
                close("of the residual", &got.sum.read(), &gradients[2], 1e-5);
            }
            assert_eq!(got.x.is_some(), dropout.is_some());
        }
    }
}
