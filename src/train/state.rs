//! The state of a pre-training run besides its tensors, as a checkpoint stores it.
//!
//! Checkpoints of older versions must stay readable: names and the encoding of the numbers never change.

use serde::{Deserialize, Serialize};

use crate::objective::{Metrics, f64_bits};

/// How far a run is, and the metrics that were not reported yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainState {
    /// Steps done.
    pub step: u64,
    /// Optimizer updates since its moments were zero.
    pub n_updates: u64,
    /// Real tokens seen.
    pub tokens: u64,
    /// Training FLOPs spent.
    #[serde(with = "f64_bits")]
    pub flops: f64,
    /// Seconds of training, summed over all resumptions.
    #[serde(with = "f64_bits")]
    pub elapsed_s: f64,
    /// Training metrics since they were last reported.
    pub window: Metrics,
    /// Held-out metrics after the last step; empty before.
    pub validation: Metrics,
    /// Lines of metrics that were reported; absent in checkpoints from before they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_events: Option<u64>,
    /// What the checkpoint belongs to and its checksum; only in files, and absent in older ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
}

/// Ties a checkpoint's state and tensors to each other and to a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The pre-training, or the fine-tuning run, that the checkpoint belongs to.
    pub owner: String,
    /// BLAKE3 of the state without this checksum, and of the checksums of all files.
    pub checksum: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As version 0.1 wrote it: floating-point numbers are the integers of their bits.
    #[test]
    fn the_state_of_an_old_checkpoint_is_read() {
        let text = concat!(
            r#"{"step":3,"n_updates":2,"tokens":108,"flops":4613937818241073152,"elapsed_s":4602678819172646912,"#,
            r#""window":{"loss":{"sum":4591870180066957722,"weight":4607182418800017408}},"validation":{}}"#
        );
        let mut window = Metrics::default();
        window.add("loss", 0.1, 1.0);
        let expected = TrainState {
            step: 3,
            n_updates: 2,
            tokens: 108,
            flops: 3.0,
            elapsed_s: 0.5,
            window,
            validation: Metrics::default(),
            n_events: None,
            seal: None,
        };
        assert_eq!(serde_json::from_str::<TrainState>(text).unwrap(), expected);
        assert_eq!(serde_json::to_string(&expected).unwrap(), text);
    }
}
