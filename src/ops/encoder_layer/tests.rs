//! The layer against the operations that it is made of, to the bit. Those are compared with candle's
//! primitives in their own files.

use candle_core::{Tensor, Var};

use super::{LayerParameters, LayerSettings, encoder_layer, reference};
use crate::ops::attention::AttentionMask;
use crate::ops::dropout::{DropoutKey, MicroBatchOffset};
use crate::ops::gradients::Gradients;
use crate::ops::testing;
use crate::precision::Precision;
use crate::rng::{Purpose, StreamKey};

fn parameters(hidden: usize, ffn: usize) -> Vec<Var> {
    let shapes: [&[usize]; 10] = [
        &[3 * hidden, hidden],
        &[3 * hidden],
        &[hidden, hidden],
        &[hidden],
        &[2, hidden],
        &[ffn, hidden],
        &[ffn],
        &[hidden, ffn],
        &[hidden],
        &[2, hidden],
    ];
    let var = |(shape, index): (&&[usize], u64)| {
        Var::from_tensor(&(testing::tensor(shape, index) * 0.2).unwrap()).unwrap()
    };
    shapes.iter().zip(1..).map(var).collect()
}

fn bundle(vars: &[Var]) -> LayerParameters {
    let at = |index: usize| vars[index].as_tensor().clone();
    LayerParameters {
        qkv: [at(0), at(1)],
        attention_output: [at(2), at(3)],
        attention_norm: at(4),
        intermediate: [at(5), at(6)],
        output: [at(7), at(8)],
        output_norm: at(9),
    }
}

fn settings(lengths: &[usize], heads: usize, mask: AttentionMask, probability: f64) -> LayerSettings {
    let offsets: Vec<usize> = std::iter::once(0)
        .chain(lengths.iter().scan(0, |total, len| {
            *total += len;
            Some(*total)
        }))
        .collect();
    let dropout = [1, 2, 3].map(|site| {
        let key = StreamKey::new(1, Purpose::Dropout, 4);
        (probability > 0.0).then_some(DropoutKey {
            key,
            site,
            probability,
            offset: MicroBatchOffset::default(),
        })
    });
    LayerSettings { offsets: offsets.into(), heads, mask, dropout, epsilon: 1e-12, precision: Precision::F32 }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Output, the gradient of x and those of the parameters, of two layers one after the other that share all of
/// theirs.
fn run(
    layer: impl Fn(&Tensor, &LayerParameters, &LayerSettings) -> candle_core::Result<Tensor>,
    vars: &[Var],
    settings: &LayerSettings,
    hidden: usize,
) -> Vec<Vec<f32>> {
    let n = *settings.offsets.last().unwrap();
    let x = Var::from_tensor(&testing::tensor(&[n, hidden], 77)).unwrap();
    let parameters = bundle(vars);
    let middle = layer(x.as_tensor(), &parameters, settings).unwrap();
    let y = layer(&middle, &parameters, settings).unwrap();
    let weights = testing::tensor(&[n, hidden], 99);
    let loss = (&y * weights).unwrap().sum_all().unwrap();
    let all: Vec<Var> = vars.iter().cloned().chain([x]).collect();
    let mut gradients = Gradients::new(all.iter());
    gradients.backward(&loss).unwrap();
    let mut numbers = vec![values(&y)];
    numbers.extend((0..all.len()).map(|index| values(&gradients.tensor(index).unwrap().unwrap())));
    numbers
}

#[test]
fn the_layer_is_its_operations_to_the_bit() {
    // Sequences of one token, of many; batches shorter than a chunk and cut into several, at no even place.
    let ragged: Vec<usize> = (0..23).map(|i| 1 + (i * 37) % 61).collect();
    for (hidden, ffn, lengths, heads, mask, probability) in [
        (24, 40, &ragged[..], 3, AttentionMask::Full, 0.1),
        (64, 256, &[128, 128, 70, 300, 1, 5][..], 1, AttentionMask::Full, 0.25),
        (32, 520, &[40, 31, 1][..], 4, AttentionMask::Causal, 0.0),
        (600, 72, &[66, 64, 9][..], 2, AttentionMask::ReverseCausal, 0.1),
        (8, 16, &[2][..], 2, AttentionMask::Full, 0.5),
        (16, 8, &[20, 13][..], 2, AttentionMask::Full, 0.5),
    ] {
        let vars = parameters(hidden, ffn);
        let settings = settings(lengths, heads, mask, probability);
        let slow = run(reference, &vars, &settings, hidden);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let fast = pool.install(|| run(encoder_layer, &vars, &settings, hidden));
            for (index, (fast, slow)) in fast.iter().zip(&slow).enumerate() {
                assert!(fast == slow, "tensor {index} at width {hidden}, {threads} threads");
            }
        }
    }
}

