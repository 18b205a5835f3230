//! The downstream tasks, by the words of the experiment file.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The tasks for fine-tuning. Their numbers address random streams and must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Acceptability of a sentence (Matthews correlation).
    Cola = 0,
    /// Sentiment of a sentence (accuracy).
    Sst2 = 1,
    /// Paraphrase (accuracy).
    Mrpc = 2,
    /// Similarity from 0 to 5 (Spearman correlation).
    Stsb = 3,
    /// Textual entailment (accuracy).
    Rte = 4,
    /// Whether a sentence answers a question (accuracy).
    Qnli = 5,
    /// Whether two questions ask the same (accuracy).
    Qqp = 6,
    /// Entailment, neutral or contradiction; scored on the matched split (accuracy).
    Mnli = 7,
    /// Coreference as entailment (accuracy).
    Wnli = 8,
    /// Answers as spans of a text, SQuAD 1.1 (F1); not part of GLUE's mean.
    Squad = 9,
    /// SQuAD 2.0, which adds questions without an answer in the text (F1); not part of GLUE's mean.
    Squad2 = 10,
}

impl TaskName {
    /// Every task: GLUE's in the order of its table, then SQuAD's.
    pub const ALL: [TaskName; 11] = [
        Self::Cola,
        Self::Sst2,
        Self::Mrpc,
        Self::Stsb,
        Self::Qqp,
        Self::Mnli,
        Self::Qnli,
        Self::Rte,
        Self::Wnli,
        Self::Squad,
        Self::Squad2,
    ];

    /// GLUE tasks for which the built-in language has examples. It also has SQuAD.
    pub const IN_THE_LANGUAGE: [TaskName; 6] =
        [Self::Cola, Self::Sst2, Self::Mrpc, Self::Stsb, Self::Qnli, Self::Rte];

    /// The word in the experiment file, which is also the name of the configuration on the hub.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cola => "cola",
            Self::Sst2 => "sst2",
            Self::Mrpc => "mrpc",
            Self::Stsb => "stsb",
            Self::Rte => "rte",
            Self::Qnli => "qnli",
            Self::Qqp => "qqp",
            Self::Mnli => "mnli",
            Self::Wnli => "wnli",
            Self::Squad => "squad",
            Self::Squad2 => "squad2",
        }
    }

    /// Whether answers are spans of a text: such tasks have windows, heads and scores of their own.
    pub fn is_squad(self) -> bool {
        matches!(self, Self::Squad | Self::Squad2)
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
