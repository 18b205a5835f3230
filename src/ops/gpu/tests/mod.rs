//! Every kernel, run from its source on this computer, against the operation on the CPU.

mod layers;
mod losses;

use candle_core::{Device, Tensor, Var};

use super::emulate::Emulated;
use super::launch::{Address, Dropout, Launch, arguments};
use super::machine::Product;
use super::{Machine, dense, elementwise, kernels, norm};
use crate::ops;
use crate::ops::Precision;
use crate::ops::dropout::{DropoutKey, Place};
use crate::ops::testing::numbers;
use crate::rng::{Purpose, StreamKey};

const M: Emulated = Emulated;

fn key(site: u64) -> DropoutKey {
    DropoutKey {
        key: StreamKey::new(1, Purpose::Dropout, 4),
        site,
        probability: 0.25,
        place: Place { first_token: 37, longest: 71 },
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3f32, |most, value| most.max(value.abs()));
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}[{i}]: {a} against {b}, the largest {scale}");
    }
}

fn var(values: &[f32], shape: &[usize]) -> Var {
    Var::from_tensor(&Tensor::from_slice(values, shape, &Device::Cpu).unwrap()).unwrap()
}

/// Output and gradients, on the CPU, of an operation whose output's gradient is `grad`.
fn on_cpu(inputs: &[&Var], grad: &[f32], op: impl FnOnce() -> Tensor) -> (Vec<f32>, Vec<Vec<f32>>) {
    let y = op();
    let grad = Tensor::from_slice(grad, y.dims(), &Device::Cpu).unwrap();
    let store = (&y * grad).unwrap().sum_all().unwrap().backward().unwrap();
    (values(&y), inputs.iter().map(|&input| values(store.get(input).unwrap())).collect())
}

#[test]
fn every_kernel_of_the_source_is_found() {
    let names = kernels::names();
    assert_eq!(names.len(), kernels::program().matches("__global__").count());
    assert!(names.contains(&"norm_forward") && names.contains(&"adam_update"), "{names:?}");
}

#[test]
fn a_wrong_call_is_an_error() {
    let call = |kernel, arguments| {
        // SAFETY: neither call runs anything.
        unsafe { M.launch(Launch::over(kernel, 1, arguments)) }.unwrap_err().to_string()
    };
    let message = call("no_such", vec![]);
    assert!(message.contains("there is no kernel `no_such`"), "{message}");
    let message = call("gelu_forward", arguments![1u32]);
    assert!(message.contains("`gelu_forward` does not take 1 arguments"), "{message}");
}

#[test]
fn elementwise_operations() {
    let n = 70_000;
    let (x, grad) = (numbers(n, 1), numbers(n, 2));
    let input = var(&x, &[n / 100, 100]);
    let (x, y, d) = (M.floats(&x), M.room(n).unwrap(), M.floats(&grad));
    elementwise::gelu(&M, M.at(&x), M.at(&y), n).unwrap();
    // In place, as the layer does it.
    elementwise::gelu_gradient(&M, M.at(&x), M.at(&d), M.at(&d), n).unwrap();
    let (expected, gradients) = on_cpu(&[&input], &grad, || ops::gelu::gelu(&input).unwrap());
    close("gelu", &y.read(), &expected, 1e-6);
    close("its gradient", &d.read(), &gradients[0], 1e-6);
    elementwise::dropout(&M, M.at(&x), M.at(&y), n, Dropout::new(Some(key(3)), 100)).unwrap();
    assert_eq!(y.read(), values(&ops::dropout::dropout(&input, Some(key(3))).unwrap()));
    elementwise::add_to(&M, M.at(&y), M.at(&y), 2).unwrap();
    assert_eq!(y.read()[1], 2.0 * values(&ops::dropout::dropout(&input, Some(key(3))).unwrap())[1]);
}

#[test]
fn bfloat16_is_rounded_to_the_nearest() {
    // Each lies in the middle of two: the even one wins.
    let between = [1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0];
    let numbers = [1.0f32, -0.3, 1e-40, between[0], between[1], f32::INFINITY, f32::NAN, 3.4e38];
    let (x, y) = (M.floats(&numbers), M.word_room(4).unwrap());
    let arguments = arguments![M.at(&x), M.at_words(&y), 8u64];
    // SAFETY: four words hold eight halves.
    unsafe { M.launch(Launch::over("to_bf16", 8, arguments)).unwrap() };
    let got: Vec<f32> =
        y.read().iter().flat_map(|&word| [word << 16, word & 0xFFFF_0000]).map(f32::from_bits).collect();
    let halves = Tensor::new(&numbers, &Device::Cpu).unwrap().to_dtype(candle_core::DType::BF16).unwrap();
    let expected = values(&halves.to_dtype(candle_core::DType::F32).unwrap());
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert!(got[6].is_nan() && expected[6].is_nan());
    assert_eq!(bits(&got[..6]), bits(&expected[..6]));
    assert_eq!(got[7], expected[7]);
}

