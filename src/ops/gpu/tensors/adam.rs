//! The optimizer over all parameters at once.

use candle_core::{Result, Tensor, Var};

use super::super::adam::{self, Parameter, Pieces, Turn, norm, update};
use super::super::cuda::{Gpu, takes, with};
use super::super::launch::Rule;
use super::super::machine::Machine;
use crate::ops::adam::Update;

/// A parameter to be updated.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The parameter.
    pub parameter: &'a Var,
    /// Its moments.
    pub moments: [&'a Var; 2],
    /// Before clipping.
    pub gradient: &'a Tensor,
    /// Learning rate.
    pub rate: f32,
    /// Decoupled weight decay.
    pub decay: f32,
}

/// Where the parameters of the last step lay, for the next.
#[derive(Default)]
pub struct Last(Option<Pieces<<Gpu as Machine>::Words>>);

/// Updates parameters by `rule` (whose own rate, decay and scale are not read) and returns their gradients' global norm, [1] in f32;
/// changes nothing where it is not finite. Does not wait for the device. None where the kernels do not take all of them.
pub fn step(jobs: &[Job<'_>], rule: Update, clip_norm: f32, last: &mut Last) -> Result<Option<Tensor>> {
    let tensors = |job: &Job<'_>| -> Result<[Tensor; 4]> {
        let [first, second] = job.moments;
        Ok([
            job.parameter.as_tensor().clone(),
            first.as_tensor().clone(),
            second.as_tensor().clone(),
            job.gradient.contiguous()?,
        ])
    };
    let tensors: Vec<[Tensor; 4]> = jobs.iter().map(tensors).collect::<Result<_>>()?;
    let Some([first, ..]) = tensors.first() else { return Ok(None) };
    if !tensors.iter().flatten().all(takes) {
        return Ok(None);
    }
    let gpu = Gpu::of_tensor(first)?;
    let (mut parameters, mut turns) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
    for (job, all) in jobs.iter().zip(&tensors) {
        let [values, first, second, gradient] = all;
        // The tensors outlive the addresses; nobody else uses them meanwhile.
        let pointers = with([values, first, second, gradient], |all| Ok(all.map(|at| at.pointer())))?;
        let [values, first, second, gradient] = pointers.map(super::super::launch::Address::new);
        let (decay, len) = (job.decay, job.parameter.elem_count());
        parameters.push(Parameter { values, first, second, len, decay });
        turns.push(Turn { gradient, rate: job.rate });
    }
    let pieces = Pieces::new(&gpu, &parameters, last.0.take())?;
    let turns = adam::turns(&gpu, &turns)?;
    let norm = norm(&gpu, &pieces, gpu.at_words(&turns))?;
    let Update { beta1, beta2, epsilon, corrections, .. } = rule;
    let rule = Rule {
        first: [beta1 as f32, (1.0 - beta1) as f32],
        second: [beta2 as f32, (1.0 - beta2) as f32],
        epsilon,
        corrections: [corrections.0, corrections.1],
        clip_norm,
    };
    update(&gpu, &pieces, gpu.at_words(&turns), gpu.at(&norm), rule)?;
    last.0 = Some(pieces);
    Ok(Some(gpu.tensor(norm, 1)))
}
