//! Exit codes: what a script may rely on. They are listed in `--help` and never renumbered.

use crate::error::ErrorKind;
use crate::run::Summary;

/// All went well.
pub const OK: u8 = 0;
/// Some trials failed; if all of them failed for one reason, that reason's code is used instead.
pub const TRIALS_FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The experiment file or an override is wrong.
pub const SPEC: u8 = 3;
/// Data is missing, unreadable or not what it should be.
pub const DATA: u8 = 4;
/// The network or the hub refused, or the run is offline and needs it.
pub const NETWORK: u8 = 5;
/// A folder or file of ours cannot be read or written.
pub const STORAGE: u8 = 6;
/// A device is missing or out of memory.
pub const DEVICE: u8 = 7;
/// Another process runs what was asked for.
pub const BUSY: u8 = 8;
/// Training went wrong.
pub const TRAINING: u8 = 9;
/// A bug of ours.
pub const INTERNAL: u8 = 70;
/// A person stopped it.
pub const INTERRUPTED: u8 = 130;

/// Every code with its meaning, in the order of `--help`.
pub const TABLE: [(u8, &str); 12] = [
    (OK, "all went well"),
    (TRIALS_FAILED, "some trials failed (all for one reason: that reason's code)"),
    (USAGE, "the command line is wrong"),
    (SPEC, "the experiment file, a --set or an --only is wrong"),
    (DATA, "data is missing, unreadable or not what it should be"),
    (NETWORK, "the network or the hub refused, or offline and not cached"),
    (STORAGE, "a file or folder of ours cannot be read or written"),
    (DEVICE, "the device is missing or out of memory"),
    (BUSY, "another process is running the same trial"),
    (TRAINING, "training went wrong, say a loss that is not finite"),
    (INTERNAL, "a bug in electra-lab"),
    (INTERRUPTED, "stopped by Ctrl-C or SIGTERM; run again to continue"),
];

/// The list for `--help`.
pub fn help_text() -> String {
    let lines: Vec<String> = TABLE.iter().map(|(code, meaning)| format!("  {code:>3}  {meaning}")).collect();
    format!("Exit codes:\n{}", lines.join("\n"))
}

/// The code of an error.
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

/// The code of a run: an interrupt comes first, then failures, then trials that others run.
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
    use crate::run::{INTERRUPTED_STATUS, SummaryRow, TrialEnd};

    fn code(ends: &[TrialEnd]) -> u8 {
        let row = |end: &TrialEnd| SummaryRow {
            experiment: "test".into(),
            id: TrialId("0".into()),
            label: "seed=1".into(),
            end: end.clone(),
        };
        of_summary(&Summary { rows: ends.iter().map(row).collect() })
    }

    #[test]
    fn the_codes_are_fixed() {
        let codes: Vec<u8> = TABLE.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 70, 130]);
        assert_eq!(i32::from(INTERRUPTED), INTERRUPTED_STATUS);
    }

    #[test]
    fn a_run_ends_with_the_code_of_its_worst_news() {
        let failed = |kind| TrialEnd::Failed(Error::new(kind, "", ""));
        let busy = TrialEnd::Busy(Error::new(ErrorKind::Busy, "", ""));
        assert_eq!(code(&[]), OK);
        assert_eq!(code(&[TrialEnd::Skipped]), OK);
        assert_eq!(code(&[TrialEnd::Skipped, busy.clone()]), BUSY);
        assert_eq!(code(&[TrialEnd::Skipped, busy, failed(ErrorKind::Training)]), TRIALS_FAILED);
        assert_eq!(code(&[failed(ErrorKind::Data), failed(ErrorKind::Training)]), TRIALS_FAILED);
        assert_eq!(code(&[failed(ErrorKind::Training), failed(ErrorKind::Training)]), TRAINING);
        assert_eq!(
            code(&[failed(ErrorKind::Data), TrialEnd::Interrupted, TrialEnd::NotStarted]),
            INTERRUPTED
        );
    }
}
