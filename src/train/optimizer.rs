//! Adam over all parameters: clipping by the global norm, a rate per parameter, moments that can be saved.

use candle_core::{DType, Tensor, Var};

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{OptimizerKind, TrainSpec};
use crate::nn::{Parameter, Parameters};
use crate::objective::{DeferredMetrics, number};
use crate::ops::adam;
use crate::ops::adam::Update;
use crate::ops::gradients::host::BLOCK;
use crate::ops::gradients::{Gradient, Gradients};

/// Numbers of the update rule.
#[derive(Clone, Copy, Debug)]
pub struct OptimizerSettings {
    /// With or without bias correction.
    pub kind: OptimizerKind,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay, on weights only.
    pub weight_decay: f64,
    /// Global gradient norm above which gradients are scaled down.
    pub clip_norm: f64,
}

impl From<&TrainSpec> for OptimizerSettings {
    fn from(spec: &TrainSpec) -> Self {
        Self {
            kind: spec.optimizer,
            beta1: spec.beta1,
            beta2: spec.beta2,
            epsilon: spec.epsilon,
            weight_decay: spec.weight_decay,
            clip_norm: spec.clip_norm,
        }
    }
}

/// The global norm of a step's gradients before clipping.
pub enum GradientNorm {
    /// A finite number.
    Resolved(f64),
    /// Still on a device.
    Pending {
        /// `[1]`, f32.
        norm: Tensor,
        /// Number of updates before the step.
        n_updates: u64,
    },
}

impl GradientNorm {
    /// The norm. Waits for the device.
    ///
    /// # Errors
    /// The norm is not finite. Nothing was updated then.
    pub fn wait(&self) -> Result<f64> {
        match self {
            Self::Resolved(norm) => Ok(*norm),
            Self::Pending { norm, n_updates } => finite(number(norm)?, *n_updates),
        }
    }

    /// Adds it to the metrics as `gradient_norm`. If it is not finite, resolving the metrics gives the error
    /// of [`Self::wait`].
    pub fn measure(self, metrics: &mut DeferredMetrics) -> Result<()> {
        match self {
            Self::Resolved(norm) => {
                metrics.mean("gradient_norm", norm, 1.0);
                Ok(())
            }
            Self::Pending { norm, n_updates } => metrics.defer(&[&norm], move |tensors, metrics| {
                metrics.mean("gradient_norm", finite(number(&tensors[0])?, n_updates)?, 1.0);
                Ok(())
            }),
        }
    }
}

/// `norm`, or the error that it is not finite after `n_updates` updates.
fn finite(norm: f64, n_updates: u64) -> Result<f64> {
    if norm.is_finite() {
        return Ok(norm);
    }
    Err(Error::new(
        ErrorKind::Training,
        format!("the gradients are not finite after {n_updates} updates"),
        "lower the learning rate or lengthen the warm-up",
    ))
}

/// Adam, with the first and second moments of every parameter.
pub struct Optimizer {
    settings: OptimizerSettings,
    moments: Vec<(Var, Var)>,
    /// For each block of each parameter, whether its moments may differ from zero.
    nonzero: Vec<Vec<bool>>,
    gradients: Gradients,
    n_updates: u64,
    step_cache: adam::cuda::StepCache,
}

impl Optimizer {
    /// Zero moments for `parameters`.
    pub fn new(settings: OptimizerSettings, parameters: &Parameters) -> Result<Self> {
        let zeros = |parameter: &Parameter| -> Result<Var> {
            Ok(Var::zeros(parameter.var.shape(), DType::F32, parameter.var.device())?)
        };
        let moments = parameters
            .iter()
            .map(|parameter| Ok((zeros(parameter)?, zeros(parameter)?)))
            .collect::<Result<_>>()?;
        let all_zero = |parameter: &Parameter| vec![false; parameter.var.elem_count().div_ceil(BLOCK)];
        let gradients = Gradients::new(parameters.iter().map(|parameter| &parameter.var));
        Ok(Self {
            settings,
            moments,
            nonzero: parameters.iter().map(all_zero).collect(),
            gradients,
            n_updates: 0,
            step_cache: Default::default(),
        })
    }

    /// The gradients of `loss`, the update and the norm.
    #[cfg(test)]
    pub fn step_of(
        &mut self,
        parameters: &Parameters,
        loss: &Tensor,
        trained: impl Fn(&Parameter) -> bool,
        rate: impl Fn(&Parameter) -> f64,
    ) -> Result<f64> {
        self.clear();
        self.accumulate(loss)?;
        self.update_of(parameters, trained, rate)?.wait()
    }

    /// Forgets the gradients of the last step.
    pub fn clear(&mut self) {
        self.gradients.clear();
    }

    /// Adds the gradients of a loss to those that the next update takes.
    pub fn accumulate(&mut self, loss: &Tensor) -> Result<()> {
        Ok(self.gradients.accumulate(loss)?)
    }

