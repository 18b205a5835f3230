//! The three definitions of a mean over GLUE's tasks: which tasks, and which of their metrics.
//!
//! The three differ by whole points, so a mean is never shown without its label. Must never: call a mean over
//! fewer tasks a GLUE mean. Next: `report/statistics.rs` computes it for a trial; the tests of `papers/`
//! recompute the published means with it.

/// A definition of the mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlueMean {
    /// The paper's for development sets (ELECTRA, Tables 1 and 2): eight tasks without WNLI, one metric each,
    /// MNLI on the matched examples.
    Paper,
    /// The paper's for test sets (Table 3, `Avg.*`): with WNLI and without QNLI.
    PaperTest,
    /// The leaderboard's: nine tasks; a task with two metrics or two test sets counts with their mean.
    Leaderboard,
}

/// A mean, and what it is a mean of.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanScore {
    /// The name of the mean, or the names of the tasks in it.
    pub label: String,
    /// The mean, on the scale of the scores.
    pub value: f64,
    /// Tasks in it.
    pub n_tasks: usize,
}

/// One task of a mean: its name, and the scores (task and metric) whose mean is its value.
type TaskInMean = (&'static str, &'static [(&'static str, &'static str)]);

const COLA: TaskInMean = ("cola", &[("cola", "matthews")]);
const SST2: TaskInMean = ("sst2", &[("sst2", "accuracy")]);
const MRPC: TaskInMean = ("mrpc", &[("mrpc", "accuracy")]);
const STSB: TaskInMean = ("stsb", &[("stsb", "spearman")]);
const QQP: TaskInMean = ("qqp", &[("qqp", "accuracy")]);
const MNLI: TaskInMean = ("mnli", &[("mnli", "accuracy")]);
const QNLI: TaskInMean = ("qnli", &[("qnli", "accuracy")]);
const RTE: TaskInMean = ("rte", &[("rte", "accuracy")]);
const WNLI: TaskInMean = ("wnli", &[("wnli", "accuracy")]);

const PAPER: [TaskInMean; 8] = [COLA, SST2, MRPC, STSB, QQP, MNLI, QNLI, RTE];
const PAPER_TEST: [TaskInMean; 8] = [COLA, SST2, MRPC, STSB, QQP, MNLI, RTE, WNLI];
const LEADERBOARD: [TaskInMean; 9] = [
    COLA,
    SST2,
    ("mrpc", &[("mrpc", "f1"), ("mrpc", "accuracy")]),
    ("stsb", &[("stsb", "pearson"), ("stsb", "spearman")]),
    ("qqp", &[("qqp", "f1"), ("qqp", "accuracy")]),
    ("mnli", &[("mnli", "accuracy"), ("mnli-mm", "accuracy")]),
    QNLI,
    RTE,
    WNLI,
];

impl GlueMean {
    fn parts(self) -> &'static [TaskInMean] {
        match self {
            Self::Paper => &PAPER,
            Self::PaperTest => &PAPER_TEST,
            Self::Leaderboard => &LEADERBOARD,
        }
    }

    /// Whether a task is in this mean.
    pub fn includes(self, task: &str) -> bool {
        self.parts().iter().any(|(name, _)| *name == task)
    }

    /// The label of the mean of these tasks.
    pub fn label(self, tasks: &[&str]) -> String {
        let whole = tasks.len() == self.parts().len() && tasks.iter().all(|task| self.includes(task));
        match (self, whole) {
            (_, false) => Self::label_of_tasks(tasks),
            (Self::Paper, true) => "GLUE mean".into(),
            (Self::PaperTest, true) => "GLUE test mean (WNLI, no QNLI)".into(),
            (Self::Leaderboard, true) => "GLUE leaderboard mean".into(),
        }
    }

    /// The label of a mean of these tasks that is not a GLUE mean, such as on synthetic examples.
    pub fn label_of_tasks(tasks: &[&str]) -> String {
        format!("mean of {}", tasks.join(", "))
    }

    /// The mean over the tasks with all their scores; `score` returns the score of a task by a metric. None
    /// without such a task.
    pub fn of(self, score: impl Fn(&str, &str) -> Option<f64>) -> Option<MeanScore> {
        let mut tasks = Vec::new();
        let mut sum = 0.0;
        for (task, metrics) in self.parts() {
            let scores: Option<Vec<f64>> = metrics.iter().map(|(task, metric)| score(task, metric)).collect();
            if let Some(scores) = scores {
                sum += scores.iter().sum::<f64>() / scores.len() as f64;
                tasks.push(*task);
            }
        }
        let n_tasks = tasks.len();
        (n_tasks > 0).then(|| MeanScore { label: self.label(&tasks), value: sum / n_tasks as f64, n_tasks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a unit of the last printed digit.
    const PRINTED: f64 = 0.05 + 1e-9;

    /// BERT-Large on the leaderboard: 80.5, which Table 3 prints as its score.
    #[test]
    fn the_mean_of_the_leaderboard_recomputes() {
        let row = |task: &str, metric: &str| {
            Some(match (task, metric) {
                ("cola", "matthews") => 60.5,
                ("sst2", "accuracy") => 94.9,
                ("mrpc", "f1") => 89.3,
                ("mrpc", "accuracy") => 85.4,
                ("stsb", "pearson") => 87.6,
                ("stsb", "spearman") => 86.5,
                ("qqp", "f1") => 72.1,
                ("qqp", "accuracy") => 89.3,
                ("mnli", "accuracy") => 86.7,
                ("mnli-mm", "accuracy") => 85.9,
                ("qnli", "accuracy") => 92.7,
                ("rte", "accuracy") => 70.1,
                ("wnli", "accuracy") => 65.1,
                _ => return None,
            })
        };
        let mean = GlueMean::Leaderboard.of(row).unwrap();
        assert!((mean.value - 80.5).abs() <= PRINTED, "{}", mean.value);
        assert_eq!(mean.label, "GLUE leaderboard mean");
    }

    #[test]
    fn a_mean_over_fewer_tasks_names_them() {
        let two = |task: &str, _: &str| ["rte", "cola", "wnli"].contains(&task).then_some(50.0);
        let mean = GlueMean::Paper.of(two).unwrap();
        assert_eq!((mean.label.as_str(), mean.value, mean.n_tasks), ("mean of cola, rte", 50.0, 2));
        assert_eq!(GlueMean::Paper.of(|_, _| None), None);
        // A task with only some of its metrics does not count.
        assert_eq!(
            GlueMean::Leaderboard.of(|task, metric| two(task, metric).filter(|_| task == "mnli")),
            None
        );
    }
}
