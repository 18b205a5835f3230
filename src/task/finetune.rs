//! Fine-tuning a pre-trained encoder on one task with one seed (ELECTRA, Appendix B).
//!
//! Batches are ragged: no padding. See `classifier.rs` for the heads and the loss.

use candle_core::Device;

use super::Encoded;
use super::classifier::Classifier;
use super::score::majority;
use crate::data::{LabelKind, TaskInfo};
use crate::fault::{Fault, FaultKind, Result};
use crate::model::{EncoderNetwork, is_encoder_parameter};
use crate::nn::{Mode, Parameters};
use crate::rng::{Purpose, Stream};
use crate::spec::{FinetuneSpec, LayerDecayRule, OptimizerKind, TaskName};
use crate::track::{PredictedExample, Predictions, RECORD_VERSION};
use crate::train::{Optimizer, Schedule, Settings};

/// Examples a batch of prediction.
const PREDICTION_BATCH: usize = 64;

/// What a run leaves.
pub struct Finetuned {
    /// What it says of every validation example.
    pub predictions: Predictions,
    /// The fine-tuned encoder and its head.
    pub parameters: Parameters,
}

/// What fine-tuning starts from.
pub struct Pretrained<'a> {
    /// The encoder.
    pub network: EncoderNetwork,
    /// Puts its trained values into the parameters that belong to it.
    pub load: &'a dyn Fn(&Parameters) -> Result<()>,
}

/// One fine-tuning run.
pub struct Finetuning<'a> {
    /// The trial's seed.
    pub seed: u64,
    /// Which of the runs of this task.
    pub finetune_seed: u64,
    /// The pre-trained encoder.
    pub pretrained: &'a Pretrained<'a>,
    /// Recipe.
    pub recipe: &'a FinetuneSpec,
    /// The task.
    pub task: TaskInfo,
    /// Whether its examples are the built-in language's.
    pub synthetic: bool,
    /// Examples to train on.
    pub train: &'a [Encoded],
    /// Examples to predict.
    pub validation: &'a [Encoded],
    /// Where to compute.
    pub device: &'a Device,
    /// Fails when asked to stop.
    pub stop: &'a dyn Fn() -> Result<()>,
}

/// Optimizer steps on `n` examples: floor(n / batch × epochs), at least one (the released code first pads the
/// set to whole batches, which may add a step or two).
pub fn n_steps(recipe: &FinetuneSpec, task: TaskName, n: usize) -> u64 {
    let longer =
        matches!(task, TaskName::Rte | TaskName::Stsb).then_some(recipe.epochs_small_tasks).flatten();
    let epochs = longer.unwrap_or(recipe.epochs);
    ((n as f64 / recipe.batch as f64 * epochs).floor() as u64).max(1)
}

impl Finetuning<'_> {
    /// Trains, then predicts every validation example.
    pub fn run(&self) -> Result<Finetuned> {
        // One number for initialisation, order and dropout of this run, different for every run of the trial.
        let seed =
            Stream::new(self.seed, Purpose::Finetune, self.task.task as u64, self.finetune_seed).next_u64();
        let train = self.chosen(seed);
        let mut parameters = Parameters::expecting(seed, self.device, is_encoder_parameter);
        let (labels, head) = (self.task.labels, self.recipe.head);
        let classifier = Classifier::new(&mut parameters, &self.pretrained.network, labels, head)?;
        (self.pretrained.load)(&parameters)?;
        let steps = n_steps(self.recipe, self.task.task, train.len());
        self.train(seed, &train, steps, &parameters, &classifier)?;
        // Of all training examples, whatever the cap: one baseline for every run of the task.
        let labels = self.train.iter().map(|example| example.label);
        let predictions = Predictions {
            record_version: RECORD_VERSION,
            task: self.task.task,
            synthetic: self.synthetic,
            finetune_seed: self.finetune_seed,
            n_train: train.len(),
            steps,
            majority: majority(self.task.labels, labels),
            examples: self.predict(&classifier, self.validation)?,
        };
        Ok(Finetuned { predictions, parameters })
    }

    /// The training examples under the recipe's cap: the first of a seeded shuffle.
    fn chosen(&self, seed: u64) -> Vec<&Encoded> {
        let mut examples: Vec<&Encoded> = self.train.iter().collect();
        if let Some(cap) = self.recipe.max_train_examples {
            Stream::new(seed, Purpose::Finetune, 0, 0).shuffle(&mut examples);
            examples.truncate(cap);
        }
        examples
    }

    fn train(
        &self,
        seed: u64,
        examples: &[&Encoded],
        steps: u64,
        parameters: &Parameters,
        classifier: &Classifier,
    ) -> Result<()> {
        if examples.is_empty() {
            let what = format!("task {} has no training examples", self.task.task);
            return Err(Fault::new(FaultKind::Data, what, "check the task's training file"));
        }
        let mut optimizer = Optimizer::new(settings(self.recipe), parameters)?;
        let warmup = (self.recipe.warmup_fraction * steps as f64).round() as u64;
        let schedule = Schedule { peak: self.recipe.learning_rate, warmup, total: steps };
        let top = parameters.max_depth();
        let mut order = Order::new(seed, examples.len());
        for step in 0..steps {
            (self.stop)()?;
            let batch: Vec<&Encoded> =
                (0..self.recipe.batch.min(examples.len())).map(|_| examples[order.next()]).collect();
            let loss = classifier.loss(&batch, Mode::train(seed, step))?;
            if !loss.to_scalar::<f32>()?.is_finite() {
                let what = format!("the loss of {} is not finite at step {step}", self.task.task);
                let hint = "lower evaluate.finetune.learning_rate";
                return Err(Fault::new(FaultKind::Training, what, hint));
            }
            optimizer.step(parameters, &loss, |parameter| {
                schedule.rate(step) * layer_factor(self.recipe, top, parameter.depth)
            })?;
        }
        Ok(())
    }

    /// What the model says of `examples`, in their order.
    pub(super) fn predict(
        &self,
        classifier: &Classifier,
        examples: &[Encoded],
    ) -> Result<Vec<PredictedExample>> {
        let mut all = Vec::with_capacity(examples.len());
        for chunk in examples.chunks(PREDICTION_BATCH) {
            (self.stop)()?;
            let batch: Vec<&Encoded> = chunk.iter().collect();
            let outputs = classifier.outputs(&batch, Mode::evaluate())?.to_device(&Device::Cpu)?;
            for (example, row) in chunk.iter().zip(outputs.to_vec2::<f32>()?) {
                if row.iter().any(|output| !output.is_finite()) {
                    let what = format!("fine-tuning {} diverged: its outputs are not finite", self.task.task);
                    let hint = "lower evaluate.finetune.learning_rate";
                    return Err(Fault::new(FaultKind::Training, what, hint));
                }
                let prediction = answer(self.task.labels, &row);
                let label = f64::from(example.label);
                all.push(PredictedExample { idx: example.idx, prediction, label });
            }
        }
        Ok(all)
    }
}

