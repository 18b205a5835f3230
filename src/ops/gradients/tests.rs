//! Gradients against those of candle's own backward pass.

use super::host::BLOCK;
use super::*;
use crate::ops::embedding::{Indices, embedding};
use crate::ops::fused_linear_cross_entropy::fused_linear_cross_entropy;
use crate::ops::layer_norm::layer_norm;
use crate::ops::linear::linear;
use crate::ops::testing;
use crate::precision::Precision;
use candle_core::{DType, Device};

fn var(shape: &[usize], index: u64) -> Var {
    Var::from_tensor(&testing::tensor(shape, index)).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Word `[900, 16]` (read by the embedding and, as an output matrix, by a dense layer), position, type, norm,
/// a dense layer's weight and bias, an output bias, and a factor that only candle's own operations see.
fn parameters() -> Vec<Var> {
    let shapes: [&[usize]; 8] =
        [&[900, 16], &[4, 16], &[2, 16], &[2, 16], &[16, 16], &[16], &[900], &[1, 16]];
    shapes.iter().zip(1..).map(|(shape, index)| var(shape, index)).collect()
}

/// How the word table is read a second time, as an output matrix.
#[derive(Clone, Copy, Debug)]
enum Tied {
    No,
    Logits,
    Losses,
}

fn loss(p: &[Var], ids: [u32; 3], tied: Tied) -> Tensor {
    let indices = Indices {
        input_ids: ids.as_slice().into(),
        position_ids: vec![0, 1, 2].into(),
        token_type_ids: vec![0, 1, 1].into(),
        device_ids: None,
    };
    let x = embedding(&p[0], &p[1], &p[2], &indices).unwrap();
    let x = layer_norm(&x, &p[3], 1e-12).unwrap();
    let x = linear(&x, &p[4], &p[5], Precision::F32).unwrap().broadcast_mul(&p[7]).unwrap();
    match tied {
        Tied::No => x.sqr().unwrap().mean_all().unwrap(),
        Tied::Logits => linear(&x, &p[0], &p[6], Precision::F32).unwrap().sqr().unwrap().mean_all().unwrap(),
        Tied::Losses => {
            let targets: std::sync::Arc<[u32]> = ids.as_slice().into();
            fused_linear_cross_entropy(&x, &p[0], &p[6], &targets, Precision::F32)
                .unwrap()
                .losses
                .mean_all()
                .unwrap()
        }
    }
}

/// The reference is candle's own backward pass.
#[test]
fn gradients_are_candles_to_the_bit() {
    let p = parameters();
    let mut gradients = Gradients::new(p.iter());
    // Tied, not tied, tied again: a whole gradient, one of rows, and each after the other.
    for (ids, tied) in [
        ([5, 870, 5], Tied::Logits),
        ([0, 1, 899], Tied::No),
        ([7, 300, 0], Tied::No),
        ([4, 4, 4], Tied::Losses),
        ([1, 2, 3], Tied::Logits),
    ] {
        let loss = loss(&p, ids, tied);
        gradients.backward(&loss).unwrap();
        let slow = loss.backward().unwrap();
        for (index, parameter) in p.iter().enumerate() {
            let fast = gradients.tensor(index).unwrap();
            let slow = slow.get(parameter);
            assert!(fast.as_ref().map(values) == slow.map(values), "parameter {index}, tied {tied:?}");
            assert_eq!(fast.is_some(), gradients.get(index).is_some());
            if let (Some(gradient), Some(slow)) = (gradients.get(index), slow) {
                let exact: f64 = values(slow).iter().map(|&v| f64::from(v).powi(2)).sum();
                let sum = gradient.sum_of_squares().unwrap();
                assert!((sum - exact).abs() <= 1e-5 * exact, "{sum} {exact}");
            }
        }
    }
}

#[test]
fn blocks_that_stay_zero_are_known() {
    let p = parameters();
    let mut gradients = Gradients::new(p.iter());
    gradients.backward(&loss(&p, [0, 1, 899], Tied::No)).unwrap();
    let Some(Gradient::Host(word)) = gradients.get(0) else { panic!("no gradient in host memory") };
    let touched: Vec<bool> = (0..4).map(|block| word.block(block).is_some()).collect();
    assert_eq!(touched, [true, false, false, true]);
    assert_eq!(word.block(3).unwrap().len(), 900 * 16 - 3 * BLOCK);
    assert!(word.block(4).is_none());
}

#[test]
fn a_pass_that_fails_leaves_the_store_usable() {
    let p = parameters();
    let mut gradients = Gradients::new(p.iter());
    let broken = p[4].as_tensor().apply_op1(NoBackward).unwrap();
    assert!(gradients.backward(&broken.sum_all().unwrap()).is_err());
    gradients.backward(&loss(&p, [1, 2, 3], Tied::Logits)).unwrap();
    assert!((0..8).all(|index| gradients.get(index).is_some()));
}

struct NoBackward;

impl candle_core::CustomOp1 for NoBackward {
    fn name(&self) -> &'static str {
        "no-backward"
    }

    fn cpu_fwd(
        &self,
        _: &candle_core::CpuStorage,
        layout: &candle_core::Layout,
    ) -> Result<(candle_core::CpuStorage, candle_core::Shape)> {
        let zeros = Tensor::zeros(layout.shape(), DType::F32, &Device::Cpu)?;
        cpu::host::with(&zeros, |zeros| {
            Ok((candle_core::CpuStorage::F32(zeros.to_vec()), layout.shape().clone()))
        })
    }
}

/// The way of operations outside host memory: the first contribution is stored, later ones are given it, and
/// candle's own is added.
#[test]
fn tensors_are_accumulated() {
    struct Double(Var);
    impl candle_core::CustomOp1 for Double {
        fn name(&self) -> &'static str {
            "double"
        }
        fn cpu_fwd(
            &self,
            storage: &candle_core::CpuStorage,
            layout: &candle_core::Layout,
        ) -> Result<(candle_core::CpuStorage, candle_core::Shape)> {
            let twice = cpu::host::slice(storage, layout)?.iter().map(|v| 2.0 * v).collect();
            Ok((candle_core::CpuStorage::F32(twice), layout.shape().clone()))
        }
        fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
            let own = (grad * 2.0)?;
            accumulate_grad_tensor(self.0.as_tensor(), |before| match before {
                Some(before) => before + &own,
                None => Ok(own.clone()),
            })
        }
    }
    let x = var(&[3], 1);
    let twice = || x.apply_op1(Double(x.clone())).unwrap().sum_all().unwrap();
    let loss = (twice() + twice()).unwrap();
    let accumulated = |loss: &Tensor| {
        let mut gradients = Gradients::new([&x].into_iter());
        gradients.backward(loss).unwrap();
        values(&gradients.tensor(0).unwrap().unwrap())
    };
    assert_eq!(accumulated(&loss), [4.0; 3]);
    assert_eq!(accumulated(&(&loss + x.sum_all().unwrap()).unwrap()), [5.0; 3]);
    assert_eq!(values(loss.backward().unwrap().get(&x).unwrap()), [4.0; 3]);
}
