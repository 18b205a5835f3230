//! Helpers of all operations' tests: random tensors, the comparison of a fused kernel with its reference
//! (values and gradients), finite differences in f64, and the comparison of emulated kernels with the CPU.

use candle_core::{DType, Device, Result, Tensor, Var};

#[cfg(target_os = "linux")]
use super::backend::emulator::CpuEmulator;
use super::dropout::{DropoutKey, MicroBatchOffset};
use crate::rng::{Purpose, Stream, StreamKey};

/// Standard normal numbers.
pub fn numbers(n: usize, index: u64) -> Vec<f32> {
    let mut stream = Stream::new(11, Purpose::Test, 1, index);
    (0..n).map(|_| stream.normal() as f32).collect()
}

/// A tensor of standard normal numbers.
pub fn tensor(shape: &[usize], index: u64) -> Tensor {
    Tensor::from_vec(numbers(shape.iter().product(), index), shape, &Device::Cpu).unwrap()
}

/// A scalar that weighs every element of `y` differently, so that no gradient hides behind a symmetry.
fn weigh(y: &Tensor) -> Tensor {
    let weights = tensor(y.dims(), 99).to_dtype(y.dtype()).unwrap();
    (y * weights).unwrap().sum_all().unwrap()
}

fn vars(inputs: &[Tensor], dtype: DType) -> Vec<Var> {
    inputs.iter().map(|t| Var::from_tensor(&t.to_dtype(dtype).unwrap()).unwrap()).collect()
}

fn tensors(vars: &[Var]) -> Vec<Tensor> {
    vars.iter().map(|var| var.as_tensor().clone()).collect()
}

fn exact_values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn agree(what: &str, a: &Tensor, b: &Tensor, tolerance: f64) {
    assert_eq!(a.dims(), b.dims(), "{what}: shapes");
    let (a, b) = (exact_values(a), exact_values(b));
    let scale = b.iter().fold(0f64, |m, v| m.max(v.abs())).max(1e-3);
    for (i, (x, y)) in a.iter().zip(&b).enumerate() {
        assert!((x - y).abs() <= tolerance * scale, "{what}[{i}]: {x} against {y} (scale {scale})");
    }
}

type Op<'a> = &'a dyn Fn(&[Tensor]) -> Result<Tensor>;

/// Holds values and every gradient of `fused` against `reference`, both in f32, and the reference's gradients
/// against central differences in f64.
pub fn compare(
    inputs: &[Tensor],
    fused: impl Fn(&[Tensor]) -> Result<Tensor>,
    reference: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    let (fast, slow) = (vars(inputs, DType::F32), vars(inputs, DType::F32));
    let (y, z) = (fused(&tensors(&fast)).unwrap(), reference(&tensors(&slow)).unwrap());
    agree("value", &y, &z, 2e-6);
    let (dy, dz) = (weigh(&y).backward().unwrap(), weigh(&z).backward().unwrap());
    for (i, (a, b)) in fast.iter().zip(&slow).enumerate() {
        let a = dy.get(a).unwrap_or_else(|| panic!("the fused op drops gradient {i}"));
        agree(&format!("gradient {i}"), a, dz.get(b).unwrap(), 2e-5);
    }
    differences(inputs, &reference);
}

fn differences(inputs: &[Tensor], reference: Op<'_>) {
    let exact = vars(inputs, DType::F64);
    let grads = weigh(&reference(&tensors(&exact)).unwrap()).backward().unwrap();
    for (i, input) in inputs.iter().enumerate() {
        let gradient = exact_values(grads.get(&exact[i]).unwrap());
        let base = exact_values(input);
        let scale = gradient.iter().fold(0f64, |m, v| m.max(v.abs())).max(1e-3);
        // A handful of elements spread over the tensor: each costs two evaluations.
        for element in (0..base.len()).step_by((base.len() / 7).max(1)) {
            let at = |delta: f64| {
                let mut moved = base.clone();
                moved[element] += delta;
                let mut all = tensors(&exact);
                all[i] = Tensor::from_vec(moved, input.dims(), &Device::Cpu).unwrap();
                weigh(&reference(&all).unwrap()).to_scalar::<f64>().unwrap()
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!(
                (difference - gradient[element]).abs() <= 1e-6 * scale,
                "finite difference of input {i}[{element}]: {difference} against {}",
                gradient[element]
            );
        }
    }
}

/// Runs kernels from their source on this computer.
#[cfg(target_os = "linux")]
pub const EMULATOR: CpuEmulator = CpuEmulator;

/// The numbers of an f32 tensor.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// A variable with these numbers.
pub fn var(values: &[f32], shape: &[usize]) -> Var {
    Var::from_tensor(&Tensor::from_slice(values, shape, &Device::Cpu).unwrap()).unwrap()
}

/// A dropout site of a micro-batch.
pub fn dropout_key(site: u64) -> DropoutKey {
    DropoutKey {
        key: StreamKey::new(1, Purpose::Dropout, 4),
        site,
        probability: 0.25,
        offset: MicroBatchOffset { first_token: 37, longest: 71 },
    }
}

/// Panics unless all numbers agree to `tolerance` times the largest expected one.
#[track_caller]
pub fn close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3f32, |most, value| most.max(value.abs()));
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}[{i}]: {a} against {b}, the largest {scale}");
    }
}

/// Output and gradients, on the CPU, of an operation whose output's gradient is `grad`.
pub fn on_cpu(inputs: &[&Var], grad: &[f32], op: impl FnOnce() -> Tensor) -> (Vec<f32>, Vec<Vec<f32>>) {
    let y = op();
    let grad = Tensor::from_slice(grad, y.dims(), &Device::Cpu).unwrap();
    let store = (&y * grad).unwrap().sum_all().unwrap().backward().unwrap();
    (values(&y), inputs.iter().map(|&input| values(store.get(input).unwrap())).collect())
}
