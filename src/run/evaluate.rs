//! Downstream evaluation of one trial: every task, every fine-tuning seed, predictions on disk, scores from them.
//!
//! Fine-tuning runs whose predictions are saved are not run again. Must never: score what is not on disk.
//! Next: `finetune_task.rs` for the runs of a task of GLUE, `evaluate_squad.rs` for SQuAD's.

use super::context::TrialContext;
use super::evaluate_squad::evaluate_squad;
use super::finetune_task::{TaskRuns, Weights, is_made};
use super::tasks::Tasks;
use crate::error::{Error, Result};
use crate::experiment::{TaskName, TrialSpec};
use crate::records::Score;
use crate::tasks::{MISMATCHED, Pretrained, add_mismatched, score, task_info};
use crate::text::Tokenizer;

/// Fine-tunes and scores every task of `spec.evaluate`, GLUE's first.
pub fn evaluate(
    spec: &TrialSpec,
    context: &TrialContext,
    tokenizer: &Tokenizer,
    tasks: &Tasks,
    pretrained: &Pretrained,
) -> Result<Vec<Score>> {
    let evaluate = &spec.evaluate;
    make_intermediate(spec, context, tokenizer, tasks, pretrained)?;
    let mut scores = Vec::new();
    let scored = tasks.glue.iter().filter(|data| evaluate.tasks.contains(&data.task));
    for (done, data) in scored.enumerate() {
        let weights = if evaluate.finetune.keep_models { Weights::Kept } else { Weights::Dropped };
        let missing = where_missing(seeds(spec), |seed| is_made(spec, context, data, seed, weights))?;
        // Tokenising a large task takes a while, so it waits for a run that needs it.
        if !missing.is_empty() {
            let runs = TaskRuns::new(spec, context, pretrained, tokenizer, data)?;
            for seed in missing {
                let run = done as u64 * u64::from(evaluate.finetune_seeds) + seed;
                let of =
                    (evaluate.tasks.len() - tasks.squad.len()) as u64 * u64::from(evaluate.finetune_seeds);
                runs.make(seed, weights, &format!("fine-tuning {}, run {run} of {of}", data.task))?;
            }
        }
        for seed in seeds(spec) {
            scores.push(score_from_disk(context, data.task, seed)?);
        }
    }
    for data in &tasks.squad {
        scores.extend(evaluate_squad(spec, context, tokenizer, data, pretrained)?);
    }
    if let (Some(intermediate), false) = (&evaluate.intermediate, evaluate.finetune.keep_models) {
        seeds(spec).try_for_each(|seed| context.folder.remove_finetuned(intermediate.task, seed))?;
    }
    Ok(scores)
}

/// Seeds of the fine-tuning runs of a task.
pub(super) fn seeds(spec: &TrialSpec) -> impl Iterator<Item = u64> + use<> {
    1..=u64::from(spec.evaluate.finetune_seeds)
}

/// The seeds whose run is not made.
pub(super) fn where_missing(
    seeds: impl Iterator<Item = u64>,
    is_made: impl Fn(u64) -> Result<bool>,
) -> Result<Vec<u64>> {
    let mut missing = Vec::new();
    for seed in seeds {
        if !is_made(seed)? {
            missing.push(seed);
        }
    }
    Ok(missing)
}

/// Fine-tunes on the intermediate task with every seed that some run still has to start from.
fn make_intermediate(
    spec: &TrialSpec,
    context: &TrialContext,
    tokenizer: &Tokenizer,
    tasks: &Tasks,
    pretrained: &Pretrained,
) -> Result<()> {
    let Some(intermediate) = &spec.evaluate.intermediate else { return Ok(()) };
    let Some(first) = tasks.glue.iter().find(|data| data.task == intermediate.task) else {
        return Err(Error::internal(format!("the intermediate task {} was not read", intermediate.task)));
    };
    let needed = where_missing(seeds(spec), |seed| {
        for data in tasks.glue.iter().filter(|data| intermediate.tasks.contains(&data.task)) {
            if !is_made(spec, context, data, seed, Weights::Dropped)? {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    if needed.is_empty() {
        return Ok(());
    }
    let runs = TaskRuns::new(spec, context, pretrained, tokenizer, first)?;
    for (done, seed) in needed.iter().enumerate() {
        let phase = format!("fine-tuning {} first, run {} of {}", first.task, done + 1, needed.len());
        runs.make(*seed, Weights::Kept, &phase)?;
    }
    Ok(())
}

/// Scored from what is on disk, so that a resumed trial scores the same numbers.
fn score_from_disk(context: &TrialContext, task: TaskName, seed: u64) -> Result<Score> {
    let info = task_info(task);
    let Some(saved) = context.folder.predictions(task, seed)? else {
        let folder = context.folder.path();
        return Err(Error::storage(folder, "read back predictions in", "the file is gone"));
    };
    let mut score = score(&info, &saved);
    if let Some(mismatched) = context.folder.split_predictions(task, seed, MISMATCHED)? {
        add_mismatched(&mut score, &info, &mismatched);
    }
    Ok(score)
}

#[cfg(test)]
mod tests;
