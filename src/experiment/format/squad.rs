//! Fine-tuning on SQuAD: the source of the questions, windows, heads, and how answers are decoded.
//!
//! Learning rate, decay, batch and warm-up are those of `evaluate.finetune`. Next: `tasks/squad/`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::task_name::TaskName;

/// The head that finds an answer from the encoder's hidden states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SquadHead {
    /// The released code's: a start, an end conditioned on the start (beam search), and for SQuAD 2.0 a
    /// classifier of questions without an answer.
    #[default]
    Paper,
    /// transformers' BertForQuestionAnswering: one dense layer to a start and an end logit; the span of
    /// `[CLS]` means no answer.
    Simple,
}

impl SquadHead {
    /// The word in the experiment file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Simple => "simple",
        }
    }
}

/// Fine-tuning on SQuAD 1.1 and 2.0; the defaults are the released code's. Learning rate, decay, batch and
/// warm-up are those of `finetune`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SquadSpec {
    /// Repository of SQuAD 1.1, `owner/name`, for the task `squad` with a hub source.
    pub repo: String,
    /// Its branch, tag or commit.
    pub revision: String,
    /// Repository of SQuAD 2.0, for the task `squad2`.
    pub repo_v2: String,
    /// Its branch, tag or commit.
    pub revision_v2: String,
    /// The head: `paper` or `simple`.
    pub head: SquadHead,
    /// Longest input in tokens: question, context and three special tokens. A longer context is split into
    /// windows.
    #[schemars(range(min = 8, max = 8192))]
    pub seq_len: usize,
    /// Longest question in tokens; a longer one is cut off.
    #[schemars(range(min = 1, max = 8192))]
    pub query_len: usize,
    /// Tokens from the start of one window of a context to the start of the next.
    #[schemars(range(min = 1, max = 8192))]
    pub stride: usize,
    /// Candidate answers per question; also the starts and ends that the simple head combines.
    #[schemars(range(min = 1, max = 1000))]
    pub n_best: usize,
    /// Longest answer in tokens.
    #[schemars(range(min = 1, max = 8192))]
    pub answer_len: usize,
    /// Beam width of the paper's head: starts per window, and ends per start.
    #[schemars(range(min = 1, max = 1000))]
    pub beam: usize,
    /// Passes over the training windows.
    #[schemars(range(min = 0.01, max = 1000.0))]
    pub epochs: f64,
    /// A question of SQuAD 2.0 is predicted to have no answer if its no-answer score is above this threshold.
    /// Unset, it is -2.75 for the paper's head, whose classifier gives a logit (released code), and 0 for the
    /// simple head, whose score is that of `[CLS]` minus that of the best answer (transformers).
    #[schemars(range(min = -1000.0, max = 1000.0))]
    pub no_answer_threshold: Option<f64>,
    /// Weight of the loss of the paper's head for whether there is an answer.
    #[schemars(range(min = 0.000001, max = 1000.0))]
    pub answerable_weight: f64,
    /// Uses at most this many training questions, the first of the shuffled set.
    #[schemars(range(min = 1, max = 1000000000))]
    pub max_train_examples: Option<usize>,
    /// Scores at most this many validation questions, the first ones.
    #[schemars(range(min = 1, max = 1000000000))]
    pub max_validation_examples: Option<usize>,
}

impl Default for SquadSpec {
    fn default() -> Self {
        Self {
            repo: "rajpurkar/squad".into(),
            revision: "main".into(),
            repo_v2: "rajpurkar/squad_v2".into(),
            revision_v2: "main".into(),
            head: SquadHead::default(),
            seq_len: 512,
            query_len: 64,
            stride: 128,
            n_best: 20,
            answer_len: 30,
            beam: 20,
            epochs: 2.0,
            no_answer_threshold: None,
            answerable_weight: 0.5,
            max_train_examples: None,
            max_validation_examples: None,
        }
    }
}

impl SquadSpec {
    /// The no-answer score above which a question is predicted to have no answer.
    pub fn threshold(&self) -> f64 {
        self.no_answer_threshold.unwrap_or(match self.head {
            SquadHead::Paper => -2.75,
            SquadHead::Simple => 0.0,
        })
    }

    /// The default is not serialised, so that the ids of trials from before this section existed do not
    /// change.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Repository and revision with the files of a task.
    pub fn repository(&self, task: TaskName) -> (&str, &str) {
        match task {
            TaskName::Squad => (&self.repo, &self.revision),
            _ => (&self.repo_v2, &self.revision_v2),
        }
    }
}