    /// Updates the parameters that `trained` accepts, each with its own `rate`, by the accumulated gradients.
    /// The other parameters keep their values and moments, and need no gradient. Returns the global norm of
    /// the gradients before clipping. Does not wait for a device.
    ///
    /// # Errors
    /// A parameter has no gradient, because an operation dropped it; the norm is not finite, now or when it
    /// is resolved. Nothing is updated then.
    pub fn update_of(
        &mut self,
        parameters: &Parameters,
        trained: impl Fn(&Parameter) -> bool,
        rate: impl Fn(&Parameter) -> f64,
    ) -> Result<GradientNorm> {
        let trained: Vec<(usize, &Parameter)> =
            parameters.iter().enumerate().filter(|(_, parameter)| trained(parameter)).collect();
        if let Some(norm) = self.step_on_device(&trained, &rate)? {
            return Ok(norm);
        }
        let mut squares = 0.0;
        for &(index, parameter) in &trained {
            squares += gradient_of(&self.gradients, index, parameter)?.sum_of_squares()?;
        }
        let norm = finite(squares.sqrt(), self.n_updates)?;
        let update = self.update(norm, self.n_updates + 1);
        for (index, parameter) in trained {
            let missing = || Error::internal("a parameter was added after the optimizer");
            let (first, second) = self.moments.get(index).ok_or_else(missing)?;
            let decay = if parameter.decays { self.settings.weight_decay as f32 } else { 0.0 };
            let update = Update { rate: rate(parameter) as f32, decay, ..update };
            match gradient_of(&self.gradients, index, parameter)? {
                Gradient::Host(gradient) => {
                    let nonzero = self.nonzero.get_mut(index).ok_or_else(missing)?;
                    adam::adam(&parameter.var, first, second, gradient, nonzero, update)?;
                }
                Gradient::Device(gradient) => {
                    adam::reference(&parameter.var, first, second, gradient, update)?;
                }
            }
        }
        self.n_updates += 1;
        Ok(GradientNorm::Resolved(norm))
    }

    /// The update by the kernels of a CUDA device; None if they do not take all of the parameters.
    fn step_on_device(
        &mut self,
        trained: &[(usize, &Parameter)],
        rate: &impl Fn(&Parameter) -> f64,
    ) -> Result<Option<GradientNorm>> {
        use adam::cuda::{Job, step};
        let mut jobs = Vec::with_capacity(trained.len());
        for &(index, parameter) in trained {
            let gradient = gradient_of(&self.gradients, index, parameter)?;
            let (Gradient::Device(gradient), Some((first, second))) = (gradient, self.moments.get(index))
            else {
                return Ok(None);
            };
            let decay = if parameter.decays { self.settings.weight_decay as f32 } else { 0.0 };
            let rate = rate(parameter) as f32;
            jobs.push(Job { parameter: &parameter.var, moments: [first, second], gradient, rate, decay });
        }
        // The norm is not known yet. The kernel clips by itself.
        let rule = self.update(0.0, self.n_updates + 1);
        let norm = step(&jobs, rule, self.settings.clip_norm as f32, &mut self.step_cache)?;
        let Some(norm) = norm else { return Ok(None) };
        self.n_updates += 1;
        Ok(Some(GradientNorm::Pending { norm, n_updates: self.n_updates - 1 }))
    }

    /// Sets the moments to zero, for a new stage of training.
    pub fn restart(&mut self, parameters: &Parameters) -> Result<()> {
        *self = Self::new(self.settings, parameters)?;
        Ok(())
    }

    /// The numbers of update `n_updates`, counted from 1.
    fn update(&self, norm: f64, n_updates: u64) -> Update {
        let OptimizerSettings { kind, beta1, beta2, epsilon, clip_norm, .. } = self.settings;
        let n = n_updates.min(i32::MAX as u64) as i32;
        let corrections = match kind {
            OptimizerKind::Electra => (1.0, 1.0),
            OptimizerKind::Adamw => {
                ((1.0 / (1.0 - beta1.powi(n))) as f32, (1.0 / (1.0 - beta2.powi(n))) as f32)
            }
        };
        Update {
            rate: 0.0,
            beta1,
            beta2,
            epsilon: epsilon as f32,
            decay: 0.0,
            gradient_scale: (clip_norm / norm.max(clip_norm)) as f32,
            corrections,
        }
    }

    /// The last step's gradient of parameter number `index`, before clipping.
    pub fn gradient(&self, index: usize) -> Result<Option<Tensor>> {
        Ok(self.gradients.tensor(index)?)
    }

    /// Updates since the moments were zero.
    pub fn n_updates(&self) -> u64 {
        self.n_updates
    }

    /// Moments in the order of the parameters.
    pub fn moments(&self) -> &[(Var, Var)] {
        &self.moments
    }

