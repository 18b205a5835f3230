//! Every kernel, run from its source on this computer, against the operation on the CPU.

use std::sync::Arc;

use candle_core::{Device, Tensor, Var};

use super::attention::{Plan, Seen, Shape};
use super::emulate::Emulated;
use super::launch::{Address, Dropout, Launch, Rule, arguments};
use super::machine::Product;
use super::{
    Machine, adam, attention, dense, detection, elementwise, embedding, kernels, layer, norm, readings,
};
use crate::ops;
use crate::ops::Precision;
use crate::ops::attention::Reach;
use crate::ops::dropout::DropoutKey;
use crate::ops::sampling::Sampler;
use crate::ops::testing::{self, numbers};
use crate::rng::{Purpose, StreamKey};

const M: Emulated = Emulated;

fn key(site: u64) -> DropoutKey {
    DropoutKey { key: StreamKey::new(1, Purpose::Dropout, 4), site, probability: 0.25 }
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
    let input = var(&x, &[n]);
    let (x, y, d) = (M.floats(&x), M.room(n).unwrap(), M.floats(&grad));
    elementwise::gelu(&M, M.at(&x), M.at(&y), n).unwrap();
    // In place, as the layer does it.
    elementwise::gelu_gradient(&M, M.at(&x), M.at(&d), M.at(&d), n).unwrap();
    let (expected, gradients) = on_cpu(&[&input], &grad, || ops::gelu::gelu(&input).unwrap());
    close("gelu", &y.read(), &expected, 1e-6);
    close("its gradient", &d.read(), &gradients[0], 1e-6);
    elementwise::dropout(&M, M.at(&x), M.at(&y), n, Some(key(3)).into()).unwrap();
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
                dropout: dropout.into(),
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

/// Lengths on both sides of a tile, an empty sequence among them.
const OFFSETS: [usize; 6] = [0, 5, 5, 38, 70, 171];

#[test]
fn attentions() {
    for (heads, width, reach, site) in [
        (2, 12, Reach::Everything, Some(1)),
        (1, 64, Reach::Everything, None),
        (2, 32, Reach::Before, Some(2)),
        (1, 40, Reach::Behind, Some(3)),
    ] {
        let (n, hidden) = (OFFSETS[5], heads * width);
        let (x, grad) = (numbers(n * 3 * hidden, 1), numbers(n * hidden, 2));
        let dropout = site.map(key);
        let shape = Shape { offsets: &OFFSETS, heads, width, reach };
        let plan = Plan::new(&M, shape).unwrap();
        assert_eq!(plan.hidden(), hidden);
        let (qkv, d_output) = (M.floats(&x), M.floats(&grad));
        let (output, d_qkv) = (M.room(n * hidden).unwrap(), M.room(n * 3 * hidden).unwrap());
        let log_sums = attention::forward(&M, &plan, M.at(&qkv), dropout.into(), M.at(&output)).unwrap();
        let seen = Seen { qkv: M.at(&qkv), output: M.at(&output), log_sums: M.at(&log_sums) };
        attention::backward(&M, &plan, seen, dropout.into(), M.at(&d_output), M.at(&d_qkv)).unwrap();
        let offsets: Arc<[usize]> = OFFSETS.as_slice().into();
        let input = var(&x, &[n, 3 * hidden]);
        let (expected, gradients) = on_cpu(&[&input], &grad, || {
            ops::attention::attention(&input, &offsets, heads, reach, dropout).unwrap()
        });
        close("attention", &output.read(), &expected, 1e-5);
        close("its gradient", &d_qkv.read(), &gradients[0], 1e-5);
    }
    let wide = Shape { offsets: &OFFSETS, heads: 1, width: 65, reach: Reach::Everything };
    assert!(Plan::new(&M, wide).is_err());
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
        let shape = Shape { offsets: &OFFSETS, heads, width: hidden / heads, reach: Reach::Everything };
        let settings = layer::Settings {
            plan: Plan::new(&M, shape).unwrap(),
            dropout: dropout.map(Dropout::from),
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

#[test]
fn readings_of_rows() {
    let (rows, classes) = (300, 700);
    let z: Vec<f32> = numbers(rows * classes, 1).iter().map(|value| 2.0 * value).collect();
    let targets: Vec<u32> = (0..rows as u32).map(|row| row * 7 % classes as u32).collect();
    let logits = var(&z, &[rows, classes]);
    for temperature in [None, Some(1.0), Some(0.5)] {
        let sampler = temperature.map(|temperature| Sampler { temperature, seed: 3, step: 9 });
        let there = M.floats(&z);
        let got = readings::read(&M, M.at(&there), [rows, classes], sampler).unwrap();
        let expected = ops::readings::read(&logits, &targets, sampler).unwrap();
        assert_eq!(got.best.read(), expected.best);
        let entropies = got.entropies.read();
        close("entropy", &[entropies.iter().sum::<f32>() / rows as f32], &[expected.entropy], 1e-5);
        if sampler.is_some() {
            // The same uniform numbers against sums that round differently: another class only at a border.
            let other = got.samples.read().iter().zip(&expected.samples).filter(|(a, b)| a != b).count();
            assert!(other <= 1, "{other} of {rows} samples differ");
        }
        let there_targets = M.words(&targets).unwrap();
        let (log_sums, at_targets) = (M.at(&got.log_sums), M.at_words(&there_targets));
        let [losses, mean] =
            readings::losses(&M, M.at(&there), [rows, classes], log_sums, at_targets).unwrap();
        let by_row = ops::cross_entropy::row_cross_entropy(&logits, &targets.as_slice().into()).unwrap();
        close("losses", &losses.read(), &values(&by_row), 1e-5);
        close("their mean", &mean.read(), &values(&expected.loss), 1e-6);
        let grad = M.floats(&[0.5]);
        let outer = readings::Outer { log_sums, targets: at_targets, grad: M.at(&grad), each: false };
        readings::turn(&M, M.at(&there), [rows, classes], outer).unwrap();
        let (_, gradients) = on_cpu(&[&logits], &[0.5], || {
            ops::cross_entropy::cross_entropy(&logits, &targets.as_slice().into()).unwrap()
        });
        close("gradient", &there.read(), &gradients[0], 1e-5);
    }
    let (there, grads) = (M.floats(&z), numbers(rows, 5));
    let got = readings::read(&M, M.at(&there), [rows, classes], None).unwrap();
    let (there_targets, grad) = (M.words(&targets).unwrap(), M.floats(&grads));
    let outer = readings::Outer {
        log_sums: M.at(&got.log_sums),
        targets: M.at_words(&there_targets),
        grad: M.at(&grad),
        each: true,
    };
    readings::turn(&M, M.at(&there), [rows, classes], outer).unwrap();
    let (_, gradients) = on_cpu(&[&logits], &grads, || {
        ops::cross_entropy::row_cross_entropy(&logits, &targets.as_slice().into()).unwrap()
    });
    close("gradient of every row", &there.read(), &gradients[0], 1e-5);
}

/// The kernel's own draws follow the softmax: Pearson's chi-square over ten slices of the classes.
#[test]
fn samples_follow_the_softmax() {
    let (rows, classes) = (2000, 700);
    let row: Vec<f32> = (0..classes).map(|class| (class as f32 * 0.37).sin() * 3.0).collect();
    let there = M.floats(&row.repeat(rows));
    let sampler = Sampler { temperature: 1.0, seed: 2, step: 5 };
    let drawn = readings::read(&M, M.at(&there), [rows, classes], Some(sampler)).unwrap().samples.read();
    let total: f64 = row.iter().map(|&z| f64::from(z).exp()).sum();
    let slices = 10;
    let statistic: f64 = (0..slices)
        .map(|slice| {
            let classes = slice * classes / slices..(slice + 1) * classes / slices;
            let expected: f64 = row[classes.clone()].iter().map(|&z| f64::from(z).exp()).sum::<f64>() / total;
            let seen = drawn.iter().filter(|&&class| classes.contains(&(class as usize))).count();
            (seen as f64 - expected * rows as f64).powi(2) / (expected * rows as f64)
        })
        .sum();
    // 99.99 % quantile of chi-square with 9 degrees of freedom.
    assert!(statistic < 33.7, "chi-square {statistic}");
}

#[test]
fn detections() {
    let n = 3000;
    let z: Vec<f32> = numbers(n, 1).iter().map(|value| 4.0 * value).collect();
    let labels: Arc<[f32]> = (0..n).map(|i| f32::from(i % 7 == 0)).collect();
    let (logits, there, there_labels) = (var(&z, &[n]), M.floats(&z), M.floats(&labels));
    let mean = detection::loss(&M, M.at(&there), M.at(&there_labels), n).unwrap();
    let grad = M.floats(&[2.0]);
    let d = detection::gradient(&M, M.at(&there), M.at(&there_labels), M.at(&grad), n).unwrap();
    let (expected, gradients) = on_cpu(&[&logits], &[2.0], || {
        ops::binary_cross_entropy::binary_cross_entropy(&logits, &labels).unwrap()
    });
    close("loss", &mean.read(), &expected, 1e-6);
    close("gradient", &d.read(), &gradients[0], 1e-5);
}

#[test]
fn embeddings() {
    let (n, width, sizes) = (1000, 20, [50, 30, 2]);
    let tables = sizes.map(|rows| numbers(rows * width, rows as u64));
    let base = [numbers(sizes[0] * width, 7), numbers(sizes[1] * width, 8)];
    let grad = numbers(n * width, 9);
    // Most tokens are one word, as [MASK] is.
    let words: Vec<u32> = (0..n as u32).map(|i| if i % 3 == 0 { i % 50 } else { 4 }).collect();
    let indices = ops::embedding::Indices {
        words: words.into(),
        positions: (0..n as u32).map(|i| i % 30).collect(),
        kinds: (0..n as u32).map(|i| u32::from(i % 30 > 11)).collect(),
    };
    let vars: Vec<Var> = tables.iter().zip(sizes).map(|(table, rows)| var(table, &[rows, width])).collect();
    let there = [0, 1, 2].map(|table| M.floats(&tables[table]));
    let there_base = [0, 1].map(|table| M.floats(&base[table]));
    let rows = [&indices.words, &indices.positions, &indices.kinds];
    let there_rows = rows.map(|rows| M.words(rows).unwrap());
    for with_base in [false, true] {
        let base_at =
            if with_base { [M.at(&there_base[0]), M.at(&there_base[1])] } else { [Address::NULL; 2] };
        let on = embedding::Tables {
            word: M.at(&there[0]),
            position: M.at(&there[1]),
            kind: M.at(&there[2]),
            base: base_at,
            width,
        };
        let out = M.room(n * width).unwrap();
        embedding::embed(&M, on, [0, 1, 2].map(|rows| M.at_words(&there_rows[rows])), M.at(&out), n).unwrap();
        let (expected, gradients) = on_cpu(&[&vars[0], &vars[1], &vars[2]], &grad, || match with_base {
            false => ops::embedding::embedding(&vars[0], &vars[1], &vars[2], &indices).unwrap(),
            true => {
                let base = ops::embedding::Base::new(
                    &var(&base[0], &[sizes[0], width]),
                    &var(&base[1], &[sizes[1], width]),
                );
                ops::embedding::difference_embedding(&base, &vars[0], &vars[1], &vars[2], &indices).unwrap()
            }
        });
        assert_eq!(out.read(), expected);
        let d = M.floats(&grad);
        for (table, expected) in gradients.iter().enumerate() {
            let sums = M.zeros(sizes[table] * width).unwrap();
            let runs = embedding::Runs::new(rows[table]);
            embedding::add_rows(&M, M.at(&d), &runs, M.at(&sums), width).unwrap();
            close("table", &sums.read(), expected, 1e-5);
        }
    }
    let chosen = M.room(3 * width).unwrap();
    let at = M.words(&[49, 0, 49]).unwrap();
    embedding::gather(&M, M.at(&there[0]), M.at_words(&at), M.at(&chosen), [3, width]).unwrap();
    assert_eq!(chosen.read()[width..2 * width], tables[0][..width]);
    assert_eq!(chosen.read()[2 * width..], tables[0][49 * width..]);
    let none = embedding::Runs::new(&[]);
    embedding::add_rows(&M, Address::NULL, &none, Address::NULL, width).unwrap();
}

#[test]
fn updates() {
    let sizes = [20_000, 3, 8192];
    let rule = Rule {
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
    let there: Vec<[_; 4]> =
        (0..3).map(|index| [0, 1, 2, 3].map(|kind| M.floats(&start(index, kind)))).collect();
    let parameters: Vec<adam::Parameter<'_>> = there
        .iter()
        .zip(sizes)
        .map(|([p, m, v, g], len)| adam::Parameter {
            values: M.at(p),
            first: M.at(m),
            second: M.at(v),
            gradient: M.at(g),
            len,
            rate: 0.01,
            decay: if len == 3 { 0.0 } else { 0.1 },
        })
        .collect();
    let pieces = adam::Pieces::new(&M, &parameters).unwrap();
    let norm = adam::norm(&M, &pieces).unwrap();
    let squares: f64 = (0..3).flat_map(|index| start(index, 3)).map(|g| f64::from(g) * f64::from(g)).sum();
    close("norm", &norm.read(), &[squares.sqrt() as f32], 1e-6);
    let none = M.floats(&[f32::INFINITY]);
    adam::update(&M, &pieces, M.at(&none), rule).unwrap();
    assert_eq!(there[0][0].read(), start(0, 0), "a norm that is not finite changes nothing");
    adam::update(&M, &pieces, M.at(&norm), rule).unwrap();
    for (index, on) in there.iter().enumerate() {
        let vars = [0, 1, 2].map(|kind| var(&start(index, kind), &[sizes[index]]));
        let update = ops::adam::Update {
            rate: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            decay: if sizes[index] == 3 { 0.0 } else { 0.1 },
            gradient_scale: (1.0 / squares.sqrt()) as f32,
            corrections: (1.0, 1.0),
        };
        let gradient = Tensor::from_vec(start(index, 3), sizes[index], &Device::Cpu).unwrap();
        ops::adam::reference(&vars[0], &vars[1], &vars[2], &gradient, update).unwrap();
        for (got, expected) in on.iter().zip(&vars) {
            close("update", &got.read(), &values(expected), 1e-6);
        }
    }
}
