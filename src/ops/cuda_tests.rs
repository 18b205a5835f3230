//! The operations on a CUDA device against those on the CPU, and against themselves: the same bits twice.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor, Var};

use crate::ops::attention::{AttentionMask, attention};
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::ops::corruption::corrupt;
use crate::ops::cross_entropy::{cross_entropy, row_cross_entropy};
use crate::ops::dropout::{DropoutKey, MicroBatchOffset, dropout};
use crate::ops::embedding::{BaseTables, Indices, difference_embedding, embedding};
use crate::ops::encoder_layer::{LayerParameters, LayerSettings, encoder_layer};
use crate::ops::fused_linear_softmax_stats::fused_linear_softmax_stats;
use crate::ops::gather::gather;
use crate::ops::gelu::gelu;
use crate::ops::gradients::Gradients;
use crate::ops::layer_norm::{layer_norm, residual_layer_norm};
use crate::ops::linear::linear;
use crate::ops::sampling::Sampler;
use crate::ops::softmax_stats::SoftmaxStats;
use crate::ops::{backend, kernel_tests, testing};
use crate::precision::Precision;
use crate::rng::{Purpose, StreamKey};

const OFFSETS: [usize; 5] = [0, 5, 38, 70, 171];

fn cuda() -> Device {
    Device::new_cuda(0).unwrap()
}

