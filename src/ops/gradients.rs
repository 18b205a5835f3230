//! Where the gradients of parameters go: buffers that live as long as the training does.
//!
//! candle's backward pass allocates every gradient, zeroes a second tensor and adds the two into a third. For a word
//! table of ten million numbers, of which a batch reads a few hundred rows, that costs more than the layers above it. While
//! [`Gradients::backward`] runs, the kernels of this folder write their parameters' gradients here instead and
//! tell candle that there is nothing to add. Whatever goes candle's own way (operations without a kernel,
//! other devices) is taken over afterwards, so no caller asks which way a gradient came.
//!
//! While every operation that reads a parameter deposits here, the numbers are those of candle's way to the bit: contributions are
//! added in the same order. What is taken over comes last.

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, TensorId, Var};

use super::host_gradient::HostGradient;
use super::{fused, host};

/// The gradient of one parameter.
pub enum Gradient {
    /// In host memory, where the kernels of this folder run.
    Host(HostGradient),
    /// Anywhere else.
    Device(Tensor),
}

impl Gradient {
    /// Sum of the squares.
    pub fn sum_of_squares(&self) -> Result<f64> {
        match self {
            Self::Host(gradient) => Ok(gradient.sum_of_squares()),
            Self::Device(tensor) => tensor.sqr()?.sum_all()?.to_dtype(candle_core::DType::F64)?.to_scalar(),
        }
    }
}

/// The gradients of a network's parameters, by their place in the network's order.
pub struct Gradients {
    places: HashMap<TensorId, usize>,
    entries: Vec<Entry>,
}

struct Entry {
    parameter: Var,
    gradient: Gradient,
    /// Whether the last backward pass reached it.
    reached: bool,
}

thread_local! {
    /// Set while a backward pass runs on this thread.
    static COLLECTING: RefCell<Option<Gradients>> = const { RefCell::new(None) };
}

impl Gradients {
    /// Room for the gradients of `parameters`.
    pub fn new<'a>(parameters: impl Iterator<Item = &'a Var>) -> Self {
        let entry = |parameter: &Var| Entry {
            parameter: parameter.clone(),
            gradient: Gradient::Host(HostGradient::default()),
            reached: false,
        };
        let entries: Vec<Entry> = parameters.map(entry).collect();
        let places = entries.iter().enumerate().map(|(place, entry)| (entry.parameter.id(), place)).collect();
        Self { places, entries }
    }

    /// The gradients of a scalar, in place of what is there.
    pub fn backward(&mut self, loss: &Tensor) -> Result<()> {
        self.clear();
        self.accumulate(loss)
    }

    /// Forgets all gradients.
    pub fn clear(&mut self) {
        for entry in &mut self.entries {
            entry.reached = false;
            match &mut entry.gradient {
                Gradient::Host(gradient) => gradient.clear(),
                Gradient::Device(_) => entry.gradient = Gradient::Host(HostGradient::default()),
            }
        }
    }

    /// Adds the gradients of a scalar to what is there.
    pub fn accumulate(&mut self, loss: &Tensor) -> Result<()> {
        let own = Self { places: mem::take(&mut self.places), entries: mem::take(&mut self.entries) };
        // Another pass may run further up this thread's stack, where a thread of the pool waits and helps out.
        let outer = COLLECTING.replace(Some(own));
        let rest = loss.backward();
        if let Some(own) = COLLECTING.replace(outer) {
            *self = own;
        }
        self.take_over(rest?)
    }

    /// Adds what went candle's own way.
    fn take_over(&mut self, mut rest: GradStore) -> Result<()> {
        for entry in &mut self.entries {
            let Some(tensor) = rest.remove(&entry.parameter) else { continue };
            match &mut entry.gradient {
                Gradient::Host(gradient) if fused(&tensor) => host::with(&tensor, |values| {
                    gradient.add(values.len(), |own| own.copy_from_slice(values));
                    Ok(())
                })?,
                Gradient::Device(own) => entry.gradient = Gradient::Device((&*own + tensor)?),
                gradient @ Gradient::Host(_) => *gradient = Gradient::Device(tensor),
            }
            entry.reached = true;
        }
        Ok(())
    }

    /// The gradient of the parameter at `place`; None if the last pass did not reach it.
    pub fn get(&self, place: usize) -> Option<&Gradient> {
        self.entries.get(place).filter(|entry| entry.reached).map(|entry| &entry.gradient)
    }

    /// The same as a tensor of the parameter's shape.
    pub fn tensor(&self, place: usize) -> Result<Option<Tensor>> {
        let Some(entry) = self.entries.get(place).filter(|entry| entry.reached) else { return Ok(None) };
        match &entry.gradient {
            Gradient::Host(gradient) => {
                let parameter = &entry.parameter;
                Tensor::from_slice(&gradient.values, parameter.shape(), parameter.device()).map(Some)
            }
            Gradient::Device(tensor) => Ok(Some(tensor.clone())),
        }
    }

    #[cfg(any(test, feature = "cuda"))]
    fn add_tensor(
        &mut self,
        parameter: &Tensor,
        sum: impl FnOnce(Option<&Tensor>) -> Result<Tensor>,
    ) -> Result<Option<Tensor>> {
        let place = self.places.get(&parameter.id());
        let Some(entry) = place.and_then(|&place| self.entries.get_mut(place)) else {
            return sum(None).map(Some);
        };
        let before = match &entry.gradient {
            Gradient::Device(before) if entry.reached => Some(before),
            _ => None,
        };
        entry.gradient = Gradient::Device(sum(before)?);
        entry.reached = true;
        Ok(None)
    }

    fn host(&mut self, parameter: &Tensor) -> Option<&mut HostGradient> {
        let entry = self.entries.get_mut(*self.places.get(&parameter.id())?)?;
        entry.reached = true;
        match &mut entry.gradient {
            Gradient::Host(gradient) => Some(gradient),
            Gradient::Device(_) => None,
        }
    }
}