/// What the rate of a parameter at `depth` is multiplied by; the head is at depth `top`.
fn layer_factor(recipe: &FinetuneSpec, top: usize, depth: usize) -> f64 {
    let below_head = top.saturating_sub(depth) as i32;
    let exponent = match recipe.layer_decay_rule {
        LayerDecayRule::Paper => below_head,
        LayerDecayRule::ReleasedCode if below_head == 0 => 0,
        LayerDecayRule::ReleasedCode => below_head + 1,
    };
    recipe.layer_decay.powi(exponent)
}

fn settings(recipe: &FinetuneSpec) -> Settings {
    Settings {
        kind: OptimizerKind::Electra,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-6,
        weight_decay: recipe.weight_decay,
        clip_norm: 1.0,
    }
}

/// The class of the largest logit, or the score that a regression output stands for.
fn answer(labels: LabelKind, row: &[f32]) -> f64 {
    match labels {
        LabelKind::Classes(_) => {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter().position(|&logit| logit == largest).unwrap_or(0) as f64
        }
        LabelKind::Score { min, max } => {
            f64::from(row.first().copied().unwrap_or(0.0)) * f64::from(max - min) + f64::from(min)
        }
    }
}

/// Examples in a new order each epoch, without end.
struct Order {
    seed: u64,
    epoch: u64,
    indices: Vec<usize>,
    used: usize,
}

impl Order {
    fn new(seed: u64, n: usize) -> Self {
        Self { seed, epoch: 0, indices: (0..n).collect(), used: n }
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
    use crate::spec::ModelSpec;

    #[test]
    fn an_epoch_visits_every_example_once() {
        let mut order = Order::new(3, 10);
        let epoch = |order: &mut Order| (0..10).map(|_| order.next()).collect::<Vec<_>>();
        let (first, second) = (epoch(&mut order), epoch(&mut order));
        assert_ne!(first, second);
        for mut seen in [first, second] {
            seen.sort_unstable();
            assert_eq!(seen, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn steps_cover_the_epochs() {
        let recipe = FinetuneSpec { epochs_small_tasks: Some(10.0), ..Default::default() };
        assert_eq!(n_steps(&recipe, TaskName::Cola, 8551), 801);
        assert_eq!(n_steps(&recipe, TaskName::Rte, 2490), 778);
        assert_eq!(n_steps(&recipe, TaskName::Mrpc, 5), 1);
    }

    /// The part of the model that a parameter belongs to: `encoder.layer.10`, `embeddings`, `head`.
    fn part(name: &str) -> String {
        let n_words = if name.starts_with("encoder.layer.") { 3 } else { 2 };
        let words: Vec<&str> = name.split('.').take(n_words).collect();
        if words[0] == "encoder" { words.join(".") } else { words[0].into() }
    }

    /// Factors of the peak rate by `paper` and by `released_code`, and how many parameters have them.
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

    #[test]
    fn answers() {
        assert_eq!(answer(LabelKind::Classes(&["a", "b", "c"]), &[0.1, 3.0, -1.0]), 1.0);
        assert_eq!(answer(LabelKind::Score { min: 0.0, max: 5.0 }, &[0.5]), 2.5);
    }
}
