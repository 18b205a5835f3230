//! The optimizer steps of a fine-tuning run on any task: order of the examples, learning rates, updates.
//!
//! Must never: know about a head or labels. Next: `finetune.rs` for GLUE, `squad/finetune.rs` for SQuAD,
//! `unfinished.rs` for the state of a run that is stopped.

use candle_core::Tensor;

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{FinetuneSpec, LayerDecayRule, OptimizerKind, TaskName};
use crate::nn::{Mode, Parameter, Parameters};
use crate::objective::{DeferredMetrics, number};
use crate::rng::{Purpose, Stream};
use crate::tasks::unfinished::Unfinished;
use crate::train::{Optimizer, OptimizerSettings, Schedule};

/// The number of steps between checks that the numbers on the device are finite.
const CHECK_EVERY: u64 = 64;

/// The steps of one run.
pub struct TrainingSteps<'a> {
    /// Seed of the order of the examples and of dropout.
    pub seed: u64,
    /// Learning rate, decay, batch size, warm-up.
    pub recipe: &'a FinetuneSpec,
    /// The task, for messages.
    pub task: TaskName,
    /// Number of training examples.
    pub n_examples: usize,
    /// Number of optimizer steps.
    pub n_steps: u64,
    /// Fails if the run must stop.
    pub stop: &'a dyn Fn() -> Result<()>,
    /// Where the state is kept while the run is not finished.
    pub unfinished: &'a Unfinished,
}

impl TrainingSteps<'_> {
    /// Trains `parameters`, from where an earlier process stopped if it left its state; `loss` computes the
    /// mean loss of examples by their indices. The order of the examples and dropout depend on the seed and
    /// the step alone, so a stop changes no bit.
    ///
    /// # Errors
    /// There are no examples; a number is not finite; the run must stop, and then its state is saved.
    pub fn run(
        &self,
        parameters: &Parameters,
        loss: &dyn Fn(&[usize], Mode) -> Result<Tensor>,
    ) -> Result<()> {
        if self.n_examples == 0 {
            let what = format!("task {} has no training examples", self.task);
            return Err(Error::new(ErrorKind::Data, what, "check the task's training file"));
        }
        let mut optimizer = Optimizer::new(settings(self.recipe), parameters)?;
        let warmup = (self.recipe.warmup_fraction * self.n_steps as f64).round() as u64;
        let schedule = Schedule { peak: self.recipe.learning_rate, warmup, total: self.n_steps };
        let top = parameters.max_depth();
        let mut order = ExampleOrder::new(self.seed, self.n_examples);
        let mut pending = DeferredMetrics::default();
        let first = self.unfinished.load(parameters, &mut optimizer, self.n_steps)?;
        let batch_size = self.recipe.batch.min(self.n_examples);
        order.skip(first * batch_size as u64);
        for step in first..self.n_steps {
            let stopped = (self.stop)();
            if stopped.is_err() || self.unfinished.is_due() {
                std::mem::take(&mut pending).resolve()?;
                self.unfinished.save(parameters, Some(&optimizer), step)?;
            }
            stopped?;
            let batch: Vec<usize> = (0..batch_size).map(|_| order.next()).collect();
            let loss = loss(&batch, Mode::train(self.seed, step))?;
            let task = self.task;
            pending.defer(&[&loss], move |read, _| {
                if number(&read[0])?.is_finite() {
                    return Ok(());
                }
                let what = format!("the loss of {task} is not finite at step {step}");
                let hint = "lower evaluate.finetune.learning_rate";
                Err(Error::new(ErrorKind::Training, what, hint))
            })?;
            optimizer.clear();
            optimizer.accumulate(&loss)?;
            let rate =
                |parameter: &Parameter| schedule.rate(step) * layer_factor(self.recipe, top, parameter.depth);
            optimizer.update_of(parameters, |_| true, rate)?.measure(&mut pending)?;
            if step.is_multiple_of(CHECK_EVERY) {
                std::mem::take(&mut pending).resolve()?;
            }
        }
        pending.resolve().map(drop)
    }
}

/// The seed of a run for its initialisation, order and dropout; every run of the trial has another one.
pub fn run_seed(trial_seed: u64, task: TaskName, finetune_seed: u64) -> u64 {
    Stream::new(trial_seed, Purpose::Finetune, task as u64, finetune_seed).next_u64()
}

/// Optimizer steps on `n` examples: floor(n / batch × epochs), at least one. (The released code first pads
/// the examples to full batches, which may add a step or two.)
pub fn n_steps(n: usize, batch: usize, epochs: f64) -> u64 {
    ((n as f64 / batch as f64 * epochs).floor() as u64).max(1)
}

/// At most `cap` training examples: the first ones of a seeded shuffle.
pub fn limit_examples<T>(examples: &[T], cap: Option<usize>, run_seed: u64) -> Vec<&T> {
    let mut examples: Vec<&T> = examples.iter().collect();
    if let Some(cap) = cap {
        Stream::new(run_seed, Purpose::Finetune, 0, 0).shuffle(&mut examples);
        examples.truncate(cap);
    }
    examples
}

