//! The gradients of parameters, in buffers that live as long as the training does.
//!
//! candle's backward pass allocates every gradient, zeroes a second tensor and adds the two into a third. For
//! a word table of ten million numbers, of which a batch reads a few hundred rows, that costs more than the
//! layers above it. While [`Gradients::accumulate`] runs, the kernels of this folder add their parameters'
//! gradients to these buffers ([`accumulate_grad`]) and tell candle that there is nothing to add. A gradient
//! that takes candle's own way (from an operation without a kernel, or on another device) is added
//! afterwards, so no caller asks which way a gradient came.
//!
//! While every operation that reads a parameter accumulates here, the numbers are those of candle's way to
//! the bit: contributions are added in the same order. Gradients that took candle's way are added last.

pub mod cuda;
pub mod host;

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, TensorId, Var};

use super::cpu;
use host::HostGradient;

/// The gradient of one parameter.
pub enum Gradient {
    /// In host memory, written by the CPU kernels.
    Host(HostGradient),
    /// On any other device.
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

/// The gradients of a network's parameters, by their index in the network's order.
pub struct Gradients {
    param_index: HashMap<TensorId, usize>,
    entries: Vec<Entry>,
}

struct Entry {
    parameter: Var,
    gradient: Gradient,
    /// Whether the last backward pass reached it.
    reached: bool,
}

/// The gradients of an operation's three inputs; None where there is none or it was accumulated already.
pub type InputGrads = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

thread_local! {
    /// Set while a backward pass runs on this thread.
    static COLLECTING: RefCell<Option<Gradients>> = const { RefCell::new(None) };
}

impl Gradients {
    /// An empty gradient for each of `parameters`.
    pub fn new<'a>(parameters: impl Iterator<Item = &'a Var>) -> Self {
        let entry = |parameter: &Var| Entry {
            parameter: parameter.clone(),
            gradient: Gradient::Host(HostGradient::default()),
            reached: false,
        };
        let entries: Vec<Entry> = parameters.map(entry).collect();
        let param_index =
            entries.iter().enumerate().map(|(index, entry)| (entry.parameter.id(), index)).collect();
        Self { param_index, entries }
    }

    /// Replaces all gradients by those of a scalar.
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

    /// Adds the gradients of a scalar.
    pub fn accumulate(&mut self, loss: &Tensor) -> Result<()> {
        let own =
            Self { param_index: mem::take(&mut self.param_index), entries: mem::take(&mut self.entries) };
        // Another pass may run further up this thread's stack: a waiting thread of the pool runs other work.
        let outer = COLLECTING.replace(Some(own));
        let rest = loss.backward();
        if let Some(own) = COLLECTING.replace(outer) {
            *self = own;
        }
        self.add_remaining(rest?)
    }

    /// Adds the gradients that took candle's own way.
    fn add_remaining(&mut self, mut rest: GradStore) -> Result<()> {
        for entry in &mut self.entries {
            let Some(tensor) = rest.remove(&entry.parameter) else { continue };
            match &mut entry.gradient {
                Gradient::Host(gradient) if cpu::host::holds(&tensor) => {
                    cpu::host::with(&tensor, |values| {
                        gradient.add(values.len(), |own| own.copy_from_slice(values));
                        Ok(())
                    })?
                }
                Gradient::Device(own) => entry.gradient = Gradient::Device((&*own + tensor)?),
                gradient @ Gradient::Host(_) => *gradient = Gradient::Device(tensor),
            }
            entry.reached = true;
        }
        Ok(())
    }

    /// The gradient of the parameter at `param_index`; None if the last pass did not reach it.
    pub fn get(&self, param_index: usize) -> Option<&Gradient> {
        self.entries.get(param_index).filter(|entry| entry.reached).map(|entry| &entry.gradient)
    }

    /// The same as a tensor of the parameter's shape.
    pub fn tensor(&self, param_index: usize) -> Result<Option<Tensor>> {
        let Some(entry) = self.entries.get(param_index).filter(|entry| entry.reached) else {
            return Ok(None);
        };
        match &entry.gradient {
            Gradient::Host(gradient) => {
                let parameter = &entry.parameter;
                Tensor::from_slice(&gradient.values, parameter.shape(), parameter.device()).map(Some)
            }
            Gradient::Device(tensor) => Ok(Some(tensor.clone())),
        }
    }

    fn add_tensor(
        &mut self,
        parameter: &Tensor,
        sum: impl FnOnce(Option<&Tensor>) -> Result<Tensor>,
    ) -> Result<Option<Tensor>> {
        let index = self.param_index.get(&parameter.id());
        let Some(entry) = index.and_then(|&index| self.entries.get_mut(index)) else {
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
        let entry = self.entries.get_mut(*self.param_index.get(&parameter.id())?)?;
        entry.reached = true;
        match &mut entry.gradient {
            Gradient::Host(gradient) => Some(gradient),
            Gradient::Device(_) => None,
        }
    }
}

/// Adds to the gradient of `parameter` the numbers that `write` puts into every element of the slice that it
/// is given. Returns false, and does not call `write`, if no [`Gradients::accumulate`] for this parameter
/// runs on this thread.
pub fn accumulate_grad(parameter: &Tensor, write: impl FnOnce(&mut [f32])) -> bool {
    with_host(parameter, |gradient| gradient.add(parameter.elem_count(), write))
}

/// Adds a parameter's whole gradient, or returns it for candle to take where [`accumulate_grad`] returns
/// false.
pub fn accumulate_grad_or_return(parameter: &Tensor, gradient: Vec<f32>) -> Result<Option<Tensor>> {
    let accumulated = accumulate_grad(parameter, |out| out.copy_from_slice(&gradient));
    (!accumulated).then(|| Tensor::from_vec(gradient, parameter.shape(), parameter.device())).transpose()
}

/// Adds `values` `[N, W]` to N rows of the gradient of `table` `[R, W]`; false as in [`accumulate_grad`].
pub fn accumulate_grad_rows(table: &Tensor, rows: &[u32], values: &[f32]) -> Result<bool> {
    let (_, width) = table.dims2()?;
    Ok(with_host(table, |gradient| gradient.add_rows(table.elem_count(), width, rows, values)))
}

/// Replaces a parameter's gradient so far, which `sum` is given if there is any, by the result of `sum`.
/// Where no [`Gradients::accumulate`] for the parameter runs on this thread, calls `sum` with None and
/// returns its result for candle to take. The stored tensor has no other owner, so `sum` may write to it. For
/// tensors outside host memory.
pub fn accumulate_grad_tensor(
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
mod tests;