/// Adds to the gradient of `parameter` what `write` puts into every element of the slice that it is given.
/// False, and nothing is called, if no pass collects gradients on this thread or it is no parameter of it.
pub(super) fn deposit(parameter: &Tensor, write: impl FnOnce(&mut [f32])) -> bool {
    with_host(parameter, |gradient| gradient.add(parameter.elem_count(), write))
}

/// Puts a parameter's whole gradient in its place, or returns it where it has none, for candle to take.
pub(super) fn hand_over(parameter: &Tensor, gradient: Vec<f32>) -> Result<Option<Tensor>> {
    let placed = deposit(parameter, |out| out.copy_from_slice(&gradient));
    (!placed).then(|| Tensor::from_vec(gradient, parameter.shape(), parameter.device())).transpose()
}

/// Adds `values` [N, W] to N rows of the gradient of `table` [R, W]; false as in [`deposit`].
pub(super) fn deposit_rows(table: &Tensor, rows: &[u32], values: &[f32]) -> Result<bool> {
    let (_, width) = table.dims2()?;
    Ok(with_host(table, |gradient| gradient.add_rows(table.elem_count(), width, rows, values)))
}

/// Puts what `sum` makes of a parameter's gradient so far, if there is any, in its place; where it has none, returns what `sum`
/// makes of nothing, for candle to take. The place holds the only copy of what it holds. For tensors outside host memory.
#[cfg(any(test, feature = "cuda"))]
pub(super) fn deposit_tensor(
    parameter: &Tensor,
    sum: impl FnOnce(Option<&Tensor>) -> Result<Tensor>,
) -> Result<Option<Tensor>> {
    let Some(mut collecting) = COLLECTING.take() else { return sum(None).map(Some) };
    let result = collecting.add_tensor(parameter, sum);
    COLLECTING.set(Some(collecting));
    result
}

