//! How a whole run ended: one row a trial.

use super::executor::{Job, TrialEnd};
use crate::error::{Error, ErrorKind};
use crate::experiment::TrialId;

/// How one trial of a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryRow {
    /// Name of its experiment.
    pub experiment: String,
    /// Name of its folder.
    pub id: TrialId,
    /// Its point and seed, for people.
    pub label: String,
    /// How it ended.
    pub end: TrialEnd,
}

/// How a whole run ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// One row a trial, in the order of the plan.
    pub rows: Vec<SummaryRow>,
}

impl Summary {
    /// Joins jobs with their ends.
    pub fn new(jobs: &[Job], ends: Vec<TrialEnd>) -> Self {
        let row = |(job, end): (&Job, TrialEnd)| SummaryRow {
            experiment: job.experiment.into(),
            id: job.trial.id.clone(),
            label: job.trial.label(),
            end,
        };
        Self { rows: jobs.iter().zip(ends).map(row).collect() }
    }

    fn count(&self, chosen: impl Fn(&TrialEnd) -> bool) -> usize {
        self.rows.iter().filter(|row| chosen(&row.end)).count()
    }

    /// Whether an experiment has a trial whose outcome is there.
    pub fn has_finished(&self, experiment: &str) -> bool {
        let finished = |end: &TrialEnd| matches!(end, TrialEnd::Done(_) | TrialEnd::Skipped);
        self.rows.iter().any(|row| row.experiment == experiment && finished(&row.end))
    }

    /// Whether a person stopped it.
    pub fn is_interrupted(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.end, TrialEnd::Interrupted | TrialEnd::NotStarted))
    }

    /// The failed trials with their errors.
    pub fn failures(&self) -> impl Iterator<Item = (&SummaryRow, &Error)> {
        self.rows.iter().filter_map(|row| match &row.end {
            TrialEnd::Failed(error) => Some((row, error)),
            _ => None,
        })
    }

    /// Whether another process runs some of the trials.
    pub fn is_busy(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.end, TrialEnd::Busy(_)))
    }

    /// The kind of error, if every trial failed and all for the same kind of reason.
    pub fn common_failure(&self) -> Option<ErrorKind> {
        let kinds: Vec<ErrorKind> = self.failures().map(|(_, error)| error.kind).collect();
        let first = *kinds.first()?;
        (kinds.len() == self.rows.len() && kinds.iter().all(|&kind| kind == first)).then_some(first)
    }

    /// `2 done, 1 was done before, 1 failed`.
    pub fn sentence(&self) -> String {
        let counts = [
            (self.count(|end| matches!(end, TrialEnd::Done(_))), "done"),
            (self.count(|end| matches!(end, TrialEnd::Skipped)), "done before"),
            (self.count(|end| matches!(end, TrialEnd::Pretrained)), "pre-trained, to be fine-tuned"),
            (self.count(|end| matches!(end, TrialEnd::Failed(_))), "failed"),
            (self.count(|end| matches!(end, TrialEnd::Busy(_))), "run by another process"),
            (self.count(|end| matches!(end, TrialEnd::Interrupted)), "interrupted"),
            (self.count(|end| matches!(end, TrialEnd::NotStarted)), "not started"),
        ];
        let words: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if words.is_empty() { "no trials".into() } else { words.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(ends: Vec<TrialEnd>) -> Summary {
        let row = |end| SummaryRow {
            experiment: "test".into(),
            id: TrialId("0".into()),
            label: "seed=1".into(),
            end,
        };
        Summary { rows: ends.into_iter().map(row).collect() }
    }

    fn failed(kind: ErrorKind) -> TrialEnd {
        TrialEnd::Failed(Error::new(kind, "", ""))
    }

    #[test]
    fn counts_become_a_sentence() {
        let ends = vec![TrialEnd::Skipped, TrialEnd::Skipped, failed(ErrorKind::Data), TrialEnd::NotStarted];
        assert_eq!(summary(ends).sentence(), "2 done before, 1 failed, 1 not started");
        assert_eq!(summary(vec![]).sentence(), "no trials");
    }

    #[test]
    fn one_reason_for_all_is_a_common_failure() {
        let kind = |ends| summary(ends).common_failure();
        assert_eq!(kind(vec![failed(ErrorKind::Data), failed(ErrorKind::Data)]), Some(ErrorKind::Data));
        assert_eq!(kind(vec![failed(ErrorKind::Data), failed(ErrorKind::Training)]), None);
        assert_eq!(kind(vec![failed(ErrorKind::Data), TrialEnd::Skipped]), None);
        assert_eq!(kind(vec![]), None);
    }
}