#[test]
fn norms() {
    for (rows, width, site) in [(300, 96, Some(2)), (37, 20, None), (1, 256, Some(1))] {
        let dropout = site.map(key);
        let [x, residual, grad] = [1, 2, 3].map(|index| numbers(rows * width, index));
        let parameters = numbers(2 * width, 4);
        let on = [&x, &residual, &parameters, &grad].map(|values| M.floats(values));
        for with_residual in [true, false] {
            let at_residual = if with_residual { M.at(&on[1]) } else { Address::NULL };
            let dropout = dropout.filter(|_| with_residual);
            let inputs = norm::Inputs {
                x: M.at(&on[0]),
                residual: at_residual,
                parameters: M.at(&on[2]),
                dropout: Dropout::new(dropout, width),
                epsilon: 1e-12,
                rows,
                width,
            };
            let y = M.room(rows * width).unwrap();
            norm::forward(&M, inputs, M.at(&y)).unwrap();
            let got = norm::backward(&M, inputs, M.at(&on[3])).unwrap();
            let (x, r) = (var(&x, &[rows, width]), var(&residual, &[rows, width]));
            let p = var(&parameters, &[2, width]);
            let op = || match with_residual {
                true => ops::norm::residual_norm(&x, &r, &p, dropout, 1e-12).unwrap(),
                false => ops::norm::norm(&x, &p, 1e-12).unwrap(),
            };
            let reached: Vec<&Var> = if with_residual { vec![&x, &p, &r] } else { vec![&x, &p] };
            let (expected, gradients) = on_cpu(&reached, &grad, op);
            close("norm", &y.read(), &expected, 1e-5);
            close("of x", &got.x.as_ref().unwrap_or(&got.sum).read(), &gradients[0], 1e-5);
            close("of γ and β", &got.parameters.read(), &gradients[1], 1e-5);
            if with_residual {
                close("of the residual", &got.sum.read(), &gradients[2], 1e-5);
            }
            assert_eq!(got.x.is_some(), dropout.is_some());
        }
    }
}

#[test]
fn dense_layers() {
    for (n, o, i) in [(300, 24, 40), (1, 3, 5), (128, 70, 9)] {
        let [x, w, b, grad] =
            [(n * i, 1), (o * i, 2), (o, 3), (n * o, 4)].map(|(n, index)| numbers(n, index));
        let on = [&x, &w, &b, &grad].map(|values| M.floats(values));
        let sizes = [n, o, i];
        let inputs =
            dense::Inputs { x: M.at(&on[0]), weight: M.at(&on[1]), sizes, precision: Precision::F32 };
        let (y, dx) = (M.room(n * o).unwrap(), M.room(n * i).unwrap());
        dense::forward(&M, inputs, M.at(&on[2]), M.at(&y)).unwrap();
        dense::input_gradient(&M, inputs, M.at(&on[3]), M.at(&dx), false).unwrap();
        let [dw, db] = dense::parameter_gradients(&M, inputs, M.at(&on[3])).unwrap();
        let (x, w, b) = (var(&x, &[n, i]), var(&w, &[o, i]), var(&b, &[o]));
        let (expected, gradients) =
            on_cpu(&[&x, &w, &b], &grad, || ops::linear::linear(&x, &w, &b, Precision::F32).unwrap());
        close("dense", &y.read(), &expected, 1e-5);
        for (what, (got, expected)) in ["x", "w", "b"].iter().zip([dx, dw, db].iter().zip(&gradients)) {
            close(what, &got.read(), expected, 1e-5);
        }
        let before = on[2].read();
        dense::input_gradient(&M, inputs, M.at(&on[3]), M.at(&on[0]), true).unwrap();
        let sum: Vec<f32> = values(&x).iter().zip(&gradients[0]).map(|(x, d)| x + d).collect();
        close("added", &on[0].read(), &sum, 1e-5);
        assert_eq!(on[2].read(), before);
    }
}

#[test]
fn a_precision_rounds_the_factors() {
    let (a, b) = (M.floats(&[1.0 + 1.0 / 512.0, 0.0]), M.floats(&[1.0, 0.0]));
    for (precision, expected) in
        [(Precision::F32, 1.0 + 1.0 / 512.0), (Precision::Tf32, 1.0 + 1.0 / 512.0), (Precision::Bf16, 1.0)]
    {
        let c = M.room(1).unwrap();
        let product = Product {
            a: M.at(&a),
            a_transposed: false,
            b: M.at(&b),
            b_transposed: true,
            c: M.at(&c),
            sizes: [1, 1, 2],
            add: false,
            precision,
        };
        // SAFETY: two numbers times two.
        unsafe { M.multiply(product).unwrap() };
        assert_eq!(c.read(), [expected]);
    }
}