fn with_host(parameter: &Tensor, body: impl FnOnce(&mut HostGradient)) -> bool {
    // Taken out meanwhile: `body` computes in parallel, and this thread may run other work while it waits.
    let Some(mut collecting) = COLLECTING.take() else { return false };
    let found = collecting.host(parameter).map(body).is_some();
    COLLECTING.set(Some(collecting));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Precision;
    use crate::ops::embedding::{Indices, embedding};
    use crate::ops::host_gradient::BLOCK;
    use crate::ops::linear::linear;
    use crate::ops::projected_cross_entropy::projected_cross_entropy;
    use crate::ops::{norm, testing};
    use candle_core::{DType, Device};

    fn var(shape: &[usize], index: u64) -> Var {
        Var::from_tensor(&testing::tensor(shape, index)).unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Word [900, 16] (read by the embedding and, as an output matrix, by a dense layer), position, type, norm,
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

    fn loss(p: &[Var], words: [u32; 3], tied: Tied) -> Tensor {
        let indices = Indices {
            words: words.as_slice().into(),
            positions: vec![0, 1, 2].into(),
            kinds: vec![0, 1, 1].into(),
            drawn: None,
        };
        let x = embedding(&p[0], &p[1], &p[2], &indices).unwrap();
        let x = norm::norm(&x, &p[3], 1e-12).unwrap();
        let x = linear(&x, &p[4], &p[5], Precision::F32).unwrap().broadcast_mul(&p[7]).unwrap();
        match tied {
            Tied::No => x.sqr().unwrap().mean_all().unwrap(),
            Tied::Logits => {
                linear(&x, &p[0], &p[6], Precision::F32).unwrap().sqr().unwrap().mean_all().unwrap()
            }
            Tied::Losses => {
                let targets: std::sync::Arc<[u32]> = words.as_slice().into();
                projected_cross_entropy(&x, &p[0], &p[6], &targets, Precision::F32)
                    .unwrap()
                    .losses
                    .mean_all()
                    .unwrap()
            }
        }
    }

    /// The slow twin is candle's own backward pass.
    #[test]
    fn gradients_are_candles_to_the_bit() {
        let p = parameters();
        let mut gradients = Gradients::new(p.iter());
        // Tied, not tied, tied again: a whole gradient, one of rows, and each after the other.
        for (words, tied) in [
            ([5, 870, 5], Tied::Logits),
            ([0, 1, 899], Tied::No),
            ([7, 300, 0], Tied::No),
            ([4, 4, 4], Tied::Losses),
            ([1, 2, 3], Tied::Logits),
        ] {
            let loss = loss(&p, words, tied);
            gradients.backward(&loss).unwrap();
            let slow = loss.backward().unwrap();
            for (place, parameter) in p.iter().enumerate() {
                let fast = gradients.tensor(place).unwrap();
                let slow = slow.get(parameter);
                assert!(fast.as_ref().map(values) == slow.map(values), "parameter {place}, tied {tied:?}");
                assert_eq!(fast.is_some(), gradients.get(place).is_some());
                if let (Some(gradient), Some(slow)) = (gradients.get(place), slow) {
                    let exact: f64 = values(slow).iter().map(|&v| f64::from(v).powi(2)).sum();
                    let sum = gradient.sum_of_squares().unwrap();
                    assert!((sum - exact).abs() <= 1e-5 * exact, "{sum} {exact}");
                }
            }
        }
    }

    #[test]
    fn untouched_blocks_are_known() {
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
        assert!((0..8).all(|place| gradients.get(place).is_some()));
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
            host::with(&zeros, |zeros| {
                Ok((candle_core::CpuStorage::F32(zeros.to_vec()), layout.shape().clone()))
            })
        }
    }

    /// What operations outside host memory do: the first contribution is kept, later ones see it, and candle's own is added.
    #[test]
    fn tensors_are_put_in_their_places() {
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
                let twice = host::slice(storage, layout)?.iter().map(|v| 2.0 * v).collect();
                Ok((candle_core::CpuStorage::F32(twice), layout.shape().clone()))
            }
            fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
                let own = (grad * 2.0)?;
                deposit_tensor(self.0.as_tensor(), |before| match before {
                    Some(before) => before + &own,
                    None => Ok(own.clone()),
                })
            }
        }
        let x = var(&[3], 1);
        let twice = || x.apply_op1(Double(x.clone())).unwrap().sum_all().unwrap();
        let loss = (twice() + twice()).unwrap();
        let placed = |loss: &Tensor| {
            let mut gradients = Gradients::new([&x].into_iter());
            gradients.backward(loss).unwrap();
            values(&gradients.tensor(0).unwrap().unwrap())
        };
        assert_eq!(placed(&loss), [4.0; 3]);
        assert_eq!(placed(&(&loss + x.sum_all().unwrap()).unwrap()), [5.0; 3]);
        assert_eq!(values(loss.backward().unwrap().get(&x).unwrap()), [4.0; 3]);
    }
}
