//! Attention and whole layers.

use std::sync::Arc;

use candle_core::Var;

use super::super::attention::{self, Plan, Seen, Shape, Tiles};
use super::super::emulate::Emulated;
use super::super::launch::Dropout;
use super::super::{Machine, layer};
use super::{M, close, key, on_cpu, values, var};
use crate::ops;
use crate::ops::Precision;
use crate::ops::attention::Reach;
use crate::ops::testing::{self, numbers};

/// Lengths on both sides of a tile, an empty sequence among them.
const OFFSETS: [usize; 6] = [0, 5, 5, 38, 70, 171];

#[expect(
    clippy::arc_with_non_send_sync,
    reason = "a device's words may go to other threads, this computer's stay"
)]
fn tiles() -> Arc<Tiles<<Emulated as Machine>::Words>> {
    Arc::new(Tiles::new(&M, &OFFSETS).unwrap())
}

#[test]
fn attentions() {
    // Of factors that bfloat16 holds, only probabilities and gradients of scores are rounded.
    let precisions = [(Precision::F32, 1e-5), (Precision::Bf16, 6e-3)];
    for (heads, width, reach, site) in [
        (2, 12, Reach::Everything, Some(1)),
        (1, 64, Reach::Everything, None),
        (2, 32, Reach::Before, Some(2)),
        (1, 40, Reach::Behind, Some(3)),
        (1, 7, Reach::Everything, Some(4)),
    ] {
        for (precision, tolerance) in precisions {
            let (n, hidden) = (OFFSETS[5], heads * width);
            let rounded = |values: Vec<f32>| -> Vec<f32> {
                values.into_iter().map(|value| f32::from_bits(value.to_bits() & 0xFFFF_0000)).collect()
            };
            let (x, grad) = (rounded(numbers(n * 3 * hidden, 1)), rounded(numbers(n * hidden, 2)));
            let dropout = site.map(key);
            let shape = Shape { heads, width, reach, key: dropout, precision };
            let plan = Plan::new(tiles(), shape, n).unwrap();
            let (qkv, d_output) = (M.floats(&x), M.floats(&grad));
            let (output, d_qkv) = (M.room(n * hidden).unwrap(), M.room(n * 3 * hidden).unwrap());
            let log_sums = attention::forward(&M, &plan, M.at(&qkv), M.at(&output)).unwrap();
            let seen = Seen { qkv: M.at(&qkv), output: M.at(&output), log_sums: M.at(&log_sums) };
            attention::backward(&M, &plan, seen, M.at(&d_output), M.at(&d_qkv)).unwrap();
            let offsets: Arc<[usize]> = OFFSETS.as_slice().into();
            let input = var(&x, &[n, 3 * hidden]);
            let (expected, gradients) = on_cpu(&[&input], &grad, || {
                ops::attention::attention(&input, &offsets, heads, reach, dropout).unwrap()
            });
            close("attention", &output.read(), &expected, tolerance);
            close("its gradient", &d_qkv.read(), &gradients[0], tolerance);
        }
    }
    let wide = Shape { heads: 1, width: 65, reach: Reach::Everything, key: None, precision: Precision::F32 };
    assert!(Plan::new(tiles(), wide, OFFSETS[5]).is_err());
    let narrow = Shape { width: 64, ..wide };
    assert!(Plan::new(tiles(), narrow, OFFSETS[5]).is_ok() && Plan::new(tiles(), narrow, 170).is_err());
}

fn layer_shapes(hidden: usize, ffn: usize) -> [Vec<usize>; 10] {
    let (h, f) = (hidden, ffn);
    [
        vec![3 * h, h],
        vec![3 * h],
        vec![h, h],
        vec![h],
        vec![2, h],
        vec![f, h],
        vec![f],
        vec![h, f],
        vec![h],
        vec![2, h],
    ]
}

#[test]
fn layers() {
    let (hidden, ffn, heads, n) = (24, 40, 2, OFFSETS[5]);
    for (sites, precision, tolerance) in [
        ([Some(1), Some(2), Some(3)], Precision::F32, 2e-5),
        ([None; 3], Precision::F32, 2e-5),
        ([None; 3], Precision::Tf32, 5e-3),
        ([None; 3], Precision::Bf16, 5e-2),
    ] {
        let dropout = sites.map(|site| site.map(key));
        let vars: Vec<Var> = layer_shapes(hidden, ffn)
            .iter()
            .zip(1..)
            .map(|(shape, index)| Var::from_tensor(&(testing::tensor(shape, index) * 0.2).unwrap()).unwrap())
            .collect();
        let on: Vec<_> = vars.iter().map(|var| M.floats(&values(var))).collect();
        let at = |index: usize| M.at(&on[index]);
        let parameters = layer::Parameters {
            qkv: [at(0), at(1)],
            attention_output: [at(2), at(3)],
            attention_norm: at(4),
            intermediate: [at(5), at(6)],
            output: [at(7), at(8)],
            output_norm: at(9),
        };
        let [key, after @ ..] = dropout;
        let shape = Shape { heads, width: hidden / heads, reach: Reach::Everything, key, precision };
        let settings = layer::Settings {
            plan: Plan::new(tiles(), shape, n).unwrap(),
            dropout: after.map(|key| Dropout::new(key, hidden)),
            epsilon: 1e-12,
            sizes: [n, hidden, ffn],
            precision,
        };
        let (x, grad) = (numbers(n * hidden, 20), numbers(n * hidden, 21));
        let (there, dy, y) = (M.floats(&x), M.floats(&grad), M.room(n * hidden).unwrap());
        let op = layer::Layer { machine: &M, parameters, settings: &settings };
        let kept = op.forward(M.at(&there), M.at(&y)).unwrap();
        let (dx, gradients) = op.backward(M.at(&there), &kept, M.at(&dy)).unwrap();

        let x = var(&x, &[n, hidden]);
        let bundle = |index: usize| vars[index].as_tensor().clone();
        let on_the_cpu = ops::encoder_layer::Parameters {
            qkv: [bundle(0), bundle(1)],
            attention_output: [bundle(2), bundle(3)],
            attention_norm: bundle(4),
            intermediate: [bundle(5), bundle(6)],
            output: [bundle(7), bundle(8)],
            output_norm: bundle(9),
        };
        let cpu_settings = ops::encoder_layer::Settings {
            offsets: OFFSETS.as_slice().into(),
            heads,
            reach: Reach::Everything,
            dropout,
            epsilon: 1e-12,
            precision: Precision::F32,
        };
        let mut inputs = vec![&x];
        inputs.extend(&vars);
        let (expected, expected_gradients) =
            on_cpu(&inputs, &grad, || ops::encoder_layer::reference(&x, &on_the_cpu, &cpu_settings).unwrap());
        close("layer", &y.read(), &expected, tolerance);
        close("of x", &dx.read(), &expected_gradients[0], tolerance);
        for (place, (got, expected)) in gradients.iter().zip(&expected_gradients[1..]).enumerate() {
            close(&format!("of parameter {place}"), &got.read(), expected, tolerance);
        }
        // Same numbers in, same bits out.
        let (again, _) = op.backward(M.at(&there), &kept, M.at(&dy)).unwrap();
        assert!(again.read() == dx.read());
    }
}
