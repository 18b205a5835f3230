//! How a whole run ended: one row a trial.

use super::executor::{End, Job};
use crate::fault::{Fault, FaultKind};
use crate::spec::TrialId;

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
    pub end: End,
}

/// How a whole run ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// One row a trial, in the order of the plan.
    pub rows: Vec<SummaryRow>,
}

impl Summary {
    /// Joins jobs with their ends.
    pub fn new(jobs: &[Job], ends: Vec<End>) -> Self {
        let row = |(job, end): (&Job, End)| SummaryRow {
            experiment: job.experiment.into(),
            id: job.trial.id.clone(),
            label: job.trial.label(),
            end,
        };
        Self { rows: jobs.iter().zip(ends).map(row).collect() }
    }

    fn count(&self, chosen: impl Fn(&End) -> bool) -> usize {
        self.rows.iter().filter(|row| chosen(&row.end)).count()
    }

    /// Whether an experiment has a trial whose outcome is there.
    pub fn has_finished(&self, experiment: &str) -> bool {
        let finished = |end: &End| matches!(end, End::Done(_) | End::Skipped);
        self.rows.iter().any(|row| row.experiment == experiment && finished(&row.end))
    }

    /// Whether a person stopped it.
    pub fn is_interrupted(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.end, End::Interrupted | End::NotStarted))
    }

    /// The failed trials with their faults.
    pub fn failures(&self) -> impl Iterator<Item = (&SummaryRow, &Fault)> {
        self.rows.iter().filter_map(|row| match &row.end {
            End::Failed(fault) => Some((row, fault)),
            _ => None,
        })
    }

    /// Whether another process runs some of the trials.
    pub fn is_busy(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.end, End::Busy(_)))
    }

    /// The kind of fault, if every trial failed and all for the same kind of reason.
    pub fn common_failure(&self) -> Option<FaultKind> {
        let kinds: Vec<FaultKind> = self.failures().map(|(_, fault)| fault.kind).collect();
        let first = *kinds.first()?;
        (kinds.len() == self.rows.len() && kinds.iter().all(|&kind| kind == first)).then_some(first)
    }

    /// `2 done, 1 was done before, 1 failed`.
    pub fn sentence(&self) -> String {
        let counts = [
            (self.count(|end| matches!(end, End::Done(_))), "done"),
            (self.count(|end| matches!(end, End::Skipped)), "done before"),
            (self.count(|end| matches!(end, End::Pretrained)), "pre-trained, to be fine-tuned"),
            (self.count(|end| matches!(end, End::Failed(_))), "failed"),
            (self.count(|end| matches!(end, End::Busy(_))), "run by another process"),
            (self.count(|end| matches!(end, End::Interrupted)), "interrupted"),
            (self.count(|end| matches!(end, End::NotStarted)), "not started"),
        ];
        let words: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if words.is_empty() { "no trials".into() } else { words.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(ends: Vec<End>) -> Summary {
        let row = |end| SummaryRow {
            experiment: "test".into(),
            id: TrialId("0".into()),
            label: "seed=1".into(),
            end,
        };
        Summary { rows: ends.into_iter().map(row).collect() }
    }

    fn failed(kind: FaultKind) -> End {
        End::Failed(Fault::new(kind, "", ""))
    }

    #[test]
    fn counts_become_a_sentence() {
        let ends = vec![End::Skipped, End::Skipped, failed(FaultKind::Data), End::NotStarted];
        assert_eq!(summary(ends).sentence(), "2 done before, 1 failed, 1 not started");
        assert_eq!(summary(vec![]).sentence(), "no trials");
    }

    #[test]
    fn one_reason_for_all_is_a_common_failure() {
        let kind = |ends| summary(ends).common_failure();
        assert_eq!(kind(vec![failed(FaultKind::Data), failed(FaultKind::Data)]), Some(FaultKind::Data));
        assert_eq!(kind(vec![failed(FaultKind::Data), failed(FaultKind::Training)]), None);
        assert_eq!(kind(vec![failed(FaultKind::Data), End::Skipped]), None);
        assert_eq!(kind(vec![]), None);
    }
}
