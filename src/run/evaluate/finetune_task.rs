//! The fine-tuning runs of one GLUE task. Each saves its predictions; they are scored later.
//!
//! A run depends on the trial, the task and its seed, never on where an earlier process stopped: weights that
//! another task starts from are trained again if they were deleted. Must never: score. Next:
//! `tasks/finetune.rs` for one run.

use super::unfinished::unfinished;
use crate::error::Result;
use crate::experiment::TrialSpec;
use crate::model::is_encoder_parameter;
use crate::records::{RECORD_VERSION, SplitPredictions};
use crate::run::context::TrialContext;
use crate::tasks::{
    EncodedExample, Finetuned, Finetuning, GlueExample, Pretrained, TaskData, TaskInfo,
    classifier_parameters, encode, swapped, task_info,
};
use crate::text::Tokenizer;
use crate::train::Checkpoint;

/// One task with its examples tokenised, ready for its runs.
pub struct TaskRuns<'a> {
    spec: &'a TrialSpec,
    context: &'a TrialContext<'a>,
    /// Start of every run without an intermediate task.
    pretrained: &'a Pretrained<'a>,
    data: &'a TaskData,
    train: Vec<EncodedExample>,
    validation: Vec<EncodedExample>,
    splits: Vec<(&'static str, Vec<EncodedExample>)>,
}

/// Whether a run saves its weights beside its predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Only the predictions are saved.
    Dropped,
    /// The weights are saved too.
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
        let encoded = |examples: &[GlueExample]| encode(examples, tokenizer, recipe.seq_len);
        let (mut train, validation) = (encoded(&data.train)?, encoded(&data.validation)?);
        if recipe.double_unordered && task_info(data.task).unordered {
            train.extend(encoded(&swapped(&data.train))?);
        }
        let n_cut = train.iter().chain(&validation).filter(|example| example.is_cut).count();
        if n_cut > 0 {
            let n = train.len() + validation.len();
            let length = recipe.seq_len;
            context
                .sink
                .phase(&format!("{n_cut} of {n} examples of {} are cut to {length} tokens", data.task));
        }
        let splits = data
            .splits
            .iter()
            .map(|split| Ok((split.name, encoded(&split.examples)?)))
            .collect::<Result<_>>()?;
        Ok(Self { spec, context, pretrained, data, train, validation, splits })
    }

    fn info(&self) -> TaskInfo {
        task_info(self.data.task)
    }

    /// Does the run with this seed, or the part of it that is missing, and reports `phase`.
    pub fn run(&self, finetune_seed: u64, weights: Weights, phase: &str) -> Result<()> {
        if is_complete(self.spec, self.context, self.data, finetune_seed, weights)? {
            return Ok(());
        }
        self.context.sink.phase(phase);
        let Some(first) = self.spec.evaluate.start_of(self.data.task) else {
            return self.run_from(self.pretrained, finetune_seed, weights);
        };
        let folder = self.context.folder;
        let owner = folder.owner_of_finetuned(first, finetune_seed);
        let checkpoint = Checkpoint::read(&folder.finetuned(first, finetune_seed), &owner)?;
        let load = |parameters: &_| checkpoint.load_parameters(parameters, is_encoder_parameter);
        let pretrained = Pretrained { network: self.pretrained.network, load: &load };
        self.run_from(&pretrained, finetune_seed, weights)
    }

    fn run_from(&self, pretrained: &Pretrained, finetune_seed: u64, weights: Weights) -> Result<()> {
        let (folder, task) = (self.context.folder, self.data.task);
        let unfinished = unfinished(self.context, task, finetune_seed);
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
            unfinished: &unfinished,
        };
        let (saved, owner) =
            (folder.finetuned(task, finetune_seed), folder.owner_of_finetuned(task, finetune_seed));
        let parameters = if saved.is_file() && folder.predictions(task, finetune_seed)?.is_some() {
            let (labels, head) = (self.info().labels, self.spec.evaluate.finetune.head);
            let parameters = classifier_parameters(&pretrained.network, labels, head)?;
            Checkpoint::read(&saved, &owner)?.load_parameters(&parameters, |_| true)?;
            parameters
        } else {
            let Finetuned { predictions, parameters } = finetuning.run()?;
            if weights == Weights::Kept {
                Checkpoint::save_model(&saved, &owner, &parameters)?;
            }
            folder.write_predictions(&predictions)?;
            parameters
        };
        for (split, examples) in &self.splits {
            if folder.split_predictions(task, finetune_seed, split)?.is_none() {
                let predicted = finetuning.predict_split(&parameters, examples);
                folder.write_split_predictions(&SplitPredictions {
                    record_version: RECORD_VERSION,
                    task,
                    split: (*split).into(),
                    finetune_seed,
                    examples: unfinished.or_save(predicted, &parameters, finetuning.n_steps())?,
                })?;
            }
        }
        unfinished.remove()
    }
}

/// Whether a run has saved everything: predictions of every split, and the weights if they are to be kept.
pub fn is_complete(
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
    let mut complete = folder.predictions(task, finetune_seed)?.is_some();
    for split in &data.splits {
        complete = complete && folder.split_predictions(task, finetune_seed, split.name)?.is_some();
    }
    Ok(complete)
}