/// The factor of the learning rate of a parameter at `depth`; the head is at depth `top`.
fn layer_factor(recipe: &FinetuneSpec, top: usize, depth: usize) -> f64 {
    let below_head = top.saturating_sub(depth) as i32;
    let exponent = match recipe.layer_decay_rule {
        LayerDecayRule::Paper => below_head,
        LayerDecayRule::ReleasedCode if below_head == 0 => 0,
        LayerDecayRule::ReleasedCode => below_head + 1,
    };
    recipe.layer_decay.powi(exponent)
}

fn settings(recipe: &FinetuneSpec) -> OptimizerSettings {
    OptimizerSettings {
        kind: OptimizerKind::Electra,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-6,
        weight_decay: recipe.weight_decay,
        clip_norm: 1.0,
    }
}

/// Endless examples, in a new order every epoch.
struct ExampleOrder {
    seed: u64,
    epoch: u64,
    indices: Vec<usize>,
    used: usize,
}

impl ExampleOrder {
    fn new(seed: u64, n: usize) -> Self {
        Self { seed, epoch: 0, indices: (0..n).collect(), used: n }
    }

    /// Passes over examples that an earlier process was trained on.
    fn skip(&mut self, n: u64) {
        for _ in 0..n {
            self.next();
        }
    }

    fn next(&mut self) -> usize {
        if self.used == self.indices.len() {
            self.indices.sort_unstable();
            Stream::new(self.seed, Purpose::Shuffle, self.epoch, 0).shuffle(&mut self.indices);
            self.epoch += 1;
            self.used = 0;
        }
        self.used += 1;
        self.indices[self.used - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::ModelSpec;
    use crate::model::EncoderNetwork;
    use crate::tasks::classifier::Classifier;
    use crate::tasks::table::LabelKind;
    use candle_core::Device;

    #[test]
    fn an_epoch_visits_every_example_once() {
        let mut order = ExampleOrder::new(3, 10);
        let epoch = |order: &mut ExampleOrder| (0..10).map(|_| order.next()).collect::<Vec<_>>();
        let (first, second) = (epoch(&mut order), epoch(&mut order));
        assert_ne!(first, second);
        for mut visited in [first, second] {
            visited.sort_unstable();
            assert_eq!(visited, (0..10).collect::<Vec<_>>());
        }
    }

    /// The part of the model that a parameter belongs to: `encoder.layer.10`, `embeddings`, `head`.
    fn part(name: &str) -> String {
        let n_words = if name.starts_with("encoder.layer.") { 3 } else { 2 };
        let words: Vec<&str> = name.split('.').take(n_words).collect();
        if words[0] == "encoder" { words.join(".") } else { words[0].into() }
    }

    /// The factors of the learning rate by `paper` and by `released_code`, and the number of parameters that
    /// have them.
    #[test]
    fn rates_of_every_parameter_by_both_rules() {
        let model = ModelSpec { layers: Some(12), hidden: Some(8), embedding: Some(4), ..Default::default() };
        let mut parameters = Parameters::new(1, &Device::Cpu);
        let network = EncoderNetwork::of_spec(&model, 10);
        let labels = LabelKind::Classes(&["a", "b"]);
        Classifier::new(&mut parameters, &network, labels, Default::default()).unwrap();
        let factor = |layer_decay_rule, depth| {
            let recipe = FinetuneSpec { layer_decay_rule, ..Default::default() };
            layer_factor(&recipe, parameters.max_depth(), depth)
        };
        let mut lines: Vec<(String, usize)> = Vec::new();
        for parameter in parameters.iter() {
            let line = format!(
                "{:<27} {:.6} {:.6}",
                part(&parameter.name),
                factor(LayerDecayRule::Paper, parameter.depth),
                factor(LayerDecayRule::ReleasedCode, parameter.depth)
            );
            match lines.iter_mut().find(|(other, _)| *other == line) {
                Some((_, n)) => *n += 1,
                None => lines.push((line, 1)),
            }
        }
        let shown: Vec<String> = lines.iter().map(|(line, n)| format!("{line} {n:>2}")).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        embeddings                  0.054976 0.043980  4
        encoder.embeddings_project  0.054976 0.043980  2
        encoder.layer.0             0.068719 0.054976 10
        encoder.layer.1             0.085899 0.068719 10
        encoder.layer.2             0.107374 0.085899 10
        encoder.layer.3             0.134218 0.107374 10
        encoder.layer.4             0.167772 0.134218 10
        encoder.layer.5             0.209715 0.167772 10
        encoder.layer.6             0.262144 0.209715 10
        encoder.layer.7             0.327680 0.262144 10
        encoder.layer.8             0.409600 0.327680 10
        encoder.layer.9             0.512000 0.409600 10
        encoder.layer.10            0.640000 0.512000 10
        encoder.layer.11            0.800000 0.640000 10
        task_head                   1.000000 1.000000  2
        ");
    }
}