    /// Loads the moments of a checkpoint. `find` returns the first and second moment of a parameter.
    pub fn load(
        &mut self,
        parameters: &Parameters,
        n_updates: u64,
        find: impl Fn(&str) -> Result<(Tensor, Tensor)>,
    ) -> Result<()> {
        for (parameter, (first, second)) in parameters.iter().zip(&self.moments) {
            let (m, v) = find(&parameter.name)?;
            first.set(&m.to_device(first.device())?)?;
            second.set(&v.to_device(second.device())?)?;
        }
        // It is not known which of the moments are zero.
        self.nonzero.iter_mut().for_each(|blocks| blocks.fill(true));
        self.n_updates = n_updates;
        Ok(())
    }
}

fn gradient_of<'a>(gradients: &'a Gradients, index: usize, parameter: &Parameter) -> Result<&'a Gradient> {
    gradients
        .get(index)
        .ok_or_else(|| Error::internal(format!("no gradient reached the parameter `{}`", parameter.name)))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::nn::Init;

    /// Trap 25 of `tests/suite/traps.rs`: clipping uses the norm of all gradients together. Trap 24: biases
    /// do not decay.
    #[test]
    fn clips_by_the_global_norm_and_decays_weights_only() {
        let mut parameters = Parameters::new(1, &Device::Cpu);
        let mut builder = parameters.builder();
        let weight = builder.parameter("weight", &[1, 1], Init::Glorot).unwrap();
        let bias = builder.parameter("bias", &[1], Init::Zeros).unwrap();
        let settings = OptimizerSettings {
            kind: OptimizerKind::Electra,
            beta1: 0.0,
            beta2: 0.0,
            epsilon: 1e3,
            weight_decay: 0.5,
            clip_norm: 1.0,
        };
        let before = weight.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0];
        // Gradients 3 and 4: norm 5, clipped to 0.6 and 0.8.
        let loss =
            ((weight.sum_all().unwrap() * 3.0).unwrap() + (bias.sum_all().unwrap() * 4.0).unwrap()).unwrap();
        let mut optimizer = Optimizer::new(settings, &parameters).unwrap();
        let norm = optimizer.step_of(&parameters, &loss, |_| true, |_| 1.0).unwrap();
        assert!((norm - 5.0).abs() < 1e-6);
        let after = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0];
        // With epsilon far above the moments a step is gradient / epsilon.
        assert!((after(&bias) + 0.8 / 1000.8).abs() < 1e-7);
        assert!((after(&weight) - (before * 0.5 - 0.6 / 1000.6)).abs() < 1e-6);
    }

    /// Trap 21 of `tests/suite/traps.rs`: from zero moments ELECTRA's first step is 0.1 / √0.001 = 3.16 times
    /// the rate, since nothing corrects the moments' bias; AdamW's is the rate.
    #[test]
    fn electra_does_not_correct_the_bias_of_the_moments() {
        for (kind, expected) in [(OptimizerKind::Electra, 3.1623), (OptimizerKind::Adamw, 1.0)] {
            let mut parameters = Parameters::new(1, &Device::Cpu);
            let bias = parameters.builder().parameter("bias", &[1], Init::Zeros).unwrap();
            let spec = TrainSpec { optimizer: kind, weight_decay: 0.0, ..TrainSpec::default() };
            let mut optimizer = Optimizer::new((&spec).into(), &parameters).unwrap();
            let loss = (bias.sum_all().unwrap() * 0.5).unwrap();
            optimizer.step_of(&parameters, &loss, |_| true, |_| 1e-3).unwrap();
            let moved = -bias.to_vec1::<f32>().unwrap()[0] / 1e-3;
            assert!((moved - expected).abs() < 1e-3, "{kind:?}: {moved} times the rate");
        }
    }

    #[test]
    fn a_dropped_gradient_is_an_error() {
        let mut parameters = Parameters::new(1, &Device::Cpu);
        let mut builder = parameters.builder();
        let used = builder.parameter("used", &[1, 1], Init::Glorot).unwrap();
        builder.parameter("lost", &[1, 1], Init::Glorot).unwrap();
        let mut optimizer = Optimizer::new((&TrainSpec::default()).into(), &parameters).unwrap();
        let loss = used.sum_all().unwrap();
        let error = optimizer.step_of(&parameters, &loss, |_| true, |_| 1.0).unwrap_err();
        assert!(error.message.contains("`lost`"), "{error}");
        assert_eq!(optimizer.n_updates(), 0);
        let value = |index: usize| {
            let tensor = parameters.iter().nth(index).unwrap().var.as_detached_tensor();
            tensor.copy().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]
        };
        let (used, lost) = (value(0), value(1));
        optimizer.step_of(&parameters, &loss, |parameter| parameter.name == "used", |_| 1.0).unwrap();
        assert!(
            value(0) != used && value(1) == lost,
            "neither update nor weight decay may change a parameter that is not trained"
        );
        optimizer.restart(&parameters).unwrap();
        assert_eq!(optimizer.n_updates(), 0);
        let moment = optimizer.moments()[0].0.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0];
        assert_eq!(moment, 0.0);
    }
}
