//! How a whole run ended, one row per trial.

use super::executor::{Job, TrialStatus};
use crate::error::{Error, ErrorKind};
use crate::experiment::TrialId;

/// How one trial of a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryRow {
    /// Name of its experiment.
    pub experiment: String,
    /// Name of its folder.
    pub id: TrialId,
    /// Its point and seed.
    pub label: String,
    /// Whether it is a control.
    pub is_control: bool,
    /// How it ended.
    pub status: TrialStatus,
}

/// How a whole run ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// One row per trial, in the order of the jobs.
    pub rows: Vec<SummaryRow>,
}

impl Summary {
    /// Joins the jobs with how each ended.
    pub fn new(jobs: &[Job], statuses: Vec<TrialStatus>) -> Self {
        let row = |(job, status): (&Job, TrialStatus)| SummaryRow {
            experiment: job.experiment.into(),
            id: job.trial.id.clone(),
            label: job.trial.label(),
            is_control: job.trial.spec.control.is_some(),
            status,
        };
        Self { rows: jobs.iter().zip(statuses).map(row).collect() }
    }

    fn count(&self, chosen: impl Fn(&TrialStatus) -> bool) -> usize {
        self.rows.iter().filter(|row| chosen(&row.status)).count()
    }

    /// Whether a trial of the experiment has an outcome, controls aside.
    pub fn has_finished(&self, experiment: &str) -> bool {
        let finished = |status: &TrialStatus| matches!(status, TrialStatus::Done(_) | TrialStatus::Skipped);
        let is_one = |row: &SummaryRow| row.experiment == experiment && !row.is_control;
        self.rows.iter().any(|row| is_one(row) && finished(&row.status))
    }

    /// Whether it was asked to stop before its end.
    pub fn is_interrupted(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.status, TrialStatus::Interrupted | TrialStatus::NotStarted))
    }

    /// The failed trials with their errors.
    pub fn failures(&self) -> impl Iterator<Item = (&SummaryRow, &Error)> {
        self.rows.iter().filter_map(|row| match &row.status {
            TrialStatus::Failed(error) => Some((row, error)),
            _ => None,
        })
    }

    /// Whether another process runs some of the trials.
    pub fn is_busy(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.status, TrialStatus::Busy(_)))
    }

    /// The kind of error, if every trial failed and all for the same kind of reason.
    pub fn common_failure(&self) -> Option<ErrorKind> {
        let kinds: Vec<ErrorKind> = self.failures().map(|(_, error)| error.kind).collect();
        let first = *kinds.first()?;
        (kinds.len() == self.rows.len() && kinds.iter().all(|&kind| kind == first)).then_some(first)
    }

    /// For example `2 done, 1 done before, 1 failed`.
    pub fn sentence(&self) -> String {
        let counts = [
            (self.count(|status| matches!(status, TrialStatus::Done(_))), "done"),
            (self.count(|status| matches!(status, TrialStatus::Skipped)), "done before"),
            (self.count(|status| matches!(status, TrialStatus::Pretrained)), "pre-trained, to be fine-tuned"),
            (self.count(|status| matches!(status, TrialStatus::Failed(_))), "failed"),
            (self.count(|status| matches!(status, TrialStatus::Busy(_))), "run by another process"),
            (self.count(|status| matches!(status, TrialStatus::Interrupted)), "interrupted"),
            (self.count(|status| matches!(status, TrialStatus::NotStarted)), "not started"),
        ];
        let words: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if words.is_empty() { "no trials".into() } else { words.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(statuses: Vec<TrialStatus>) -> Summary {
        let row = |status| SummaryRow {
            experiment: "test".into(),
            id: TrialId("0".into()),
            label: "seed=1".into(),
            is_control: false,
            status,
        };
        Summary { rows: statuses.into_iter().map(row).collect() }
    }

    fn failed(kind: ErrorKind) -> TrialStatus {
        TrialStatus::Failed(Error::new(kind, "", ""))
    }

    #[test]
    fn counts_become_a_sentence() {
        let statuses = vec![
            TrialStatus::Skipped,
            TrialStatus::Skipped,
            failed(ErrorKind::Data),
            TrialStatus::NotStarted,
        ];
        assert_eq!(summary(statuses).sentence(), "2 done before, 1 failed, 1 not started");
        assert_eq!(summary(vec![]).sentence(), "no trials");
    }

    #[test]
    fn one_reason_for_all_is_a_common_failure() {
        let kind = |statuses| summary(statuses).common_failure();
        assert_eq!(kind(vec![failed(ErrorKind::Data), failed(ErrorKind::Data)]), Some(ErrorKind::Data));
        assert_eq!(kind(vec![failed(ErrorKind::Data), failed(ErrorKind::Training)]), None);
        assert_eq!(kind(vec![failed(ErrorKind::Data), TrialStatus::Skipped]), None);
        assert_eq!(kind(vec![]), None);
    }
}
