//! Fine-tuning a pre-trained encoder on one task with one seed (ELECTRA, Appendix B).
//!
//! Batches have no padding. `classifier.rs` has the heads and the loss, `steps.rs` the loop.

use candle_core::Device;

use super::classifier::Classifier;
use super::encode::EncodedExample;
use super::score::majority;
use super::steps::{TrainingSteps, limit_examples, n_steps, run_seed};
use super::table::{LabelKind, TaskInfo};
use super::unfinished::Unfinished;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::FinetuneSpec;
use crate::model::{EncoderNetwork, is_encoder_parameter};
use crate::nn::{Mode, Parameters};
use crate::records::{PredictedExample, Predictions, RECORD_VERSION};

/// Examples per batch of prediction.
const PREDICTION_BATCH: usize = 64;

/// The result of a fine-tuning run.
pub struct Finetuned {
    /// The prediction for every validation example.
    pub predictions: Predictions,
    /// The fine-tuned encoder and its head.
    pub parameters: Parameters,
}

/// The pre-trained encoder that fine-tuning starts from.
pub struct Pretrained<'a> {
    /// Its architecture.
    pub network: EncoderNetwork,
    /// Loads its weights into the parameters of an encoder.
    pub load: &'a dyn Fn(&Parameters) -> Result<()>,
}

/// One fine-tuning run.
pub struct Finetuning<'a> {
    /// The trial's seed.
    pub seed: u64,
    /// The number of the run of this task.
    pub finetune_seed: u64,
    /// The pre-trained encoder.
    pub pretrained: &'a Pretrained<'a>,
    /// The recipe.
    pub recipe: &'a FinetuneSpec,
    /// The task.
    pub task: TaskInfo,
    /// Whether its examples are from the built-in language.
    pub synthetic: bool,
    /// Examples to train on.
    pub train: &'a [EncodedExample],
    /// Examples to predict.
    pub validation: &'a [EncodedExample],
    /// The device to compute on.
    pub device: &'a Device,
    /// Fails if the run must stop.
    pub stop: &'a dyn Fn() -> Result<()>,
    /// Where the state is kept while the run is not finished.
    pub unfinished: &'a Unfinished,
}

/// Epochs of a task.
fn epochs(recipe: &FinetuneSpec, task: &TaskInfo) -> f64 {
    let of_small_tasks = recipe.epochs_small_tasks.filter(|_| task.is_small);
    of_small_tasks.unwrap_or(recipe.epochs)
}

impl Finetuning<'_> {
    /// Trains, then predicts every validation example.
    pub fn run(&self) -> Result<Finetuned> {
        let seed = run_seed(self.seed, self.task.task, self.finetune_seed);
        let train = limit_examples(self.train, self.recipe.max_train_examples, seed);
        let mut parameters = Parameters::expecting(seed, self.device, is_encoder_parameter);
        let (labels, head) = (self.task.labels, self.recipe.head);
        let classifier = Classifier::new(&mut parameters, &self.pretrained.network, labels, head)?;
        (self.pretrained.load)(&parameters)?;
        let steps = self.n_steps();
        let training = TrainingSteps {
            seed,
            recipe: self.recipe,
            task: self.task.task,
            n_examples: train.len(),
            n_steps: steps,
            stop: self.stop,
            unfinished: self.unfinished,
        };
        training.run(&parameters, &|batch, mode| {
            let chosen: Vec<&EncodedExample> =
                batch.iter().filter_map(|&index| train.get(index).copied()).collect();
            classifier.loss(&chosen, mode)
        })?;
        // From all training examples, even with max_train_examples, so that every run of the task has the
        // same baseline.
        let labels = self.train.iter().map(|example| example.label);
        let used = train.iter().copied().chain(self.validation);
        let predictions = Predictions {
            record_version: RECORD_VERSION,
            task: self.task.task,
            synthetic: self.synthetic,
            finetune_seed: self.finetune_seed,
            n_train: train.len(),
            steps,
            majority: majority(self.task.labels, labels),
            n_cut: used.filter(|example| example.is_cut).count(),
            examples: self.unfinished.or_save(
                self.predict(&classifier, self.validation),
                &parameters,
                steps,
            )?,
        };
        Ok(Finetuned { predictions, parameters })
    }

    /// Optimizer steps of the run.
    pub(crate) fn n_steps(&self) -> u64 {
        let n = self.recipe.max_train_examples.unwrap_or(usize::MAX).min(self.train.len());
        n_steps(n, self.recipe.batch, epochs(self.recipe, &self.task))
    }

    /// The predictions for `examples`, in order.
    pub(crate) fn predict(
        &self,
        classifier: &Classifier,
        examples: &[EncodedExample],
    ) -> Result<Vec<PredictedExample>> {
        let mut all = Vec::with_capacity(examples.len());
        for chunk in examples.chunks(PREDICTION_BATCH) {
            (self.stop)()?;
            let batch: Vec<&EncodedExample> = chunk.iter().collect();
            let outputs = classifier.outputs(&batch, Mode::evaluate())?.to_device(&Device::Cpu)?;
            for (example, row) in chunk.iter().zip(outputs.to_vec2::<f32>()?) {
                if row.iter().any(|output| !output.is_finite()) {
                    let what = format!("fine-tuning {} diverged: its outputs are not finite", self.task.task);
                    let hint = "lower evaluate.finetune.learning_rate";
                    return Err(Error::new(ErrorKind::Training, what, hint));
                }
                let prediction = prediction_of(self.task.labels, &row);
                let label = f64::from(example.label);
                all.push(PredictedExample { idx: example.idx, prediction, label });
            }
        }
        Ok(all)
    }
}

