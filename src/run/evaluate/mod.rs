//! Downstream evaluation of one trial: every task, every fine-tuning seed, predictions on disk, scores from
//! them.
//!
//! A fine-tuning run whose predictions are saved is not made again, and one that was stopped resumes. Must
//! never: score anything that was not read back from disk. Next: `finetune_task.rs` for the runs of a GLUE
//! task, `squad.rs` for SQuAD's.

mod finetune_task;
mod pairs;
mod probe;
mod seeds;
mod squad;
mod squad_folder;
mod text_models;
mod unfinished;

use super::context::TrialContext;
use super::tasks::Tasks;
use crate::error::{Error, Result};
use crate::experiment::{TaskName, TrialSpec};
use crate::records::{Measure, Score};
use crate::tasks::{MISMATCHED, Pretrained, add_mismatched, score, task_info};
use crate::text::Tokenizer;
use finetune_task::{TaskRuns, Weights, is_complete};
pub use pairs::measure_pairs;
pub use probe::probe;
use seeds::{missing_seeds, seeds};
use squad::evaluate_squad;
pub use text_models::measure_text_models;
use unfinished::unfinished;

/// What the evaluation of a trial found.
#[derive(Default)]
pub struct Evaluation {
    /// One entry per task and fine-tuning seed.
    pub scores: Vec<Score>,
    /// What was measured without fine-tuning.
    pub measures: Vec<Measure>,
}

/// Fine-tunes and scores every task of `spec.evaluate`, GLUE's first.
pub fn finetune_and_score(
    spec: &TrialSpec,
    context: &TrialContext,
    tokenizer: &Tokenizer,
    tasks: &Tasks,
    pretrained: &Pretrained,
) -> Result<Vec<Score>> {
    let evaluate = &spec.evaluate;
    run_intermediate(spec, context, tokenizer, tasks, pretrained)?;
    let weights = if evaluate.finetune.keep_models { Weights::Kept } else { Weights::Dropped };
    let n_seeds = u64::from(evaluate.finetune_seeds);
    let n_runs = evaluate.tasks.iter().filter(|task| !task.is_squad()).count() as u64 * n_seeds;
    let mut scores = Vec::new();
    let scored = tasks.glue().filter(|data| evaluate.tasks.contains(&data.task));
    for (n_done, data) in scored.enumerate() {
        let missing = missing_seeds(spec, |seed| is_complete(spec, context, data, seed, weights))?;
        // Tokenising a large task takes a while, so it is done only for a run that needs it.
        if !missing.is_empty() {
            let runs = TaskRuns::new(spec, context, pretrained, tokenizer, data)?;
            for seed in missing {
                let run = n_done as u64 * n_seeds + seed;
                runs.run(seed, weights, &format!("fine-tuning {}, run {run} of {n_runs}", data.task))?;
            }
        }
        for seed in seeds(spec) {
            scores.push(score_from_disk(context, data.task, seed)?);
            // A process that was killed after its predictions may have left it.
            unfinished(context, data.task, seed).remove()?;
        }
    }
    for data in tasks.squad() {
        scores.extend(evaluate_squad(spec, context, tokenizer, data, pretrained)?);
    }
    if let (Some(intermediate), false) = (&evaluate.intermediate, evaluate.finetune.keep_models) {
        seeds(spec).try_for_each(|seed| context.folder.remove_finetuned(intermediate.task, seed))?;
    }
    Ok(scores)
}

/// Fine-tunes on the intermediate task with every seed from which some run still has to start.
fn run_intermediate(
    spec: &TrialSpec,
    context: &TrialContext,
    tokenizer: &Tokenizer,
    tasks: &Tasks,
    pretrained: &Pretrained,
) -> Result<()> {
    let Some(intermediate) = &spec.evaluate.intermediate else { return Ok(()) };
    let Some(first) = tasks.glue().find(|data| data.task == intermediate.task) else {
        return Err(Error::internal(format!("the intermediate task {} was not read", intermediate.task)));
    };
    let needed = missing_seeds(spec, |seed| {
        for data in tasks.glue().filter(|data| intermediate.tasks.contains(&data.task)) {
            if !is_complete(spec, context, data, seed, Weights::Dropped)? {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    if needed.is_empty() {
        return Ok(());
    }
    let runs = TaskRuns::new(spec, context, pretrained, tokenizer, first)?;
    for (n_done, seed) in needed.iter().enumerate() {
        let phase = format!("fine-tuning {} first, run {} of {}", first.task, n_done + 1, needed.len());
        runs.run(*seed, Weights::Kept, &phase)?;
    }
    Ok(())
}

/// The score of a run by its saved predictions, so that a resumed trial scores the same numbers.
fn score_from_disk(context: &TrialContext, task: TaskName, seed: u64) -> Result<Score> {
    let info = task_info(task);
    let Some(saved) = context.folder.predictions(task, seed)? else {
        let folder = context.folder.path();
        return Err(Error::storage(folder, "read back predictions in", "the file is missing"));
    };
    let mut score = score(&info, &saved);
    if let Some(mismatched) = context.folder.split_predictions(task, seed, MISMATCHED)? {
        add_mismatched(&mut score, &info, &mismatched);
    }
    Ok(score)
}

#[cfg(test)]
mod tests;
