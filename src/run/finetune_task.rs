//! The fine-tuning runs of one task: made where they are missing, their predictions saved before anything is scored.
//!
//! A run depends on the trial, the task and its seed, never on what an earlier process left: weights that another task
//! starts from are made again where they are gone. Must never: score. Next: `tasks/finetune.rs` for one run.

use super::context::TrialContext;
use crate::error::Result;
use crate::experiment::TrialSpec;
use crate::model::is_encoder_parameter;
use crate::records::{RECORD_VERSION, SplitPredictions};
use crate::tasks::{
    Encoded, Example, Finetuned, Finetuning, Pretrained, TaskData, TaskInfo, classifier_parameters, encode,
    swapped, task_info,
};
use crate::text::Tokenizer;
use crate::train::Checkpoint;

/// One task, ready for its runs.
pub struct TaskRuns<'a> {
    /// The trial.
    pub spec: &'a TrialSpec,
    /// What it may touch.
    pub context: &'a TrialContext<'a>,
    /// What fine-tuning starts from where no task comes between.
    pub pretrained: &'a Pretrained<'a>,
    data: &'a TaskData,
    train: Vec<Encoded>,
    validation: Vec<Encoded>,
    splits: Vec<(&'static str, Vec<Encoded>)>,
}

/// Whether the runs of a task leave their weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Their predictions are all that is wanted.
    Dropped,
    /// They are saved.
    Kept,
}

impl<'a> TaskRuns<'a> {
    /// Tokenises the task's examples.
    pub fn new(
        spec: &'a TrialSpec,
        context: &'a TrialContext<'a>,
        pretrained: &'a Pretrained<'a>,
        tokenizer: &Tokenizer,
        data: &'a TaskData,
    ) -> Result<Self> {
        let recipe = &spec.evaluate.finetune;
        let encoded = |examples: &[Example]| encode(examples, tokenizer, recipe.seq_len);
        let (mut train, validation) = (encoded(&data.train)?, encoded(&data.validation)?);
        if recipe.double_unordered && task_info(data.task).unordered {
            train.extend(encoded(&swapped(&data.train))?);
        }
        let splits = data
            .splits
            .iter()
            .map(|split| Ok((split.name, encoded(&split.examples)?)))
            .collect::<Result<_>>()?;
        Ok(Self { spec, context, pretrained, data, train, validation, splits })
    }

    /// The task's row in the table of tasks.
    pub fn info(&self) -> TaskInfo {
        task_info(self.data.task)
    }

    /// Makes the run with this seed, or what is missing of it; `phase` says so to whoever watches.
    pub fn make(&self, finetune_seed: u64, weights: Weights, phase: &str) -> Result<()> {
        if is_made(self.spec, self.context, self.data, finetune_seed, weights)? {
            return Ok(());
        }
        self.context.sink.phase(phase);
        let Some(first) = self.spec.evaluate.start_of(self.data.task) else {
            return self.make_from(self.pretrained, finetune_seed, weights);
        };
        let checkpoint = Checkpoint::read(&self.context.folder.finetuned(first, finetune_seed))?;
        let load = |parameters: &_| checkpoint.load_parameters(parameters, is_encoder_parameter);
        let pretrained = Pretrained { network: self.pretrained.network, load: &load };
        self.make_from(&pretrained, finetune_seed, weights)
    }

    fn make_from(&self, pretrained: &Pretrained, finetune_seed: u64, weights: Weights) -> Result<()> {
        let (folder, task) = (self.context.folder, self.data.task);
        let finetuning = Finetuning {
            seed: self.spec.seed,
            finetune_seed,
            pretrained,
            recipe: &self.spec.evaluate.finetune,
            task: self.info(),
            synthetic: self.data.synthetic,
            train: &self.train,
            validation: &self.validation,
            device: &self.context.device,
            stop: &|| self.context.stop.check(),
        };
        let saved = folder.finetuned(task, finetune_seed);
        let parameters = if saved.is_file() && folder.predictions(task, finetune_seed)?.is_some() {
            let (labels, head) = (self.info().labels, self.spec.evaluate.finetune.head);
            let parameters = classifier_parameters(&pretrained.network, labels, head)?;
            Checkpoint::read(&saved)?.load_parameters(&parameters, |_| true)?;
            parameters
        } else {
            let Finetuned { predictions, parameters } = finetuning.run()?;
            if weights == Weights::Kept {
                Checkpoint::save_model(&saved, &parameters)?;
            }
            folder.write_predictions(&predictions)?;
            parameters
        };
        for (split, examples) in &self.splits {
            if folder.split_predictions(task, finetune_seed, split)?.is_none() {
                folder.write_split_predictions(&SplitPredictions {
                    record_version: RECORD_VERSION,
                    task,
                    split: (*split).into(),
                    finetune_seed,
                    examples: finetuning.predict_split(&parameters, examples)?,
                })?;
            }
        }
        Ok(())
    }
}

/// Whether all that a run leaves is there.
pub fn is_made(
    spec: &TrialSpec,
    context: &TrialContext,
    data: &TaskData,
    finetune_seed: u64,
    weights: Weights,
) -> Result<bool> {
    let (folder, task) = (context.folder, data.task);
    let keeps = weights == Weights::Kept || spec.evaluate.finetune.keep_models;
    if keeps && !folder.finetuned(task, finetune_seed).is_file() {
        return Ok(false);
    }
    let mut made = folder.predictions(task, finetune_seed)?.is_some();
    for split in &data.splits {
        made = made && folder.split_predictions(task, finetune_seed, split.name)?.is_some();
    }
    Ok(made)
}
