//! The files of a submission to the GLUE leaderboard.
//!
//! Must never: number the rows by anything but their position in the test file. Next:
//! `tools/submission/mod.rs` zips the files.

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TaskName;
use crate::tasks::table::{LabelKind, LabelSpelling, TASKS};

/// One file of a submission.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeaderboardFile {
    /// Its name in the zip.
    pub name: &'static str,
    /// The task whose model answers.
    pub task: TaskName,
    /// The split that it answers.
    pub split: &'static str,
    /// Number of rows of GLUE's own split.
    pub n_rows: usize,
    labels: LabelKind,
    spelling: LabelSpelling,
}

/// Every file of a submission.
pub fn leaderboard_files() -> Vec<LeaderboardFile> {
    let files = TASKS.iter().filter_map(|row| {
        let test = row.test?;
        Some(LeaderboardFile {
            name: test.leaderboard_file,
            task: row.task,
            split: test.name,
            n_rows: test.n_rows,
            labels: row.labels,
            spelling: test.spelling,
        })
    });
    files.collect()
}

impl LeaderboardFile {
    /// The text of the file: a header, then one row per prediction, numbered from 0 in the order of the test
    /// file.
    ///
    /// # Errors
    /// A prediction is not a class of the task, or not a number.
    pub fn text(&self, predictions: impl Iterator<Item = f64>) -> Result<String> {
        let mut text = String::from("index\tprediction\n");
        for (index, prediction) in predictions.enumerate() {
            let answer = self.spell(prediction).ok_or_else(|| {
                let what = format!(
                    "prediction {index} for {} is {prediction}, which is not a label of {}",
                    self.name, self.task
                );
                Error::new(ErrorKind::Data, what, "run the trial again with --force")
            })?;
            text += &format!("{index}\t{answer}\n");
        }
        Ok(text)
    }

    fn spell(&self, prediction: f64) -> Option<String> {
        match self.labels {
            LabelKind::Classes(names) => {
                let is_class = prediction.fract() == 0.0 && prediction >= 0.0;
                let class = is_class.then_some(prediction as usize)?;
                let name = names.get(class)?;
                Some(match self.spelling {
                    LabelSpelling::Name => (*name).into(),
                    LabelSpelling::Number => class.to_string(),
                })
            }
            LabelKind::Score { min, max } => prediction
                .is_finite()
                .then(|| format!("{:.3}", prediction.clamp(f64::from(min), f64::from(max)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, predictions: &[f64]) -> Result<String> {
        let file = leaderboard_files().into_iter().find(|file| file.name == name).unwrap();
        file.text(predictions.iter().copied())
    }

    #[test]
    fn labels_are_spelled_as_the_leaderboard_reads_them() {
        let rows = |name, predictions: &[f64]| {
            let text = text(name, predictions).unwrap();
            let rows = text.strip_prefix("index\tprediction\n").unwrap();
            rows.lines().map(|row| row.replace('\t', " ")).collect::<Vec<_>>().join(", ")
        };
        let predictions = |file: &LeaderboardFile| match file.labels {
            LabelKind::Classes(names) => (0..names.len()).map(|class| class as f64).collect(),
            LabelKind::Score { .. } => vec![-0.2, 2.0 / 3.0, 5.01],
        };
        let all: Vec<String> = leaderboard_files()
            .iter()
            .map(|file| format!("{}: {}", file.name, rows(file.name, &predictions(file))))
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
    fn a_prediction_that_is_not_a_label_is_an_error() {
        insta::assert_snapshot!(text("AX.tsv", &[0.0, 3.0]).unwrap_err(), @r"
        prediction 1 for AX.tsv is 3, which is not a label of mnli
        hint: run the trial again with --force
        ");
        for prediction in [-1.0, 0.5, f64::NAN] {
            assert!(text("RTE.tsv", &[prediction]).is_err(), "{prediction}");
        }
        assert!(text("STS-B.tsv", &[f64::NAN]).is_err());
    }
}