fn key(site: u64) -> DropoutKey {
    DropoutKey {
        key: StreamKey::new(1, Purpose::Dropout, 4),
        site,
        probability: 0.25,
        offset: MicroBatchOffset::default(),
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The output of an operation and the gradients of a weighted sum of it, by the optimizer's way.
fn run(inputs: &[Tensor], device: &Device, op: &dyn Fn(&[Tensor]) -> Result<Tensor>) -> Vec<Vec<f32>> {
    let vars: Vec<Var> =
        inputs.iter().map(|input| Var::from_tensor(&input.to_device(device).unwrap()).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let y = op(&tensors).unwrap();
    let weights = testing::tensor(y.dims(), 99).to_device(device).unwrap();
    let mut gradients = Gradients::new(vars.iter());
    gradients.backward(&(&y * weights).unwrap().sum_all().unwrap()).unwrap();
    let of = |index| values(&gradients.tensor(index).unwrap().unwrap());
    std::iter::once(values(&y)).chain((0..vars.len()).map(of)).collect()
}

#[track_caller]
fn compare(what: &str, inputs: &[Tensor], tolerance: f32, op: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let expected = run(inputs, &Device::Cpu, &op);
    let got = run(inputs, &cuda(), &op);
    assert!(run(inputs, &cuda(), &op) == got, "{what}: not the same bits twice");
    for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let scale = expected.iter().fold(1e-3f32, |most, value| most.max(value.abs()));
        for (i, (a, b)) in got.iter().zip(expected).enumerate() {
            assert!((a - b).abs() <= tolerance * scale, "{what}, {index}[{i}]: {a} against {b} of {scale}");
        }
    }
}

fn tensors<const N: usize>(shapes: [&[usize]; N]) -> Vec<Tensor> {
    shapes.iter().zip(1..).map(|(shape, index)| testing::tensor(shape, index)).collect()
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_elementwise_operations_and_layer_norms() {
    compare("gelu", &tensors([&[70, 300]]), 3e-6, |t| gelu(&t[0]));
    compare("dropout", &tensors([&[70, 300]]), 0.0, |t| dropout(&t[0], Some(key(3))));
    compare("layer norm", &tensors([&[300, 96], &[2, 96]]), 1e-5, |t| layer_norm(&t[0], &t[1], 1e-12));
    for key in [None, Some(key(2))] {
        let inputs = tensors([&[300, 96], &[300, 96], &[2, 96]]);
        compare("residual layer norm", &inputs, 1e-5, |t| {
            residual_layer_norm(&t[0], &t[1], &t[2], key, 1e-12)
        });
    }
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_attentions() {
    let offsets: Arc<[usize]> = OFFSETS.as_slice().into();
    for (heads, hidden, mask) in [
        (2, 24, AttentionMask::Full),
        (1, 64, AttentionMask::Causal),
        (4, 128, AttentionMask::ReverseCausal),
        (1, 96, AttentionMask::Full),
    ] {
        for key in [None, Some(key(1))] {
            let inputs = tensors([&[171, 3 * hidden]]);
            compare("attention", &inputs, 1e-5, |t| attention(&t[0], &offsets, heads, mask, key));
        }
    }
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_dense_layers_in_every_precision() {
    let inputs = tensors([&[300, 64], &[40, 64], &[40]]);
    for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Tf32, 4e-3), (Precision::Bf16, 3e-2)] {
        compare("linear", &inputs, tolerance, |t| linear(&t[0], &t[1], &t[2], precision));
    }
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_layers() {
    let (h, f) = (48, 96);
    let shapes: [&[usize]; 11] =
        [&[171, h], &[3 * h, h], &[3 * h], &[h, h], &[h], &[2, h], &[f, h], &[f], &[h, f], &[h], &[2, h]];
    let inputs: Vec<Tensor> = tensors(shapes).iter().map(|t| (t * 0.3).unwrap()).collect();
    for (sites, precision, tolerance) in [
        ([Some(1), Some(2), Some(3)], Precision::F32, 3e-5),
        ([None; 3], Precision::Tf32, 1e-2),
        ([None; 3], Precision::Bf16, 1e-1),
    ] {
        compare("layer", &inputs, tolerance, |t| {
            let at = |index: usize| t[index].clone();
            let parameters = LayerParameters {
                qkv: [at(1), at(2)],
                attention_output: [at(3), at(4)],
                attention_norm: at(5),
                intermediate: [at(6), at(7)],
                output: [at(8), at(9)],
                output_norm: at(10),
            };
            let settings = LayerSettings {
                offsets: OFFSETS.as_slice().into(),
                heads: 4,
                mask: AttentionMask::Full,
                dropout: sites.map(|site| site.map(key)),
                epsilon: 1e-12,
                precision,
            };
            encoder_layer(&t[0], &parameters, &settings)
        });
    }
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_losses_and_softmax_stats() {
    let n = 60;
    let targets: Arc<[u32]> = (0..n).map(|row| row * 7 % 700).collect();
    let labels: Vec<f32> = (0..n).map(|row| f32::from(u8::from(row % 7 == 0))).collect();
    compare("cross-entropy", &tensors([&[60, 700]]), 1e-5, |t| cross_entropy(&t[0], &targets));
    compare("of every row", &tensors([&[60, 700]]), 1e-5, |t| row_cross_entropy(&t[0], &targets));
    compare("detection", &tensors([&[60]]), 1e-5, |t| {
        binary_cross_entropy(&t[0], &Tensor::new(&labels[..], t[0].device())?)
    });
    let inputs = tensors([&[60, 32], &[700, 32], &[700]]);
    let sampler = Some(Sampler { temperature: 1.0, seed: 3, step: 9, first: 5 });
    let stats =
        |t: &[Tensor]| fused_linear_softmax_stats(&t[0], &t[1], &t[2], &targets, sampler, Precision::F32);
    compare("softmax stats", &inputs, 1e-5, |t| Ok(stats(t)?.loss));
    let there: Vec<Tensor> = inputs.iter().map(|t| t.to_device(&cuda()).unwrap()).collect();
    let (expected, got) = (stats(&inputs).unwrap(), stats(&there).unwrap());
    let integers = |tensor: &Tensor| tensor.to_vec1::<u32>().unwrap();
    let samples = |stats: &SoftmaxStats| integers(stats.samples.as_ref().unwrap());
    assert_eq!((integers(&got.best), samples(&got)), (integers(&expected.best), samples(&expected)));
    for (one, other) in values(&got.losses).iter().zip(values(&expected.losses)) {
        assert!((one - other).abs() < 1e-4, "loss of a row {one} against {other}");
    }
    let entropy = |stats: &SoftmaxStats| stats.entropy.to_scalar::<f32>().unwrap();
    assert!((entropy(&got) - entropy(&expected)).abs() < 1e-4);
}

/// Tokens that the device sampled, some for one position, are embedded as if the host knew them.
#[test]
#[ignore = "needs a CUDA device"]
fn cuda_sampled_tokens() {
    let ids: Vec<u32> = (0..1000).map(|i| i * i % 50).collect();
    let positions: Vec<u32> = (0..300).map(|slot| 3 * (slot - u32::from(slot % 3 == 1)) + 7).collect();
    let samples: Vec<u32> = (0..300).map(|slot| slot * 7 % 11 + 20).collect();
    let here = corrupt(&ids, &positions, &Tensor::new(&samples[..], &Device::Cpu).unwrap(), &Device::Cpu);
    let (here, replaced) =
        here.map(|corrupted| (corrupted.ids().unwrap(), values(&corrupted.replaced))).unwrap();
    let inputs = tensors([&[50, 20], &[30, 20], &[2, 20]]);
    compare("sampled tokens", &inputs, 1e-5, |t| {
        let samples = Tensor::new(&samples[..], t[0].device())?;
        let corrupted = corrupt(&ids, &positions, &samples, t[0].device())?;
        assert_eq!(corrupted.device_ids.is_some(), t[0].device().is_cuda());
        assert_eq!((corrupted.ids()?, values(&corrupted.replaced)), (here.clone(), replaced.clone()));
        let indices = Indices {
            input_ids: corrupted.input_ids,
            position_ids: (0..1000).map(|i| i % 30).collect(),
            token_type_ids: (0..1000).map(|i| u32::from(i % 30 > 11)).collect(),
            device_ids: corrupted.device_ids,
        };
        embedding(&t[0], &t[1], &t[2], &indices)
    });
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_embeddings() {
    let n = 1000u32;
    let indices = Indices {
        input_ids: (0..n).map(|i| if i % 3 == 0 { i % 50 } else { 4 }).collect(),
        position_ids: (0..n).map(|i| i % 30).collect(),
        token_type_ids: (0..n).map(|i| u32::from(i % 30 > 11)).collect(),
        device_ids: None,
    };
    let inputs = tensors([&[50, 20], &[30, 20], &[2, 20]]);
    compare("embedding", &inputs, 1e-5, |t| embedding(&t[0], &t[1], &t[2], &indices));
    compare("differences", &inputs, 1e-5, |t| {
        let of = |shape: &[usize], index| testing::tensor(shape, index).to_device(t[0].device());
        let base = BaseTables::new(&of(&[50, 20], 7)?, &of(&[30, 20], 8)?);
        difference_embedding(&base, &t[0], &t[1], &t[2], &indices)
    });
    compare("rows", &tensors([&[50, 20]]), 1e-5, |t| gather(&t[0], &indices.input_ids));
}

/// Needs the toolkit's compiler library, which a build with this feature is linked to, and no device.
#[test]
fn kernels_compile_for_ampere_and_hopper() {
    for architecture in [80, 90] {
        for source in kernel_tests::SOURCES {
            let ptx = backend::compile(source, architecture).unwrap();
            for kernel in source.kernels {
                let name = kernel.kernel;
                assert!(ptx.contains(&format!(".entry {name}(")), "{name} for {architecture}");
            }
        }
    }
}
