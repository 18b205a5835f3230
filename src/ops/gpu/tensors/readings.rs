//! What the softmax of rows of logits tells, and their cross-entropies.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::super::cuda::{Gpu, at, with};
use super::super::dense;
use super::super::launch::Address;
use super::super::machine::Machine;
use super::super::readings::{self, Outer, Rows};
use super::three::{self, Gradients, Input, Kernels};
use super::{elsewhere, expect, linear};
use crate::ops::Precision;
use crate::ops::readings::Readings;
use crate::ops::sampling::Sampler;

/// As `ops::projected_readings::read_projected`.
pub fn read_projected(
    operands: [&Tensor; 3],
    targets: &[u32],
    sampler: Option<Sampler>,
    precision: Precision,
) -> Result<Readings> {
    let told = Arc::new(Mutex::new(None));
    let op =
        Projected { targets: targets.into(), sampler, precision, told: told.clone(), kept: Mutex::new(None) };
    let loss = three::apply(operands, op)?;
    let told: Option<Told> = told.lock().ok().and_then(|mut told| told.take());
    match told {
        Some(told) => told.beside(loss),
        None => bail!("a reading of logits had no forward pass"),
    }
}

/// As `ops::readings::read`.
pub fn read(logits: &Tensor, targets: &[u32], sampler: Option<Sampler>) -> Result<Readings> {
    let logits = logits.contiguous()?;
    let (_, told) = tell(&logits, sampler)?;
    told.beside(cross_entropy(&logits, &targets.into(), false)?)
}

/// As `ops::sampling::sample`.
pub fn sample(logits: &Tensor, sampler: Sampler) -> Result<Tensor> {
    let (_, told) = tell(&logits.contiguous()?, Some(sampler))?;
    match told.samples {
        Some(samples) => Ok(samples),
        None => bail!("a sampler drew nothing"),
    }
}

/// As `ops::sampling::most_probable`; waits for the device.
pub fn most_probable(logits: &Tensor) -> Result<Vec<u32>> {
    if logits.dim(0)? == 0 {
        return Ok(Vec::new());
    }
    let (_, told) = tell(&logits.contiguous()?, None)?;
    told.best.to_vec1()
}

/// The cross-entropy of every row, [M], or their mean.
pub fn cross_entropy(logits: &Tensor, targets: &Arc<[u32]>, each: bool) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(CrossEntropy { targets: targets.clone(), each, kept: Mutex::new(None) })
}

/// What one pass tells beside the log-sums, on the device.
struct Told {
    best: Tensor,
    samples: Option<Tensor>,
    entropies: Tensor,
}

impl Told {
    /// Takes the log-sums apart.
    fn of(gpu: &Gpu, rows: Rows<Gpu>, n: usize, sampled: bool) -> (<Gpu as Machine>::Floats, Self) {
        let Rows { log_sums, entropies, best, samples } = rows;
        let samples = sampled.then(|| gpu.word_tensor(samples, n));
        (log_sums, Self { best: gpu.word_tensor(best, n), samples, entropies: gpu.tensor(entropies, n) })
    }

    fn beside(self, loss: Tensor) -> Result<Readings> {
        let Self { best, samples, entropies } = self;
        Ok(Readings { loss, best, entropy: entropies.mean_all()?, samples })
    }
}

fn tell(logits: &Tensor, sampler: Option<Sampler>) -> Result<(<Gpu as Machine>::Floats, Told)> {
    let (gpu, (rows, classes)) = (Gpu::of_tensor(logits)?, logits.dims2()?);
    let read = with([logits], |[logits]| readings::read(&gpu, logits, [rows, classes], sampler))?;
    Ok(Told::of(&gpu, read, rows, sampler.is_some()))
}

/// From a forward pass to its backward pass.
struct Kept {
    /// Where they were made here: the backward pass writes over them.
    logits: Option<<Gpu as Machine>::Floats>,
    log_sums: <Gpu as Machine>::Floats,
    targets: <Gpu as Machine>::Words,
}

impl Kept {
    fn outer<'a>(&'a self, gpu: &Gpu, grad: Address<'a>, each: bool) -> Outer<'a> {
        let (log_sums, targets) = (gpu.at(&self.log_sums), gpu.at_words(&self.targets));
        Outer { log_sums, targets, grad, each }
    }
}

struct Projected {
    targets: Arc<[u32]>,
    sampler: Option<Sampler>,
    precision: Precision,
    told: Arc<Mutex<Option<Told>>>,
    kept: Mutex<Option<Kept>>,
}

