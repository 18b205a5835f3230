//! What a mean over GLUE's tasks is: which tasks it takes, and by which of their metrics.
//!
//! Three means are in use and differ by points, so none is ever shown without its label.
//! Must never: call a mean over fewer tasks by GLUE's name. Next: `report/statistics.rs` takes it within a trial;
//! `paper.rs` recomputes the published means with it.

/// Which mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlueMean {
    /// The paper's, of development scores (ELECTRA, Tables 1 and 2): eight tasks without WNLI, one metric each, and of
    /// MNLI the matched examples.
    Paper,
    /// The paper's, of test scores (Table 3, `Avg.*`): with WNLI and without QNLI.
    PaperTest,
    /// The leaderboard's: nine tasks, a task of two metrics or of two test sets entering with their mean.
    Leaderboard,
}

/// The mean of the scores that there are.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanScore {
    /// What it is a mean of: GLUE, or the tasks by name.
    pub label: String,
    /// On the scale of the scores.
    pub value: f64,
    /// Tasks in it.
    pub n_tasks: usize,
}

/// A task's part in a mean: its name, and the scores (task and metric) that it enters with the mean of.
type Part = (&'static str, &'static [(&'static str, &'static str)]);

const COLA: Part = ("cola", &[("cola", "matthews")]);
const SST2: Part = ("sst2", &[("sst2", "accuracy")]);
const MRPC: Part = ("mrpc", &[("mrpc", "accuracy")]);
const STSB: Part = ("stsb", &[("stsb", "spearman")]);
const QQP: Part = ("qqp", &[("qqp", "accuracy")]);
const MNLI: Part = ("mnli", &[("mnli", "accuracy")]);
const QNLI: Part = ("qnli", &[("qnli", "accuracy")]);
const RTE: Part = ("rte", &[("rte", "accuracy")]);
const WNLI: Part = ("wnli", &[("wnli", "accuracy")]);

const PAPER: [Part; 8] = [COLA, SST2, MRPC, STSB, QQP, MNLI, QNLI, RTE];
const PAPER_TEST: [Part; 8] = [COLA, SST2, MRPC, STSB, QQP, MNLI, RTE, WNLI];
const LEADERBOARD: [Part; 9] = [
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
    fn parts(self) -> &'static [Part] {
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

    /// What to call the mean of these tasks.
    pub fn label(self, tasks: &[&str]) -> String {
        let whole = tasks.len() == self.parts().len() && tasks.iter().all(|task| self.includes(task));
        match (self, whole) {
            (_, false) => Self::label_of_tasks(tasks),
            (Self::Paper, true) => "GLUE mean".into(),
            (Self::PaperTest, true) => "GLUE test mean (WNLI, no QNLI)".into(),
            (Self::Leaderboard, true) => "GLUE leaderboard mean".into(),
        }
    }

    /// What to call a mean of these tasks that is none of GLUE, say on other examples than GLUE's.
    pub fn label_of_tasks(tasks: &[&str]) -> String {
        format!("mean of {}", tasks.join(", "))
    }

    /// The mean of the tasks whose scores are all there, `score` giving them by task and metric; None of none.
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
    fn the_leaderboards_mean_recomputes() {
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
    fn fewer_tasks_are_named() {
        let two = |task: &str, _: &str| ["rte", "cola", "wnli"].contains(&task).then_some(50.0);
        let mean = GlueMean::Paper.of(two).unwrap();
        assert_eq!((mean.label.as_str(), mean.value, mean.n_tasks), ("mean of cola, rte", 50.0, 2));
        assert_eq!(GlueMean::Paper.of(|_, _| None), None);
        // Half of a task's metrics are not the task.
        assert_eq!(
            GlueMean::Leaderboard.of(|task, metric| two(task, metric).filter(|_| task == "mnli")),
            None
        );
    }
}
