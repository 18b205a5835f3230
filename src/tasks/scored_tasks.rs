//! GLUE's tasks as anyone's predictions for them are scored: their labels and their metrics.
//!
//! This table has more rows than `task_table.rs`, which knows the tasks that can be fine-tuned on: AX has no training split,
//! and a mismatched MNLI is a second gold file and no other training. Labels of tasks in both tables stand there.
//! Must never: name a file. Next: `glue_files.rs`.

use super::table::{LabelKind, Metric, task_info};
use crate::experiment::TaskName;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredTask {
    /// The word on the command line.
    pub word: &'static str,
    /// What the label is.
    pub labels: LabelKind,
    /// What is reported, the paper's metric first.
    pub metrics: &'static [Metric],
}

/// Every task, in the order of GLUE's table.
pub fn scored_tasks() -> [ScoredTask; 11] {
    use Metric::{Accuracy, F1, Matthews, Pearson, Spearman};
    let of = |task, metrics| {
        let info = task_info(task);
        ScoredTask { word: task.as_str(), labels: info.labels, metrics }
    };
    let mnli = task_info(TaskName::Mnli).labels;
    let row = |word, metrics| ScoredTask { word, labels: mnli, metrics };
    [
        of(TaskName::Cola, &[Matthews]),
        of(TaskName::Sst2, &[Accuracy]),
        of(TaskName::Mrpc, &[Accuracy, F1]),
        of(TaskName::Stsb, &[Spearman, Pearson]),
        of(TaskName::Qqp, &[Accuracy, F1]),
        of(TaskName::Mnli, &[Accuracy]),
        row("mnli-mm", &[Accuracy]),
        of(TaskName::Qnli, &[Accuracy]),
        of(TaskName::Rte, &[Accuracy]),
        of(TaskName::Wnli, &[Accuracy]),
        row("ax", &[Matthews]),
    ]
}

/// The row of a word.
pub fn scored_task(word: &str) -> Option<ScoredTask> {
    scored_tasks().into_iter().find(|task| task.word == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_metric_comes_first() {
        for task in TaskName::ALL.into_iter().filter(|task| !task.is_squad()) {
            let row = scored_task(task.as_str()).unwrap();
            assert_eq!(
                (row.labels, row.metrics[0]),
                (task_info(task).labels, task_info(task).metric),
                "{task}"
            );
        }
        assert_eq!(scored_task("nothing"), None);
    }
}