impl Projected {
    fn logits(
        &self,
        gpu: &Gpu,
        inputs: dense::Inputs<'_>,
        bias: Address<'_>,
    ) -> Result<<Gpu as Machine>::Floats> {
        let [n, classes, _] = inputs.sizes;
        let logits = gpu.room(n * classes)?;
        dense::forward(gpu, inputs, bias, gpu.at(&logits))?;
        Ok(logits)
    }
}

impl Kernels for Projected {
    const NAME: &'static str = "projected-readings-cuda";

    fn forward(
        &self,
        gpu: &Gpu,
        [(x, x_shape), (weight, weight_shape), (bias, bias_shape)]: [Input<'_>; 3],
    ) -> Result<(<Gpu as Machine>::Floats, Shape)> {
        let ((n, i), classes) = (x_shape.dims2()?, bias_shape.elem_count());
        expect("an output matrix", weight_shape, &[classes, i])?;
        let inputs = dense::Inputs { x, weight, sizes: [n, classes, i], precision: self.precision };
        let logits = self.logits(gpu, inputs, bias)?;
        let rows = readings::read(gpu, gpu.at(&logits), [n, classes], self.sampler)?;
        let targets = gpu.words(&self.targets)?;
        let (log_sums, at_targets) = (gpu.at(&rows.log_sums), gpu.at_words(&targets));
        let [_, mean] = readings::losses(gpu, gpu.at(&logits), [n, classes], log_sums, at_targets)?;
        let (log_sums, told) = Told::of(gpu, rows, n, self.sampler.is_some());
        let (Ok(mut slot), Ok(mut kept)) = (self.told.lock(), self.kept.lock()) else {
            bail!("another thread failed inside a reading of logits")
        };
        *slot = Some(told);
        *kept = Some(Kept { logits: Some(logits), log_sums, targets });
        Ok((mean, Shape::from(())))
    }

    fn backward(&self, [x, weight, bias]: [&Tensor; 3], grad: &Tensor) -> Result<Gradients> {
        let gpu = Gpu::of_tensor(x)?;
        let ((n, i), classes) = (x.dims2()?, weight.dim(0)?);
        let Ok(mut kept) = self.kept.lock() else {
            bail!("another thread failed inside a reading of logits")
        };
        let Some(kept) = &mut *kept else { bail!("a reading's backward pass came before its forward pass") };
        let d = match kept.logits.take() {
            Some(logits) => logits,
            // A second backward pass: the first has written over them.
            None => with([x, weight, bias], |[x, weight, bias]| {
                let inputs = dense::Inputs { x, weight, sizes: [n, classes, i], precision: self.precision };
                self.logits(&gpu, inputs, bias)
            })?,
        };
        with([grad], |[grad]| readings::turn(&gpu, gpu.at(&d), [n, classes], kept.outer(&gpu, grad, false)))?;
        linear::gradients_at([x, weight, bias], gpu.at(&d), self.precision)
    }
}

struct CrossEntropy {
    targets: Arc<[u32]>,
    each: bool,
    kept: Mutex<Option<Kept>>,
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy-cuda"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        elsewhere(self.name())
    }

    fn cuda_fwd(&self, logits: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let gpu = Gpu::of(logits);
        let (n, classes) = layout.shape().dims2()?;
        let logits = at(logits, layout)?;
        let rows = readings::read(&gpu, logits, [n, classes], None)?;
        let targets = gpu.words(&self.targets)?;
        let (log_sums, at_targets) = (gpu.at(&rows.log_sums), gpu.at_words(&targets));
        let [losses, mean] = readings::losses(&gpu, logits, [n, classes], log_sums, at_targets)?;
        match self.kept.lock() {
            Ok(mut kept) => *kept = Some(Kept { logits: None, log_sums: rows.log_sums, targets }),
            Err(_) => bail!("another thread failed inside a cross-entropy"),
        }
        Ok(match self.each {
            true => (gpu.storage(losses), Shape::from(n)),
            false => (gpu.storage(mean), Shape::from(())),
        })
    }

    fn bwd(&self, logits: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (gpu, (n, classes)) = (Gpu::of_tensor(logits)?, logits.dims2()?);
        let Ok(kept) = self.kept.lock() else { bail!("another thread failed inside a cross-entropy") };
        let Some(kept) = &*kept else {
            bail!("a cross-entropy's backward pass came before its forward pass")
        };
        let d = logits.copy()?;
        with([&d, &grad.contiguous()?], |[d, grad]| {
            readings::turn(&gpu, d, [n, classes], kept.outer(&gpu, grad, self.each))
        })?;
        Ok(Some(d))
    }
}
