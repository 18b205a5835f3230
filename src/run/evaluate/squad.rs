//! SQuAD's part of a trial's evaluation: every fine-tuning seed, answers on disk, scores from them.
//!
//! A run whose answers are saved is not made again. Must never: score anything that was not read back from
//! disk. Next: `squad_folder.rs` for the files, `tasks/squad/finetune.rs` for one run.

use super::seeds::{missing_seeds, seeds};
use super::squad_folder::SquadFolder;
use super::unfinished::unfinished;
use crate::error::{Error, Result};
use crate::experiment::TrialSpec;
use crate::records::{RECORD_VERSION, Score, SquadRecord};
use crate::run::context::TrialContext;
use crate::tasks::{
    Pretrained, SquadData, SquadExample, SquadFinetuned, SquadFinetuning, SquadQuestion, tokenize_questions,
};
use crate::text::Tokenizer;
use crate::train::Checkpoint;

/// Fine-tunes on one version of SQuAD and scores it, with every seed.
pub fn evaluate_squad(
    spec: &TrialSpec,
    context: &TrialContext,
    tokenizer: &Tokenizer,
    data: &SquadData,
    pretrained: &Pretrained,
) -> Result<Vec<Score>> {
    let folder = |seed| SquadFolder::new(context.folder, data.task, seed);
    let missing = missing_seeds(spec, |seed| {
        let lacks_model =
            spec.evaluate.finetune.keep_models && !context.folder.finetuned(data.task, seed).is_file();
        Ok(!lacks_model && folder(seed).record()?.is_some())
    })?;
    if !missing.is_empty() {
        let tokens = |questions| tokenize_questions(questions, tokenizer, &spec.evaluate.squad);
        let (train, validation) = (tokens(&data.train)?, tokens(&data.validation)?);
        for seed in missing {
            let n_runs = spec.evaluate.finetune_seeds;
            context.sink.phase(&format!("fine-tuning {}, run {seed} of {n_runs}", data.task));
            let finetuning = SquadFinetuning {
                seed: spec.seed,
                finetune_seed: seed,
                pretrained,
                recipe: &spec.evaluate.finetune,
                spec: &spec.evaluate.squad,
                task: data.task,
                special: tokenizer.special(),
                train: &train,
                validation: &validation,
                validation_texts: &data.validation,
                device: &context.device,
                stop: &|| context.stop.check(),
                unfinished: &unfinished(context, data.task, seed),
            };
            run(spec, context, data, &finetuning)?;
        }
    }
    // The scores come from the files, so that a resumed trial scores the same numbers.
    let gold: Vec<SquadQuestion> = data.validation.iter().map(SquadExample::gold).collect();
    let score = |seed| {
        let folder = folder(seed);
        match folder.record()? {
            Some(record) => folder.score(&record, &gold),
            None => {
                let why = "the file is missing";
                Err(Error::storage(context.folder.path(), "read back the answers in", why))
            }
        }
    };
    seeds(spec).map(score).collect()
}

/// Does one run and saves its answers, the record last.
fn run(
    spec: &TrialSpec,
    context: &TrialContext,
    data: &SquadData,
    finetuning: &SquadFinetuning,
) -> Result<()> {
    let (task, finetune_seed) = (data.task, finetuning.finetune_seed);
    let SquadFinetuned { answers, parameters, n_train, n_windows, steps } = finetuning.run()?;
    if spec.evaluate.finetune.keep_models {
        let (folder, file) = (context.folder, context.folder.finetuned(task, finetune_seed));
        Checkpoint::save_model(&file, &folder.owner_of_finetuned(task, finetune_seed), &parameters)?;
    }
    let record = SquadRecord {
        record_version: RECORD_VERSION,
        task,
        synthetic: data.synthetic,
        finetune_seed,
        n_train,
        n_windows,
        steps,
        no_answer_threshold: spec.evaluate.squad.threshold(),
    };
    SquadFolder::new(context.folder, task, finetune_seed).write(&record, &data.validation, &answers)?;
    finetuning.unfinished.remove()
}
