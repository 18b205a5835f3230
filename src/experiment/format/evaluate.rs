//! The downstream evaluation of a trial: its tasks, their source, and their fine-tuning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::controls::ControlsSpec;
use super::finetune::FinetuneSpec;
use super::intermediate::IntermediateSpec;
use super::minimal_pairs::PairSetSpec;
use super::probe::ProbeSpec;
use super::squad::SquadSpec;
use super::task_name::TaskName;

/// Where the tasks' examples come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TaskSource {
    /// The built-in synthetic language, in GLUE's format; scores are marked synthetic.
    Language {
        /// Training examples per task.
        #[serde(default = "default_train_examples")]
        #[schemars(range(min = 10, max = 1000000))]
        train_examples: usize,
        /// Validation examples per task.
        #[serde(default = "default_validation_examples")]
        #[schemars(range(min = 10, max = 1000000))]
        validation_examples: usize,
    },
    /// GLUE from the hub.
    Hub {
        /// Repository, `owner/name`.
        #[serde(default = "default_glue")]
        repo: String,
        /// Branch, tag or commit.
        #[serde(default = "default_revision")]
        revision: String,
    },
}

fn default_train_examples() -> usize {
    1000
}

fn default_validation_examples() -> usize {
    400
}

fn default_glue() -> String {
    "nyu-mll/glue".into()
}

fn default_revision() -> String {
    "main".into()
}

impl Default for TaskSource {
    fn default() -> Self {
        Self::Language {
            train_examples: default_train_examples(),
            validation_examples: default_validation_examples(),
        }
    }
}

impl TaskSource {
    /// Whether the examples are synthetic: scores are marked so.
    pub fn is_synthetic(&self) -> bool {
        matches!(self, Self::Language { .. })
    }
}

/// Downstream evaluation of a trial; nothing is evaluated without tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateSpec {
    /// Where the examples come from.
    pub source: TaskSource,
    /// Tasks to fine-tune on.
    pub tasks: Vec<TaskName>,
    /// Fine-tuning runs per task, each with its own head and example order.
    #[schemars(range(min = 1, max = 1000))]
    pub finetune_seeds: u32,
    /// How the tasks are fine-tuned.
    pub finetune: FinetuneSpec,
    /// Further settings for SQuAD.
    #[serde(skip_serializing_if = "SquadSpec::is_default")]
    pub squad: SquadSpec,
    /// Starts some tasks from the encoder as fine-tuned on another task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intermediate: Option<IntermediateSpec>,
    /// Sets of minimal pairs, scored without fine-tuning.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub minimal_pairs: Vec<PairSetSpec>,
    /// Whether a generator scores the pairs too, which takes a pass per token.
    #[serde(skip_serializing_if = "is_true")]
    pub generator_pairs: bool,
    /// A linear classifier on features of the frozen encoder.
    #[serde(skip_serializing_if = "ProbeSpec::is_empty")]
    pub probe: ProbeSpec,
    /// What stands beside the scores; changes no score of a trial, so it is not part of its id.
    #[serde(skip_serializing_if = "is_default")]
    pub controls: ControlsSpec,
    /// Also predicts the test splits (both of MNLI, and AX with its models), for `electra-lab submission`;
    /// changes no score.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub predict_test: bool,
}

fn is_true(flag: &bool) -> bool {
    *flag
}

fn is_default(controls: &ControlsSpec) -> bool {
    *controls == ControlsSpec::default()
}

impl EvaluateSpec {
    /// The longest input of the listed tasks in tokens, and the path of that value; None without tasks. A
    /// probe reads a task as fine-tuning does.
    pub fn longest_input(&self) -> Option<(usize, &'static str)> {
        let glue = (self.finetune.seq_len, "evaluate.finetune.seq_len");
        let squad = (self.squad.seq_len, "evaluate.squad.seq_len");
        let tasks = self.tasks.iter().chain(&self.probe.tasks);
        tasks.map(|task| if task.is_squad() { squad } else { glue }).max()
    }

    /// Every task whose examples are needed: `tasks`, then those of the intermediate task and of the probe
    /// that are not among them.
    pub fn tasks_to_read(&self) -> Vec<TaskName> {
        let mut tasks = self.tasks.clone();
        let intermediate = self.intermediate.iter().map(|intermediate| intermediate.task);
        for task in intermediate.chain(self.probe.tasks.iter().copied()) {
            if !tasks.contains(&task) {
                tasks.push(task);
            }
        }
        tasks
    }

    /// How the tasks are fine-tuned, as text for plans and reports.
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

    /// The intermediate task whose encoder fine-tuning on `task` starts from, if any.
    pub fn start_of(&self, task: TaskName) -> Option<TaskName> {
        let intermediate = self.intermediate.as_ref()?;
        intermediate.tasks.contains(&task).then_some(intermediate.task)
    }
}

impl Default for EvaluateSpec {
    fn default() -> Self {
        Self {
            source: TaskSource::default(),
            tasks: Vec::new(),
            finetune_seeds: 1,
            finetune: FinetuneSpec::default(),
            squad: SquadSpec::default(),
            intermediate: None,
            minimal_pairs: Vec::new(),
            generator_pairs: true,
            probe: ProbeSpec::default(),
            controls: ControlsSpec::default(),
            predict_test: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trial's id hashes this text: a key with its default value must not be in it.
    #[test]
    fn default_values_are_not_serialised() {
        let text = serde_json::to_string(&EvaluateSpec::default()).unwrap();
        for key in [
            "intermediate",
            "predict_test",
            "recipe",
            "keep_models",
            "double_unordered",
            "head",
            "pairs",
            "probe",
            "controls",
        ] {
            assert!(!text.contains(key), "{key} is in {text}");
        }
    }
}
