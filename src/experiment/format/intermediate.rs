//! A task between pre-training and the tasks that gain from it: ELECTRA's MNLI for RTE, STS-B and MRPC (Appendix B).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evaluate::{EvaluateSpec, TaskName};
use super::squad::SquadSpec;

/// Some tasks' fine-tuning starts from the encoder as fine-tuned on another task, with the same fine-tuning seed and a
/// fresh head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntermediateSpec {
    /// The task that comes first; it need not be in `tasks`.
    pub task: TaskName,
    /// The tasks of `tasks` that start from it.
    #[serde(rename = "for")]
    #[schemars(length(min = 1))]
    pub tasks: Vec<TaskName>,
}

impl EvaluateSpec {
    /// Every task whose examples are needed: `tasks`, and the intermediate one where it is not among them.
    pub fn tasks_to_read(&self) -> Vec<TaskName> {
        let mut tasks = self.tasks.clone();
        let intermediate = self.intermediate.iter().map(|intermediate| intermediate.task);
        tasks.extend(intermediate.filter(|task| !self.tasks.contains(task)));
        tasks
    }

    /// How its tasks are fine-tuned, in words, for plans and reports.
    pub fn description(&self) -> String {
        let from = self.intermediate.as_ref().map(|IntermediateSpec { task, tasks }| {
            let words: Vec<&str> = tasks.iter().map(|task| task.as_str()).collect();
            format!("; {} from the encoder fine-tuned on {task}", words.join(", "))
        });
        let squad = self.tasks.iter().any(|task| task.is_squad()).then(|| {
            let SquadSpec { head, epochs, seq_len, max_train_examples, max_validation_examples, .. } =
                &self.squad;
            let cap = |cap: &Option<usize>, what| {
                cap.map_or(String::new(), |cap| format!(", at most {cap} {what} questions"))
            };
            format!(
                "; SQuAD: {epochs} epochs, sequences of {seq_len}, {} head, no answer above {}{}{}",
                head.as_str(),
                self.squad.threshold(),
                cap(max_train_examples, "training"),
                cap(max_validation_examples, "scored")
            )
        });
        self.finetune.description() + &from.unwrap_or_default() + &squad.unwrap_or_default()
    }

    /// The task that fine-tuning on `task` starts from, if not from pre-training.
    pub fn start_of(&self, task: TaskName) -> Option<TaskName> {
        let intermediate = self.intermediate.as_ref()?;
        intermediate.tasks.contains(&task).then_some(intermediate.task)
    }
}
