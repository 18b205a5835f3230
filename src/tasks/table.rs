//! The downstream tasks as a table: columns, labels, metrics, splits. Adding a task is adding a row.
//!
//! Must never: read a file. Next: `glue.rs` reads their examples, `scored_tasks.rs` has what can be scored only.

use crate::experiment::TaskName;

/// What a task's label is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LabelKind {
    /// One of these classes; the label is the index.
    Classes(&'static [&'static str]),
    /// A number in this range.
    Score {
        /// Lowest.
        min: f32,
        /// Highest.
        max: f32,
    },
}

impl LabelKind {
    /// Outputs of a head for it: one a class, or the score.
    pub fn n_outputs(self) -> usize {
        match self {
            Self::Classes(names) => names.len(),
            Self::Score { .. } => 1,
        }
    }
}

/// How a task is scored in the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of right answers.
    Accuracy,
    /// F1 of class 1.
    F1,
    /// Matthews correlation of classes.
    Matthews,
    /// Pearson's correlation.
    Pearson,
    /// Spearman's rank correlation.
    Spearman,
}

impl Metric {
    /// The word that stands in records and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::F1 => "f1",
            Self::Matthews => "matthews",
            Self::Pearson => "pearson",
            Self::Spearman => "spearman",
        }
    }
}

/// A row of the table of tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskInfo {
    /// The task; its word is the folder of its files.
    pub task: TaskName,
    /// Column of the first text.
    pub text_a: &'static str,
    /// Column of the second text, for tasks on pairs.
    pub text_b: Option<&'static str>,
    /// What the label is.
    pub labels: LabelKind,
    /// How it is scored.
    pub metric: Metric,
    /// Name of the split that it is scored on.
    pub validation: &'static str,
    /// Whether the two texts may change places: the released code then doubles the training examples.
    pub unordered: bool,
    /// Whether rows with an empty text are left out. The hub's QQP has two such pairs in its training split; anywhere
    /// else an empty text is an error.
    pub may_be_empty: bool,
}

/// The hub's order; the released code has contradiction, entailment, neutral.
const NATURAL_INFERENCE: LabelKind = LabelKind::Classes(&["entailment", "neutral", "contradiction"]);
const ENTAILMENT: LabelKind = LabelKind::Classes(&["entailment", "not_entailment"]);

/// The table of tasks.
pub fn task_info(task: TaskName) -> TaskInfo {
    let row = |text_a, text_b, labels, metric| TaskInfo {
        task,
        text_a,
        text_b,
        labels,
        metric,
        validation: "validation",
        unordered: false,
        may_be_empty: false,
    };
    match task {
        TaskName::Cola => {
            row("sentence", None, LabelKind::Classes(&["unacceptable", "acceptable"]), Metric::Matthews)
        }
        TaskName::Sst2 => {
            row("sentence", None, LabelKind::Classes(&["negative", "positive"]), Metric::Accuracy)
        }
        TaskName::Mrpc => {
            let labels = LabelKind::Classes(&["not_equivalent", "equivalent"]);
            TaskInfo { unordered: true, ..row("sentence1", Some("sentence2"), labels, Metric::Accuracy) }
        }
        TaskName::Stsb => {
            let labels = LabelKind::Score { min: 0.0, max: 5.0 };
            TaskInfo { unordered: true, ..row("sentence1", Some("sentence2"), labels, Metric::Spearman) }
        }
        TaskName::Rte => row("sentence1", Some("sentence2"), ENTAILMENT, Metric::Accuracy),
        TaskName::Qqp => {
            let labels = LabelKind::Classes(&["not_duplicate", "duplicate"]);
            TaskInfo { may_be_empty: true, ..row("question1", Some("question2"), labels, Metric::Accuracy) }
        }
        TaskName::Mnli => TaskInfo {
            validation: "validation_matched",
            ..row("premise", Some("hypothesis"), NATURAL_INFERENCE, Metric::Accuracy)
        },
        TaskName::Wnli => {
            let labels = LabelKind::Classes(&["not_entailment", "entailment"]);
            row("sentence1", Some("sentence2"), labels, Metric::Accuracy)
        }
        // Its rows are read by `squad.rs` and have no label; the classes are what a row of 2.0 can be.
        TaskName::Squad | TaskName::Squad2 => {
            let labels = LabelKind::Classes(&["answerable", "unanswerable"]);
            row("question", Some("context"), labels, Metric::F1)
        }
        TaskName::Qnli => row("question", Some("sentence"), ENTAILMENT, Metric::Accuracy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts, trap 31: the released code sorts MNLI's labels by name, the hub does not.
    #[test]
    fn labels_stand_in_the_hubs_order() {
        let names = |task| match task_info(task).labels {
            LabelKind::Classes(names) => names.to_vec(),
            LabelKind::Score { .. } => Vec::new(),
        };
        assert_eq!(names(TaskName::Mnli), ["entailment", "neutral", "contradiction"]);
        assert_eq!(names(TaskName::Rte), ["entailment", "not_entailment"]);
        assert_eq!(names(TaskName::Qnli), ["entailment", "not_entailment"]);
        assert_eq!(names(TaskName::Wnli), ["not_entailment", "entailment"]);
        assert_eq!(names(TaskName::Qqp), ["not_duplicate", "duplicate"]);
    }
}
