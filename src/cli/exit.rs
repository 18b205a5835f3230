//! Exit codes. Scripts rely on them: they are listed in `--help` and must never be renumbered.

use crate::error::ErrorKind;
use crate::run::Summary;

/// Success.
pub const OK: u8 = 0;
/// Some trials failed. If all failed for one reason, the code of that reason is used instead.
pub const TRIALS_FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The experiment file or an override is wrong.
pub const SPEC: u8 = 3;
/// Data is missing, unreadable or has the wrong content.
pub const DATA: u8 = 4;
/// The network or the hub failed, or was needed while offline.
pub const NETWORK: u8 = 5;
/// A file or folder cannot be read or written.
pub const STORAGE: u8 = 6;
/// A device is missing or out of memory.
pub const DEVICE: u8 = 7;
/// Another process is running the same trial.
pub const BUSY: u8 = 8;
/// Training failed.
pub const TRAINING: u8 = 9;
/// A bug in electra-lab.
pub const INTERNAL: u8 = 70;
/// Stopped by a person, a job system or a time limit.
pub const INTERRUPTED: u8 = 130;

/// Every code with its meaning, in the order of `--help`.
pub const TABLE: [(u8, &str); 12] = [
    (OK, "success"),
    (TRIALS_FAILED, "some trials failed (if all for one reason, the code of that reason)"),
    (USAGE, "the command line is wrong"),
    (SPEC, "the experiment file, a --set or an --only is wrong"),
    (DATA, "data is missing, unreadable or has the wrong content"),
    (NETWORK, "the network or the hub failed, or was needed while offline"),
    (STORAGE, "a file or folder cannot be read or written"),
    (DEVICE, "the device is missing or out of memory"),
    (BUSY, "another process is running the same trial"),
    (TRAINING, "training failed, for example with a loss that is not finite"),
    (INTERNAL, "a bug in electra-lab"),
    (INTERRUPTED, "stopped by Ctrl-C, a signal or --max-seconds; the same command resumes"),
];

/// The list of codes for `--help`.
pub fn help_text() -> String {
    let lines: Vec<String> = TABLE.iter().map(|(code, meaning)| format!("  {code:>3}  {meaning}")).collect();
    format!("Exit codes:\n{}", lines.join("\n"))
}

/// The code for an error.
pub fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Spec => SPEC,
        ErrorKind::Data => DATA,
        ErrorKind::Network => NETWORK,
        ErrorKind::Storage => STORAGE,
        ErrorKind::Device => DEVICE,
        ErrorKind::Training => TRAINING,
        ErrorKind::Interrupted => INTERRUPTED,
        ErrorKind::Busy => BUSY,
        ErrorKind::Internal => INTERNAL,
    }
}

/// The code for a run: an interrupt takes precedence over failures, and those over trials in another process.
pub fn of_summary(summary: &Summary) -> u8 {
    if summary.is_interrupted() {
        INTERRUPTED
    } else if summary.failures().next().is_some() {
        summary.common_failure().map_or(TRIALS_FAILED, of_kind)
    } else if summary.is_busy() {
        BUSY
    } else {
        OK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::experiment::TrialId;
    use crate::run::{INTERRUPTED_STATUS, SummaryRow, TrialStatus};

    fn code(statuses: &[TrialStatus]) -> u8 {
        let row = |status: &TrialStatus| SummaryRow {
            experiment: "test".into(),
            id: TrialId("0".into()),
            label: "seed=1".into(),
            is_control: false,
            status: status.clone(),
        };
        of_summary(&Summary { rows: statuses.iter().map(row).collect() })
    }

    #[test]
    fn the_codes_are_fixed() {
        let codes: Vec<u8> = TABLE.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 70, 130]);
        assert_eq!(i32::from(INTERRUPTED), INTERRUPTED_STATUS);
    }

    #[test]
    fn the_code_of_a_run_is_that_of_its_most_severe_trial() {
        let failed = |kind| TrialStatus::Failed(Error::new(kind, "", ""));
        let busy = TrialStatus::Busy(Error::new(ErrorKind::Busy, "", ""));
        assert_eq!(code(&[]), OK);
        assert_eq!(code(&[TrialStatus::Skipped]), OK);
        assert_eq!(code(&[TrialStatus::Skipped, busy.clone()]), BUSY);
        assert_eq!(code(&[TrialStatus::Skipped, busy, failed(ErrorKind::Training)]), TRIALS_FAILED);
        assert_eq!(code(&[failed(ErrorKind::Data), failed(ErrorKind::Training)]), TRIALS_FAILED);
        assert_eq!(code(&[failed(ErrorKind::Training), failed(ErrorKind::Training)]), TRAINING);
        assert_eq!(
            code(&[failed(ErrorKind::Data), TrialStatus::Interrupted, TrialStatus::NotStarted]),
            INTERRUPTED
        );
    }
}
