//! The tasks of a trial with their examples, read before anything is trained, so that a bad file shows itself first.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::experiment::{DataSpec, EvaluateSpec, TaskName};
use crate::hub::DataEnv;
use crate::tasks::{MISMATCHED, SquadData, TaskData, open_squad, open_task};

/// Examples of every task.
pub struct Tasks {
    /// GLUE's, in the order of the specification.
    pub glue: Vec<TaskData>,
    /// SQuAD's.
    pub squad: Vec<SquadData>,
}

impl Tasks {
    /// None: as if there were no tasks.
    pub fn none() -> Self {
        Self { glue: Vec::new(), squad: Vec::new() }
    }

    /// Reads every task that `evaluate` needs.
    pub fn open(evaluate: &EvaluateSpec, data: &DataSpec, env: &DataEnv) -> Result<Self> {
        Self::read(&evaluate.tasks_to_read(), evaluate, data, env)
    }

    /// Reads some of them.
    pub fn read(tasks: &[TaskName], evaluate: &EvaluateSpec, data: &DataSpec, env: &DataEnv) -> Result<Self> {
        let (squad, glue): (Vec<TaskName>, Vec<TaskName>) = tasks.iter().partition(|task| task.is_squad());
        Ok(Self {
            glue: glue.into_iter().map(|task| open_task(evaluate, task, data, env)).collect::<Result<_>>()?,
            squad: squad
                .into_iter()
                .map(|task| open_squad(evaluate, task, data, env))
                .collect::<Result<_>>()?,
        })
    }

    /// What a person should know of the examples before they are used.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for task in &self.glue {
            if task.n_left_out > 0 {
                notes.push(format!("{}: {} rows without a text are left out", task.task, task.n_left_out));
            }
            let has_mismatched = task.splits.iter().any(|split| split.name == MISMATCHED);
            if task.task == TaskName::Mnli && !has_mismatched {
                notes.push("mnli: no mismatched validation split here, so no accuracy_mismatched".into());
            }
        }
        notes
    }

    /// Hashes of the examples, by the task's word.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        let glue = self.glue.iter().map(|task| (task.task.to_string(), task.hash()));
        glue.chain(self.squad.iter().map(|task| (task.task.to_string(), task.hash()))).collect()
    }

    /// Whether there is nothing to fine-tune on.
    pub fn is_empty(&self) -> bool {
        self.glue.is_empty() && self.squad.is_empty()
    }

    /// Revisions of the tasks' repositories, each once; `built-in` for the language, empty without tasks.
    pub fn revision(&self) -> String {
        let glue = self.glue.iter().map(|task| task.revision.as_str());
        let mut revisions: Vec<&str> = Vec::new();
        for revision in glue.chain(self.squad.iter().map(|task| task.revision.as_str())) {
            if !revisions.contains(&revision) {
                revisions.push(revision);
            }
        }
        revisions.join(" and ")
    }
}