/// The class with the largest logit, or the score of a regression output.
fn prediction_of(labels: LabelKind, row: &[f32]) -> f64 {
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
    use std::cell::Cell;
    use std::path::Path;

    use super::*;
    use crate::experiment::{ModelSpec, TaskName};
    use crate::tasks::fixture::{load_encoder, random_encoder};
    use crate::tasks::table::task_info;

    #[test]
    fn steps_cover_the_epochs() {
        let recipe = FinetuneSpec { epochs_small_tasks: Some(10.0), ..Default::default() };
        let steps = |task, n| n_steps(n, recipe.batch, epochs(&recipe, &task_info(task)));
        assert_eq!(steps(TaskName::Cola, 8551), 801);
        assert_eq!(steps(TaskName::Rte, 2490), 778);
        assert_eq!(steps(TaskName::Mrpc, 5), 1);
    }

    #[test]
    fn predictions_are_classes_or_scores() {
        assert_eq!(prediction_of(LabelKind::Classes(&["a", "b", "c"]), &[0.1, 3.0, -1.0]), 1.0);
        assert_eq!(prediction_of(LabelKind::Score { min: 0.0, max: 5.0 }, &[0.5]), 2.5);
    }

    /// The predictions and the fine-tuned parameters of a run that is stopped again and again, each time
    /// after `n_checks` looks at the stop flag, and how often it was stopped.
    fn run_in_parts(n_checks: u32, meanwhile: &dyn Fn(&Path)) -> (Predictions, Vec<Vec<f32>>, u32) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("finetuned/cola-1.unfinished.safetensors");
        let model = ModelSpec { hidden: Some(16), layers: Some(1), embedding: Some(8), ..Default::default() };
        let network = EncoderNetwork::of_spec(&model, 20);
        let random = random_encoder(&network);
        let load = |parameters: &Parameters| load_encoder(parameters, &random);
        let examples: Vec<EncodedExample> = (0..30)
            .map(|idx| EncodedExample {
                idx,
                input_ids: vec![2, 5 + (idx as u32) % 7, 6 + (idx as u32) % 11, 3],
                token_type_ids: vec![0; 4],
                label: (idx % 2) as f32,
                is_cut: false,
            })
            .collect();
        let recipe = FinetuneSpec { epochs: 3.0, batch: 4, ..Default::default() };
        for n_stops in 0..100 {
            let n_left = Cell::new(n_checks);
            let stop = || {
                n_left.set(n_left.get().saturating_sub(1));
                let stopped = Error::new(ErrorKind::Interrupted, "interrupted", "");
                if n_left.get() == 0 { Err(stopped) } else { Ok(()) }
            };
            let finetuning = Finetuning {
                seed: 1,
                finetune_seed: 1,
                pretrained: &Pretrained { network, load: &load },
                recipe: &recipe,
                task: task_info(TaskName::Cola),
                synthetic: true,
                train: &examples,
                validation: &examples,
                device: &Device::Cpu,
                stop: &stop,
                unfinished: &Unfinished::new(file.clone(), "a trial".into()),
            };
            match finetuning.run() {
                Err(error) => assert_eq!(error.kind, ErrorKind::Interrupted, "{error}"),
                Ok(Finetuned { predictions, parameters }) => {
                    let values = |p: &crate::nn::Parameter| p.var.flatten_all().unwrap().to_vec1().unwrap();
                    let parameters = parameters.iter().map(values).collect();
                    finetuning.unfinished.remove().unwrap();
                    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
                    return (predictions, parameters, n_stops);
                }
            }
            meanwhile(&file);
        }
        panic!("the run begins again and again");
    }

    /// The dropout of the recipe is on, and the state is saved while it trains and while it predicts.
    #[test]
    fn stops_change_no_bit_of_a_fine_tuning() {
        let (predictions, parameters, n_stops) = run_in_parts(1000, &|_| {});
        assert_eq!((predictions.steps, n_stops), (22, 0));
        for n_checks in [23, 10, 2] {
            let parts = run_in_parts(n_checks, &|_| {});
            assert!(parts.2 > 0);
            assert_eq!((&parts.0, &parts.1), (&predictions, &parameters), "{n_checks} checks a part");
        }
        // A state that was damaged is not continued: the run begins again.
        let damaged = Cell::new(false);
        let damage_once = |file: &Path| {
            if !damaged.replace(true) {
                let mut bytes = std::fs::read(file).unwrap();
                let at = bytes.len() - 10;
                bytes[at] ^= 0x40;
                std::fs::write(file, bytes).unwrap();
            }
        };
        let parts = run_in_parts(15, &damage_once);
        assert_eq!((parts.0, parts.1, parts.2), (predictions, parameters, 2));
    }
}
