//! Fine-tuning a pre-trained encoder on one task with one seed (ELECTRA, Appendix B).
//!
//! Batches are ragged: no padding. See `classifier.rs` for the heads and the loss, `steps.rs` for the loop.

use candle_core::Device;

use super::classifier::Classifier;
use super::encode::Encoded;
use super::score::majority;
use super::steps::{Steps, n_steps, run_seed, under_cap};
use super::table::{LabelKind, TaskInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{FinetuneSpec, TaskName};
use crate::model::{EncoderNetwork, is_encoder_parameter};
use crate::nn::{Mode, Parameters};
use crate::records::{PredictedExample, Predictions, RECORD_VERSION};

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

/// Passes over a task's training examples.
fn epochs(recipe: &FinetuneSpec, task: TaskName) -> f64 {
    let longer =
        matches!(task, TaskName::Rte | TaskName::Stsb).then_some(recipe.epochs_small_tasks).flatten();
    longer.unwrap_or(recipe.epochs)
}

impl Finetuning<'_> {
    /// Trains, then predicts every validation example.
    pub fn run(&self) -> Result<Finetuned> {
        let seed = run_seed(self.seed, self.task.task, self.finetune_seed);
        let train = under_cap(self.train, self.recipe.max_train_examples, seed);
        let mut parameters = Parameters::expecting(seed, self.device, is_encoder_parameter);
        let (labels, head) = (self.task.labels, self.recipe.head);
        let classifier = Classifier::new(&mut parameters, &self.pretrained.network, labels, head)?;
        (self.pretrained.load)(&parameters)?;
        let steps = n_steps(train.len(), self.recipe.batch, epochs(self.recipe, self.task.task));
        let training = Steps {
            seed,
            recipe: self.recipe,
            task: self.task.task,
            n_examples: train.len(),
            n_steps: steps,
            stop: self.stop,
        };
        training.run(&parameters, &|batch, mode| {
            let chosen: Vec<&Encoded> = batch.iter().filter_map(|&index| train.get(index).copied()).collect();
            classifier.loss(&chosen, mode)
        })?;
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

    /// What the model says of `examples`, in their order.
    pub(crate) fn predict(
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
                    return Err(Error::new(ErrorKind::Training, what, hint));
                }
                let prediction = answer(self.task.labels, &row);
                let label = f64::from(example.label);
                all.push(PredictedExample { idx: example.idx, prediction, label });
            }
        }
        Ok(all)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_cover_the_epochs() {
        let recipe = FinetuneSpec { epochs_small_tasks: Some(10.0), ..Default::default() };
        let steps = |task, n| n_steps(n, recipe.batch, epochs(&recipe, task));
        assert_eq!(steps(TaskName::Cola, 8551), 801);
        assert_eq!(steps(TaskName::Rte, 2490), 778);
        assert_eq!(steps(TaskName::Mrpc, 5), 1);
    }

    #[test]
    fn answers() {
        assert_eq!(answer(LabelKind::Classes(&["a", "b", "c"]), &[0.1, 3.0, -1.0]), 1.0);
        assert_eq!(answer(LabelKind::Score { min: 0.0, max: 5.0 }, &[0.5]), 2.5);
    }
}
