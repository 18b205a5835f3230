//! Where a trial keeps the state of a fine-tuning run that is not finished. Next: `tasks/unfinished.rs`.

use crate::experiment::TaskName;
use crate::run::context::TrialContext;
use crate::tasks::Unfinished;

/// The state of the run of a task with this fine-tuning seed.
pub fn unfinished(context: &TrialContext, task: TaskName, seed: u64) -> Unfinished {
    let folder = context.folder;
    Unfinished::new(folder.unfinished(task, seed), folder.owner_of_finetuned(task, seed))
}
