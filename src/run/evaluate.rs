//! Downstream evaluation of one trial: every task, every fine-tuning seed, predictions on disk, scores from them.
//!
//! Fine-tuning runs whose predictions are saved are not run again. Must never: score what is not on disk.
//! Next: `task/finetune.rs` for one run, `evaluate_squad.rs` for SQuAD.

use super::context::TrialContext;
use super::evaluate_squad::evaluate_squad;
use super::tasks::Tasks;
use crate::data::{Tokenizer, task_info};
use crate::fault::{Fault, Result};
use crate::spec::TrialSpec;
use crate::task::{Finetuned, Finetuning, Pretrained, encode, score, swapped};
use crate::track::Score;
use crate::train::Checkpoint;

/// Fine-tunes and scores every task of `spec.evaluate`.
pub fn evaluate(
    spec: &TrialSpec,
    context: &TrialContext,
    tokenizer: &Tokenizer,
    tasks: &Tasks,
    pretrained: &Pretrained,
) -> Result<Vec<Score>> {
    let mut scores = Vec::new();
    for (done, task) in tasks.glue.iter().enumerate() {
        let recipe = &spec.evaluate.finetune;
        let encoded = |examples| encode(examples, tokenizer, recipe.seq_len);
        let info = task_info(task.task);
        let (mut train, validation) = (encoded(&task.train)?, encoded(&task.validation)?);
        if recipe.double_unordered && info.unordered {
            train.extend(encoded(&swapped(&task.train))?);
        }
        for finetune_seed in 1..=u64::from(spec.evaluate.finetune_seeds) {
            let model = context.folder.finetuned(task.task, finetune_seed);
            let lacks_model = recipe.keep_models && !model.is_file();
            if lacks_model || context.folder.predictions(task.task, finetune_seed)?.is_none() {
                let run = done as u64 * u64::from(spec.evaluate.finetune_seeds) + finetune_seed;
                let of = tasks.glue.len() as u64 * u64::from(spec.evaluate.finetune_seeds);
                context.sink.phase(&format!("fine-tuning {}, run {run} of {of}", task.task));
                let Finetuned { predictions, parameters } = Finetuning {
                    seed: spec.seed,
                    finetune_seed,
                    pretrained,
                    recipe,
                    task: info,
                    synthetic: task.synthetic,
                    train: &train,
                    validation: &validation,
                    device: &context.device,
                    stop: &|| context.stop.check(),
                }
                .run()?;
                if recipe.keep_models {
                    Checkpoint::save_model(&model, &parameters)?;
                }
                context.folder.write_predictions(&predictions)?;
            }
            // Scored from what is on disk, so that a resumed trial scores the same numbers.
            let Some(saved) = context.folder.predictions(task.task, finetune_seed)? else {
                let folder = context.folder.path();
                return Err(Fault::storage(folder, "read back predictions in", "the file is gone"));
            };
            scores.push(score(&info, &saved));
        }
    }
    for task in &tasks.squad {
        scores.extend(evaluate_squad(spec, context, tokenizer, task, pretrained)?);
    }
    Ok(scores)
}
