//! The layer against the operations that it is made of, to the bit; those are held to candle's primitives in their own files.

use std::cell::Cell;

use candle_core::{Tensor, Var};

use super::{Parameters, Settings, encoder_layer, reference};
use crate::ops::Precision;
use crate::ops::attention::Reach;
use crate::ops::dropout::{DropoutKey, Place};
use crate::ops::gradients::Gradients;
use crate::ops::testing;
use crate::rng::{Purpose, StreamKey};

thread_local! {
    static TAKEN_APART: Cell<bool> = const { Cell::new(false) };
}

/// Whether [`with_layers_taken_apart`] is running on this thread.
pub fn taken_apart() -> bool {
    TAKEN_APART.get()
}

/// Calls `body`, in which a layer is its operations: candle's own backward pass sees all of their parameters.
pub fn with_layers_taken_apart<R>(body: impl FnOnce() -> R) -> R {
    TAKEN_APART.set(true);
    let result = body();
    TAKEN_APART.set(false);
    result
}

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

fn bundle(vars: &[Var]) -> Parameters {
    let at = |index: usize| vars[index].as_tensor().clone();
    Parameters {
        qkv: [at(0), at(1)],
        attention_output: [at(2), at(3)],
        attention_norm: at(4),
        intermediate: [at(5), at(6)],
        output: [at(7), at(8)],
        output_norm: at(9),
    }
}

fn settings(lengths: &[usize], heads: usize, reach: Reach, probability: f64) -> Settings {
    let offsets: Vec<usize> = std::iter::once(0)
        .chain(lengths.iter().scan(0, |total, len| {
            *total += len;
            Some(*total)
        }))
        .collect();
    let dropout = [1, 2, 3].map(|site| {
        let key = StreamKey::new(1, Purpose::Dropout, 4);
        (probability > 0.0).then_some(DropoutKey { key, site, probability, place: Place::default() })
    });
    Settings { offsets: offsets.into(), heads, reach, dropout, epsilon: 1e-12, precision: Precision::F32 }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Output, the gradient of x and those of the parameters, of two layers one after the other that share all of theirs.
fn run(
    layer: impl Fn(&Tensor, &Parameters, &Settings) -> candle_core::Result<Tensor>,
    vars: &[Var],
    settings: &Settings,
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
    numbers.extend((0..all.len()).map(|place| values(&gradients.tensor(place).unwrap().unwrap())));
    numbers
}

#[test]
fn the_layer_is_its_operations_to_the_bit() {
    // Sequences of one token, of many; batches shorter than a chunk and cut into several, at no even place.
    let ragged: Vec<usize> = (0..23).map(|i| 1 + (i * 37) % 61).collect();
    for (hidden, ffn, lengths, heads, reach, probability) in [
        (24, 40, &ragged[..], 3, Reach::Everything, 0.1),
        (64, 256, &[128, 128, 70, 300, 1, 5][..], 1, Reach::Everything, 0.25),
        (32, 520, &[40, 31, 1][..], 4, Reach::Before, 0.0),
        (600, 72, &[66, 64, 9][..], 2, Reach::Behind, 0.1),
        (8, 16, &[2][..], 2, Reach::Everything, 0.5),
        (16, 8, &[20, 13][..], 2, Reach::Everything, 0.5),
    ] {
        let vars = parameters(hidden, ffn);
        let settings = settings(lengths, heads, reach, probability);
        let slow = run(reference, &vars, &settings, hidden);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let fast = pool.install(|| run(encoder_layer, &vars, &settings, hidden));
            for (place, (fast, slow)) in fast.iter().zip(&slow).enumerate() {
                assert!(fast == slow, "number {place} at width {hidden}, {threads} threads");
            }
        }
    }
}

/// Gradients that nobody collects would be lost without a word.
#[test]
fn candles_own_backward_pass_is_an_error() {
    let vars = parameters(8, 16);
    let settings = settings(&[30, 20], 2, Reach::Everything, 0.0);
    let x = Var::from_tensor(&testing::tensor(&[50, 8], 7)).unwrap();
    let y = encoder_layer(x.as_tensor(), &bundle(&vars), &settings).unwrap().sum_all().unwrap();
    let message = y.backward().unwrap_err().to_string();
    assert!(message.contains("Gradients::backward"), "{message}");
    let mut some = Gradients::new(vars[..3].iter());
    assert!(some.backward(&y).is_err(), "not all parameters have a place");
}
