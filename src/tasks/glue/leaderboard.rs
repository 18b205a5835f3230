//! The files that the GLUE leaderboard takes: their names, what each is predicted from, and how an answer is spelled.
//!
//! Must never: number the rows by anything but their place in the test file. Next: `tools/submission/mod.rs` zips them.

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TaskName;
use crate::tasks::table::{LabelKind, task_info};

/// How an answer is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// By the class's name.
    Name,
    /// By the class's number.
    Number,
    /// As a number with three decimals, within the task's range.
    Score,
}

/// One file of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderboardFile {
    /// Its name in the zip.
    pub name: &'static str,
    /// The task whose model answers.
    pub task: TaskName,
    /// The split that it answers.
    pub split: &'static str,
    /// Rows of GLUE's own split.
    pub n_rows: usize,
    spelling: Spelling,
}

/// Every file of a submission (gluebenchmark.com, FAQ, "How do I submit").
pub const LEADERBOARD: [LeaderboardFile; 11] = {
    use Spelling::{Name, Number, Score};
    const fn file(
        name: &'static str,
        task: TaskName,
        split: &'static str,
        n_rows: usize,
        spelling: Spelling,
    ) -> LeaderboardFile {
        LeaderboardFile { name, task, split, n_rows, spelling }
    }
    [
        file("CoLA.tsv", TaskName::Cola, "test", 1063, Number),
        file("SST-2.tsv", TaskName::Sst2, "test", 1821, Number),
        file("MRPC.tsv", TaskName::Mrpc, "test", 1725, Number),
        file("STS-B.tsv", TaskName::Stsb, "test", 1379, Score),
        file("MNLI-m.tsv", TaskName::Mnli, "test_matched", 9796, Name),
        file("MNLI-mm.tsv", TaskName::Mnli, "test_mismatched", 9847, Name),
        file("QNLI.tsv", TaskName::Qnli, "test", 5463, Name),
        file("RTE.tsv", TaskName::Rte, "test", 3000, Name),
        file("WNLI.tsv", TaskName::Wnli, "test", 146, Number),
        file("QQP.tsv", TaskName::Qqp, "test", 390_965, Number),
        file("AX.tsv", TaskName::Mnli, "ax", 1104, Name),
    ]
};

impl LeaderboardFile {
    /// The file's text: a header, then a row a prediction, numbered from 0 in the order of the test file.
    ///
    /// # Errors
    /// A prediction is no class of the task, or no number.
    pub fn text(&self, predictions: impl Iterator<Item = f64>) -> Result<String> {
        let mut text = String::from("index\tprediction\n");
        for (index, prediction) in predictions.enumerate() {
            let answer = self.spelled(prediction).ok_or_else(|| {
                let what = format!(
                    "prediction {index} for {} is {prediction}, no answer of {}",
                    self.name, self.task
                );
                Error::new(ErrorKind::Data, what, "run the trial afresh with --force")
            })?;
            text += &format!("{index}\t{answer}\n");
        }
        Ok(text)
    }

    fn spelled(&self, prediction: f64) -> Option<String> {
        match (task_info(self.task).labels, self.spelling) {
            (LabelKind::Classes(names), spelling) => {
                let class =
                    (prediction.fract() == 0.0 && prediction >= 0.0).then_some(prediction as usize)?;
                let name = names.get(class)?;
                Some(if spelling == Spelling::Name { (*name).into() } else { class.to_string() })
            }
            (LabelKind::Score { min, max }, _) => prediction
                .is_finite()
                .then(|| format!("{:.3}", prediction.clamp(f64::from(min), f64::from(max)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, predictions: &[f64]) -> Result<String> {
        let file = LEADERBOARD.iter().find(|file| file.name == name).unwrap();
        file.text(predictions.iter().copied())
    }

    #[test]
    fn answers_are_spelled_as_the_leaderboard_reads_them() {
        let rows = |name, predictions: &[f64]| {
            let text = text(name, predictions).unwrap();
            let rows = text.strip_prefix("index\tprediction\n").unwrap();
            rows.lines().map(|row| row.replace('\t', " ")).collect::<Vec<_>>().join(", ")
        };
        let classes = |file: &LeaderboardFile| match task_info(file.task).labels {
            LabelKind::Classes(names) => (0..names.len()).map(|class| class as f64).collect(),
            LabelKind::Score { .. } => vec![-0.2, 2.0 / 3.0, 5.01],
        };
        let all: Vec<String> = LEADERBOARD
            .iter()
            .map(|file| format!("{}: {}", file.name, rows(file.name, &classes(file))))
            .collect();
        insta::assert_snapshot!(all.join("\n"), @r"
        CoLA.tsv: 0 0, 1 1
        SST-2.tsv: 0 0, 1 1
        MRPC.tsv: 0 0, 1 1
        STS-B.tsv: 0 0.000, 1 0.667, 2 5.000
        MNLI-m.tsv: 0 entailment, 1 neutral, 2 contradiction
        MNLI-mm.tsv: 0 entailment, 1 neutral, 2 contradiction
        QNLI.tsv: 0 entailment, 1 not_entailment
        RTE.tsv: 0 entailment, 1 not_entailment
        WNLI.tsv: 0 0, 1 1
        QQP.tsv: 0 0, 1 1
        AX.tsv: 0 entailment, 1 neutral, 2 contradiction
        ");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        insta::assert_snapshot!(text("AX.tsv", &[0.0, 3.0]).unwrap_err(), @r"
        prediction 1 for AX.tsv is 3, no answer of mnli
        hint: run the trial afresh with --force
        ");
        for prediction in [-1.0, 0.5, f64::NAN] {
            assert!(text("RTE.tsv", &[prediction]).is_err(), "{prediction}");
        }
        assert!(text("STS-B.tsv", &[f64::NAN]).is_err());
    }
}