/// Gradients that nothing accumulates would be lost silently.
#[test]
fn candles_own_backward_pass_is_an_error() {
    let vars = parameters(8, 16);
    let settings = settings(&[30, 20], 2, AttentionMask::Full, 0.0);
    let x = Var::from_tensor(&testing::tensor(&[50, 8], 7)).unwrap();
    let y = encoder_layer(x.as_tensor(), &bundle(&vars), &settings).unwrap().sum_all().unwrap();
    let message = y.backward().unwrap_err().to_string();
    assert!(message.contains("Gradients::backward"), "{message}");
    let mut some = Gradients::new(vars[..3].iter());
    assert!(some.backward(&y).is_err(), "not all parameters are known");
}

#[cfg(target_os = "linux")]
mod emulated {
    //! The kernels, run from their source.

    use std::sync::Arc;

    use candle_core::Var;

    use super::super::cuda::{DeviceLayer, ParameterPtrs, PreparedLayer};
    use super::super::reference;
    use super::{bundle, parameters};
    use crate::ops::attention::AttentionMask;
    use crate::ops::attention::cuda::{TiledAttention, Tiles};
    use crate::ops::backend::Backend;
    use crate::ops::backend::emulator::CpuEmulator;
    use crate::ops::encoder_layer::LayerSettings;
    use crate::ops::testing::{EMULATOR, close, dropout_key, numbers, on_cpu, values, var};
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

    #[test]
    fn kernels_agree_with_the_cpu() {
        let (hidden, ffn, heads, n) = (24, 40, 2, OFFSETS[5]);
        let vars = parameters(hidden, ffn);
        let on: Vec<_> = vars.iter().map(|var| EMULATOR.upload(&values(var)).unwrap()).collect();
        let pointers = ParameterPtrs::new(std::array::from_fn(|index| EMULATOR.ptr(&on[index])));
        let (x, grad) = (numbers(n * hidden, 20), numbers(n * hidden, 21));
        let input = var(&x, &[n, hidden]);
        let inputs: Vec<&Var> = std::iter::once(&input).chain(&vars).collect();
        let [on_x, on_grad] = [&x, &grad].map(|values| EMULATOR.upload(values).unwrap());
        let (at_x, at_grad) = (EMULATOR.ptr(&on_x), EMULATOR.ptr(&on_grad));
        for (sites, precision, tolerance) in [
            ([Some(1), Some(2), Some(3)], Precision::F32, 2e-5),
            ([None; 3], Precision::F32, 2e-5),
            ([None; 3], Precision::Tf32, 5e-3),
            ([None; 3], Precision::Bf16, 5e-2),
        ] {
            let settings = LayerSettings {
                offsets: OFFSETS.as_slice().into(),
                heads,
                mask: AttentionMask::Full,
                dropout: sites.map(|site| site.map(dropout_key)),
                epsilon: 1e-12,
                precision,
            };
            let sizes = [n, hidden / heads];
            let attention = TiledAttention::new(tiles(), &settings.attention(), sizes, precision).unwrap();
            let prepared = PreparedLayer::new(attention, &settings, [n, hidden, ffn]);
            let layer = DeviceLayer { backend: &EMULATOR, parameters: pointers, prepared: &prepared };
            let y = EMULATOR.alloc::<f32>(n * hidden).unwrap();
            let activations = layer.forward(at_x, EMULATOR.ptr(&y)).unwrap();
            let grads = layer.backward(at_x, &activations, at_grad).unwrap();

            let (expected, expected_gradients) =
                on_cpu(&inputs, &grad, || reference(&input, &bundle(&vars), &settings).unwrap());
            close("layer", &y.read(), &expected, tolerance);
            close("of x", &grads.x.read(), &expected_gradients[0], tolerance);
            for (index, (got, expected)) in grads.parameters.iter().zip(&expected_gradients[1..]).enumerate()
            {
                close(&format!("of parameter {index}"), &got.read(), expected, tolerance);
            }
            // Same numbers in, same bits out.
            let again = layer.backward(at_x, &activations, at_grad).unwrap();
            assert!(again.x.read() == grads.x.read());
        }
    }
}
