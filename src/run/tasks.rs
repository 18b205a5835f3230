//! The tasks of a trial and its sets of minimal pairs, with their examples and the examples' hashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::experiment::{DataSpec, EvaluateSpec, TaskName};
use crate::hub::DataEnv;
use crate::tasks::{MISMATCHED, PairSet, SquadData, TaskData, open_squad, open_task};

/// The examples of one task. Clones share them.
#[derive(Clone, Debug)]
pub struct PreparedTask {
    examples: Examples,
    hash: String,
}

#[derive(Clone, Debug)]
enum Examples {
    Glue(Arc<TaskData>),
    Squad(Arc<SquadData>),
}

impl PreparedTask {
    /// Reads and hashes the examples of `task`.
    ///
    /// # Errors
    /// Those of [`open_task`] and [`open_squad`].
    pub fn open(task: TaskName, evaluate: &EvaluateSpec, data: &DataSpec, env: &DataEnv) -> Result<Self> {
        Ok(match task.is_squad() {
            true => open_squad(evaluate, task, data, env)?.into(),
            false => open_task(evaluate, task, data, env)?.into(),
        })
    }

    /// Remarks about the examples for the person who starts the run.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let data = match &self.examples {
            Examples::Glue(data) => data,
            Examples::Squad(data) => {
                let (task, n) = (data.task, data.left_out.n);
                notes.extend(data.left_out.first.as_ref().map(|first| {
                    format!("{task}: {n} training questions without an answer at its position are left out: {first}")
                }));
                return notes;
            }
        };
        if data.n_left_out > 0 {
            notes.push(format!("{}: {} rows without a text are left out", data.task, data.n_left_out));
        }
        let has_mismatched = data.splits.iter().any(|split| split.name == MISMATCHED);
        if data.task == TaskName::Mnli && !has_mismatched {
            notes.push("mnli: no mismatched validation split, so accuracy_mismatched is not reported".into());
        }
        notes
    }

    fn name(&self) -> TaskName {
        match &self.examples {
            Examples::Glue(data) => data.task,
            Examples::Squad(data) => data.task,
        }
    }

    fn revision(&self) -> &str {
        match &self.examples {
            Examples::Glue(data) => &data.revision,
            Examples::Squad(data) => &data.revision,
        }
    }
}

impl From<TaskData> for PreparedTask {
    fn from(data: TaskData) -> Self {
        Self { hash: data.hash(), examples: Examples::Glue(Arc::new(data)) }
    }
}

impl From<SquadData> for PreparedTask {
    fn from(data: SquadData) -> Self {
        Self { hash: data.hash(), examples: Examples::Squad(Arc::new(data)) }
    }
}

/// The tasks of one trial and its sets of minimal pairs, in the order of its specification.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tasks: Vec<PreparedTask>,
    pairs: Vec<PreparedPairs>,
}

/// A set of minimal pairs and its hash. Clones share the pairs.
#[derive(Clone, Debug)]
pub struct PreparedPairs {
    set: Arc<PairSet>,
    hash: String,
}

impl From<PairSet> for PreparedPairs {
    fn from(set: PairSet) -> Self {
        Self { hash: set.hash(), set: Arc::new(set) }
    }
}

impl FromIterator<PreparedTask> for Tasks {
    fn from_iter<I: IntoIterator<Item = PreparedTask>>(tasks: I) -> Self {
        Self { tasks: tasks.into_iter().collect(), pairs: Vec::new() }
    }
}

impl Tasks {
    /// The same tasks with these sets of minimal pairs.
    pub fn with_pairs(self, pairs: Vec<PreparedPairs>) -> Self {
        Self { pairs, ..self }
    }

    /// The sets of minimal pairs.
    pub fn pair_sets(&self) -> impl Iterator<Item = &PairSet> {
        self.pairs.iter().map(|pairs| pairs.set.as_ref())
    }

    /// The tasks of GLUE.
    pub fn glue(&self) -> impl Iterator<Item = &TaskData> {
        self.tasks.iter().filter_map(|task| match &task.examples {
            Examples::Glue(data) => Some(data.as_ref()),
            Examples::Squad(_) => None,
        })
    }

    /// The versions of SQuAD.
    pub fn squad(&self) -> impl Iterator<Item = &SquadData> {
        self.tasks.iter().filter_map(|task| match &task.examples {
            Examples::Glue(_) => None,
            Examples::Squad(data) => Some(data.as_ref()),
        })
    }

    /// Whether there is nothing to evaluate on.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.pairs.is_empty()
    }

    /// Hashes of the examples by the task's name, and of the pairs by `pairs.` and the name of their set.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        let tasks = self.tasks.iter().map(|task| (task.name().to_string(), task.hash.clone()));
        let pairs = self.pairs.iter().map(|pairs| (format!("pairs.{}", pairs.set.word), pairs.hash.clone()));
        tasks.chain(pairs).collect()
    }

    /// Revisions of the repositories of tasks and pairs, each once, GLUE's first; `built-in` for the built-in
    /// language.
    pub fn revision(&self) -> String {
        let (squad, glue): (Vec<&PreparedTask>, Vec<_>) =
            self.tasks.iter().partition(|task| task.name().is_squad());
        let mut revisions: Vec<&str> = Vec::new();
        let tasks = glue.into_iter().chain(squad).map(PreparedTask::revision);
        for revision in tasks.chain(self.pairs.iter().map(|pairs| pairs.set.revision.as_str())) {
            if !revisions.contains(&revision) {
                revisions.push(revision);
            }
        }
        revisions.join(" and ")
    }
}
