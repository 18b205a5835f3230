//! What a trial's folder says about it, in a word.

use serde::{Deserialize, Serialize};

/// What a folder says about its trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TrialState {
    /// Nothing was run yet.
    New,
    /// Begun and stopped; continues from this step's checkpoint (0: from the start).
    Partial {
        /// Steps that the last checkpoint holds.
        step: u64,
    },
    /// Pre-trained; fine-tuning is to begin, or goes on from the predictions that are saved.
    Pretrained,
    /// A process has it locked.
    Running,
    /// It stopped with an error.
    Failed {
        /// What happened and what to do.
        message: String,
    },
    /// A record of it cannot be read; the next run of it fails until that is mended.
    Damaged {
        /// Which record, and what to do.
        message: String,
    },
    /// Its outcome is there.
    Done,
}

impl TrialState {
    /// One word for a table.
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
}
