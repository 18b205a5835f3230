//! Where a trial keeps the answers of a fine-tuning run on SQuAD: `predictions/<task>-<seed>/`.
//!
//! ```text
//! predictions.json   {"56ddde…": "Norsemen", …}          na_prob.json   {"56ddde…": -2.3, …}, SQuAD 2.0 only
//! nbest.json         {"56ddde…": [{"text", "probability", "start_logit", "end_logit"}, …], …}
//! record.json        written last, so that its existence means that the answers are complete
//! ```
//!
//! All but record.json are in the official formats, which `electra-lab score squad` reads. Must never: score
//! answers that were not read back from here. Next: `squad.rs`.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::disk::{create_folder, write_whole};
use crate::error::{Error, Result};
use crate::experiment::TaskName;
use crate::records::folder::TrialFolder;
use crate::records::{Score, SquadRecord};
use crate::tasks::{
    DecodedAnswer, N_RESAMPLES, RankedAnswer, SquadExample, SquadPredictions, SquadQuestion, squad_answers,
    squad_no_answer, squad_score, squad_scores,
};

const RECORD: &str = "record.json";

/// The folder of the answers of one run.
pub struct SquadFolder<'a> {
    trial: &'a TrialFolder,
    name: String,
}

impl<'a> SquadFolder<'a> {
    /// The folder of a task and a fine-tuning seed. Touches no disk.
    pub fn new(trial: &'a TrialFolder, task: TaskName, finetune_seed: u64) -> Self {
        Self { trial, name: TrialFolder::predictions_name(task, finetune_seed) }
    }

    fn path(&self) -> PathBuf {
        self.trial.path().join(&self.name)
    }

    /// The record of the answers, if they are complete.
    pub fn record(&self) -> Result<Option<SquadRecord>> {
        self.trial.read(&format!("{}/{RECORD}", self.name))
    }

    /// Saves the answers to `questions`, in the same order, and then the record.
    pub fn write(
        &self,
        record: &SquadRecord,
        questions: &[SquadExample],
        answers: &[DecodedAnswer],
    ) -> Result<()> {
        create_folder(&self.path())?;
        let each = || questions.iter().zip(answers);
        let texts: Map<String, Value> =
            each().map(|(question, answer)| (question.id.clone(), answer.text().into())).collect();
        self.write_file("predictions.json", &texts)?;
        let n_best: Map<String, Value> = each()
            .map(|(question, answer)| (question.id.clone(), answer.n_best.iter().map(span).collect()))
            .collect();
        self.write_file("nbest.json", &n_best)?;
        if record.task == TaskName::Squad2 {
            let no_answer: Map<String, Value> =
                each().map(|(question, answer)| (question.id.clone(), answer.no_answer.into())).collect();
            self.write_file("na_prob.json", &no_answer)?;
        }
        self.trial.write(&format!("{}/{RECORD}", self.name), record)
    }

    fn write_file(&self, name: &str, content: &impl Serialize) -> Result<()> {
        let path = self.path().join(name);
        let text = serde_json::to_vec(content).map_err(|error| Error::storage(&path, "write", error))?;
        write_whole(&path, &text)
    }

    /// The score of the saved answers, read back from the files.
    pub fn score(&self, record: &SquadRecord, questions: &[SquadQuestion]) -> Result<Score> {
        // In SQuAD 1.1 every question has an answer, and no threshold applies.
        let (no_answer, no_answer_threshold) = match record.task {
            TaskName::Squad2 => {
                (Some(squad_no_answer(&self.path().join("na_prob.json"))?), record.no_answer_threshold)
            }
            _ => (None, f64::INFINITY),
        };
        let predictions = SquadPredictions {
            answers: squad_answers(&self.path().join("predictions.json"))?,
            no_answer,
            no_answer_threshold,
        };
        squad_score(record, &squad_scores(questions, &predictions, Some(N_RESAMPLES))?)
    }
}

fn span(span: &RankedAnswer) -> Value {
    json!({
        "text": span.text,
        "probability": span.probability,
        "start_logit": span.start_score,
        "end_logit": span.end_score,
    })
}

#[cfg(test)]
mod tests;
