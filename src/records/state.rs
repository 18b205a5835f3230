//! How far a trial is, by what its folder holds: the one set of states, and the one place of their words.

use serde::{Deserialize, Serialize};

/// How far a trial is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TrialState {
    /// Not started.
    New,
    /// Started and stopped. It continues from this step's checkpoint; 0 means from the start.
    Partial {
        /// Step of the last checkpoint.
        step: u64,
    },
    /// Pre-trained. Fine-tuning begins, or continues after the predictions that are saved.
    Pretrained,
    /// A process has the folder locked.
    Running,
    /// It stopped with an error.
    Failed {
        /// What happened and what to do.
        message: String,
    },
    /// One of its records cannot be read. Running the trial fails until that is repaired.
    Damaged {
        /// Which record, and what to do.
        message: String,
    },
    /// It has an outcome.
    Done,
}

impl TrialState {
    /// One word, for a column of a table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Partial { .. } => "partial",
            Self::Pretrained => "pre-trained",
            Self::Running => "running",
            Self::Failed { .. } => "failed",
            Self::Damaged { .. } => "damaged",
            Self::Done => "done",
        }
    }

    /// The word with its detail, on one line: `partial, at step 500`, `failed: the loss is NaN`.
    pub fn phrase(&self) -> String {
        match self {
            Self::Partial { step: 0 } => "partial, without a checkpoint".into(),
            Self::Partial { step } => format!("partial, at step {step}"),
            Self::Failed { message } | Self::Damaged { message } => {
                format!("{}: {}", self.word(), message.lines().next().unwrap_or("no reason was recorded"))
            }
            _ => self.word().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_fits_on_a_line() {
        assert_eq!(TrialState::New.phrase(), "new");
        assert_eq!(TrialState::Partial { step: 0 }.phrase(), "partial, without a checkpoint");
        assert_eq!(TrialState::Partial { step: 500 }.phrase(), "partial, at step 500");
        let message = "the loss is NaN\nhint: lower the rate".to_string();
        assert_eq!(TrialState::Failed { message }.phrase(), "failed: the loss is NaN");
        assert_eq!(
            TrialState::Damaged { message: String::new() }.phrase(),
            "damaged: no reason was recorded"
        );
    }
}
