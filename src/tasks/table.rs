//! One table of the downstream tasks: a row has everything about a task. To add a task, add a row.
//!
//! A few rows are only scored, never fine-tuned on: the mismatched half of MNLI and the diagnostic set AX,
//! which MNLI's models answer. Must never: read a file. Next: `glue/` and `squad/` read the examples.

use LabelKind::{Classes, Score};
use LabelSpelling::{Name, Number};
use Metric::{Accuracy, F1, Matthews, Pearson, Spearman};

use crate::experiment::TaskName;

/// The labels of a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LabelKind {
    /// One of these classes; the label is the index.
    Classes(&'static [&'static str]),
    /// A number in this range.
    Score {
        /// Lowest score.
        min: f32,
        /// Highest score.
        max: f32,
    },
}

impl LabelKind {
    /// Number of outputs of a head: one per class, or one for a score.
    pub fn n_outputs(self) -> usize {
        match self {
            Self::Classes(names) => names.len(),
            Self::Score { .. } => 1,
        }
    }
}

/// A metric of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of correct predictions.
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
    /// The name in records and tables.
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

/// How a submission to the GLUE leaderboard writes a class; scores are numbers with three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelSpelling {
    /// By the name of the class.
    Name,
    /// By the number of the class.
    Number,
}

/// A test split with hidden labels (gluebenchmark.com, FAQ, "How do I submit").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestSplit {
    /// Name in the names of prediction files.
    pub name: &'static str,
    /// Beginning of the names of its files in the hub's repository.
    pub files: &'static str,
    /// Name of its file in a submission.
    pub leaderboard_file: &'static str,
    /// Number of rows of GLUE's own split.
    pub n_rows: usize,
    /// How a submission writes its classes.
    pub spelling: LabelSpelling,
}

/// A row of the table of tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskInfo {
    /// The name on the command line.
    pub name: &'static str,
    /// The task whose fine-tuned model answers.
    pub task: TaskName,
    /// Folder of its files in the hub's repository.
    pub folder: &'static str,
    /// Column of the first text.
    pub text_a: &'static str,
    /// Column of the second text, for tasks on pairs.
    pub text_b: Option<&'static str>,
    /// Its labels.
    pub labels: LabelKind,
    /// The paper's metric.
    pub metric: Metric,
    /// GLUE's other metrics.
    pub other_metrics: &'static [Metric],
    /// The split that it is scored on; AX has none.
    pub validation: Option<&'static str>,
    /// The split of the leaderboard.
    pub test: Option<TestSplit>,
    /// Whether the two texts may be exchanged: the released code then doubles the training examples.
    pub unordered: bool,
    /// Whether rows with an empty text are left out. The hub's QQP has two such pairs in its training split;
    /// in any other task an empty text is an error.
    pub may_be_empty: bool,
    /// Whether it is trained for `epochs_small_tasks` epochs.
    pub is_small: bool,
}

impl TaskInfo {
    /// All its metrics, the paper's first.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> + use<> {
        std::iter::once(self.metric).chain(self.other_metrics.iter().copied())
    }

    /// Whether the task can be fine-tuned on; the other rows are answered by the model of [`Self::task`].
    pub fn has_training_split(&self) -> bool {
        self.name == self.task.as_str()
    }
}

/// The fields that most rows share.
const ROW: TaskInfo = TaskInfo {
    name: "",
    task: TaskName::Cola,
    folder: "",
    text_a: "sentence1",
    text_b: Some("sentence2"),
    labels: Classes(&[]),
    metric: Accuracy,
    other_metrics: &[],
    validation: Some("validation"),
    test: None,
    unordered: false,
    may_be_empty: false,
    is_small: false,
};

const fn test(
    files: &'static str,
    leaderboard_file: &'static str,
    n_rows: usize,
    spelling: LabelSpelling,
) -> Option<TestSplit> {
    Some(TestSplit { name: "test", files, leaderboard_file, n_rows, spelling })
}

const fn named_test(
    name: &'static str,
    files: &'static str,
    leaderboard_file: &'static str,
    n_rows: usize,
) -> Option<TestSplit> {
    Some(TestSplit { name, files, leaderboard_file, n_rows, spelling: Name })
}

/// In the order of the hub's label numbers; the released code has contradiction, entailment, neutral.
const NATURAL_INFERENCE: LabelKind = Classes(&["entailment", "neutral", "contradiction"]);
const ENTAILMENT: LabelKind = Classes(&["entailment", "not_entailment"]);

/// The validation split of MNLI with texts from other genres than the training split.
pub const MISMATCHED: &str = "validation_mismatched";

const COLA: TaskInfo = TaskInfo {
    name: "cola",
    task: TaskName::Cola,
    folder: "cola",
    text_a: "sentence",
    text_b: None,
    labels: Classes(&["unacceptable", "acceptable"]),
    metric: Matthews,
    test: test("cola/test", "CoLA.tsv", 1063, Number),
    ..ROW
};

const SST2: TaskInfo = TaskInfo {
    name: "sst2",
    task: TaskName::Sst2,
    folder: "sst2",
    text_a: "sentence",
    text_b: None,
    labels: Classes(&["negative", "positive"]),
    test: test("sst2/test", "SST-2.tsv", 1821, Number),
    ..ROW
};

const MRPC: TaskInfo = TaskInfo {
    name: "mrpc",
    task: TaskName::Mrpc,
    folder: "mrpc",
    labels: Classes(&["not_equivalent", "equivalent"]),
    other_metrics: &[F1],
    test: test("mrpc/test", "MRPC.tsv", 1725, Number),
    unordered: true,
    ..ROW
};

