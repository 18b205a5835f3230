//! SQuAD's part of a trial's evaluation: every fine-tuning seed, answers on disk, scores from them.
//!
//! Runs whose answers are saved are not run again. Must never: score what is not on disk. Next: `squad_folder.rs` for the
//! files, `task/squad/finetune.rs` for one run.

use super::context::TrialContext;
use super::squad_folder::SquadFolder;
use crate::data::{SquadData, SquadExample, SquadQuestion, Tokenizer};
use crate::fault::{Fault, Result};
use crate::spec::TrialSpec;
use crate::task::{Pretrained, SquadAnswers, SquadFinetuning, tokenize_questions};
use crate::track::{RECORD_VERSION, Score, SquadRecord};
use crate::train::Checkpoint;

/// Fine-tunes on one version of SQuAD and scores it, with every seed.
pub fn evaluate_squad(
    spec: &TrialSpec,
    context: &TrialContext,
    tokenizer: &Tokenizer,
    data: &SquadData,
    pretrained: &Pretrained,
) -> Result<Vec<Score>> {
    let (task, squad) = (data.task, &spec.evaluate.squad);
    let tokens = |questions| tokenize_questions(questions, tokenizer, squad);
    let (train, validation) = (tokens(&data.train)?, tokens(&data.validation)?);
    let gold: Vec<SquadQuestion> = data.validation.iter().map(SquadExample::gold).collect();
    let mut scores = Vec::new();
    for finetune_seed in 1..=u64::from(spec.evaluate.finetune_seeds) {
        let folder = SquadFolder::new(context.folder, task, finetune_seed);
        let model = context.folder.finetuned(task, finetune_seed);
        let lacks_model = spec.evaluate.finetune.keep_models && !model.is_file();
        if lacks_model || folder.record()?.is_none() {
            context.sink.phase(&format!(
                "fine-tuning {task}, run {finetune_seed} of {}",
                spec.evaluate.finetune_seeds
            ));
            let SquadAnswers { answers, parameters, n_train, n_windows, steps } = SquadFinetuning {
                seed: spec.seed,
                finetune_seed,
                pretrained,
                recipe: &spec.evaluate.finetune,
                spec: squad,
                task,
                special: tokenizer.special(),
                train: &train,
                validation: &validation,
                validation_texts: &data.validation,
                device: &context.device,
                stop: &|| context.stop.check(),
            }
            .run()?;
            if spec.evaluate.finetune.keep_models {
                Checkpoint::save_model(&model, &parameters)?;
            }
            let record = SquadRecord {
                record_version: RECORD_VERSION,
                task,
                synthetic: data.synthetic,
                finetune_seed,
                n_train,
                n_windows,
                steps,
                no_answer_threshold: squad.threshold(),
            };
            folder.write(&record, &data.validation, &answers)?;
        }
        // Scored from what is on disk, so that a resumed trial scores the same numbers.
        let Some(record) = folder.record()? else {
            let what = "the file is gone";
            return Err(Fault::storage(context.folder.path(), "read back the answers in", what));
        };
        scores.push(folder.score(&record, &gold)?);
    }
    Ok(scores)
}