const STSB: TaskInfo = TaskInfo {
    name: "stsb",
    task: TaskName::Stsb,
    folder: "stsb",
    labels: Score { min: 0.0, max: 5.0 },
    metric: Spearman,
    other_metrics: &[Pearson],
    test: test("stsb/test", "STS-B.tsv", 1379, Number),
    unordered: true,
    is_small: true,
    ..ROW
};

const MNLI: TaskInfo = TaskInfo {
    name: "mnli",
    task: TaskName::Mnli,
    folder: "mnli",
    text_a: "premise",
    text_b: Some("hypothesis"),
    labels: NATURAL_INFERENCE,
    validation: Some("validation_matched"),
    test: named_test("test_matched", "mnli/test_matched", "MNLI-m.tsv", 9796),
    ..ROW
};

const MNLI_MISMATCHED: TaskInfo = TaskInfo {
    name: "mnli-mm",
    validation: Some(MISMATCHED),
    test: named_test("test_mismatched", "mnli/test_mismatched", "MNLI-mm.tsv", 9847),
    ..MNLI
};

const QNLI: TaskInfo = TaskInfo {
    name: "qnli",
    task: TaskName::Qnli,
    folder: "qnli",
    text_a: "question",
    text_b: Some("sentence"),
    labels: ENTAILMENT,
    test: test("qnli/test", "QNLI.tsv", 5463, Name),
    ..ROW
};

const RTE: TaskInfo = TaskInfo {
    name: "rte",
    task: TaskName::Rte,
    folder: "rte",
    labels: ENTAILMENT,
    test: test("rte/test", "RTE.tsv", 3000, Name),
    is_small: true,
    ..ROW
};

const WNLI: TaskInfo = TaskInfo {
    name: "wnli",
    task: TaskName::Wnli,
    folder: "wnli",
    labels: Classes(&["not_entailment", "entailment"]),
    test: test("wnli/test", "WNLI.tsv", 146, Number),
    ..ROW
};

const QQP: TaskInfo = TaskInfo {
    name: "qqp",
    task: TaskName::Qqp,
    folder: "qqp",
    text_a: "question1",
    text_b: Some("question2"),
    labels: Classes(&["not_duplicate", "duplicate"]),
    other_metrics: &[F1],
    test: test("qqp/test", "QQP.tsv", 390_965, Number),
    may_be_empty: true,
    ..ROW
};

/// GLUE's diagnostic set.
const AX: TaskInfo = TaskInfo {
    name: "ax",
    folder: "ax",
    metric: Matthews,
    validation: None,
    test: named_test("ax", "ax/test", "AX.tsv", 1104),
    ..MNLI
};

/// `squad/data.rs` reads its rows, which have no label; the classes are those of a question of SQuAD 2.0.
const SQUAD: TaskInfo = TaskInfo {
    name: "squad",
    task: TaskName::Squad,
    folder: "plain_text",
    text_a: "question",
    text_b: Some("context"),
    labels: Classes(&["answerable", "unanswerable"]),
    metric: F1,
    ..ROW
};

const SQUAD2: TaskInfo = TaskInfo { name: "squad2", task: TaskName::Squad2, folder: "squad_v2", ..SQUAD };

/// The table of tasks; GLUE's tasks are in the order of a submission.
pub static TASKS: [TaskInfo; 13] =
    [COLA, SST2, MRPC, STSB, MNLI, MNLI_MISMATCHED, QNLI, RTE, WNLI, QQP, AX, SQUAD, SQUAD2];

/// The row of a task that can be fine-tuned on.
pub fn task_info(task: TaskName) -> TaskInfo {
    match task {
        TaskName::Cola => COLA,
        TaskName::Sst2 => SST2,
        TaskName::Mrpc => MRPC,
        TaskName::Stsb => STSB,
        TaskName::Qqp => QQP,
        TaskName::Mnli => MNLI,
        TaskName::Qnli => QNLI,
        TaskName::Rte => RTE,
        TaskName::Wnli => WNLI,
        TaskName::Squad => SQUAD,
        TaskName::Squad2 => SQUAD2,
    }
}

/// The rows of GLUE, whose predictions `score glue` takes.
pub fn glue_tasks() -> impl Iterator<Item = &'static TaskInfo> {
    TASKS.iter().filter(|row| !row.task.is_squad())
}

/// The row of GLUE with a name.
pub fn glue_task(name: &str) -> Option<&'static TaskInfo> {
    glue_tasks().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trap 31: the released code sorts MNLI's labels by name, the hub does not.
    #[test]
    fn labels_are_in_the_order_of_the_hub() {
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

    #[test]
    fn every_task_has_its_own_row() {
        for task in TaskName::ALL {
            let row = task_info(task);
            assert_eq!((row.task, row.name), (task, task.as_str()));
            assert!(row.has_training_split() && TASKS.contains(&row), "{task}");
            assert_eq!(glue_task(task.as_str()).is_none(), task.is_squad());
        }
        assert_eq!(TASKS.iter().filter(|row| !row.has_training_split()).count(), 2);
        assert_eq!(glue_task("nothing"), None);
    }

    #[test]
    fn the_papers_metric_comes_first() {
        let shown = |row: &TaskInfo| {
            let metrics: Vec<&str> = row.metrics().map(Metric::as_str).collect();
            format!("{}: {}", row.name, metrics.join(", "))
        };
        let all: Vec<String> = glue_tasks().map(shown).collect();
        insta::assert_snapshot!(all.join("\n"), @r"
        cola: matthews
        sst2: accuracy
        mrpc: accuracy, f1
        stsb: spearman, pearson
        mnli: accuracy
        mnli-mm: accuracy
        qnli: accuracy
        rte: accuracy
        wnli: accuracy
        qqp: accuracy, f1
        ax: matthews
        ");
    }
}
