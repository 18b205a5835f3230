//! The records of a plan's trials.
//!
//! Must never: write into results/, or guess a missing number. Next: `frame.rs` makes tables of them.

use std::path::Path;

use super::axes::Point;
use crate::error::{Error, Result};
use crate::experiment::Trial;
use crate::records::{Event, Outcome, TrialFolder, TrialRecord, TrialRecords, TrialState};

/// A trial with an outcome.
pub struct DoneTrial<'a> {
    /// The trial of the plan.
    pub trial: &'a Trial,
    /// Its index in the plan.
    pub index: usize,
    /// `trial.json`.
    pub record: TrialRecord,
    /// `outcome.json`.
    pub outcome: Outcome,
    /// `metrics.jsonl`; empty if the file is missing.
    pub events: Vec<Event>,
}

/// A trial without an outcome.
pub struct OpenTrial<'a> {
    /// The trial of the plan.
    pub trial: &'a Trial,
    /// How far it is.
    pub state: TrialState,
}

/// Every trial of the plan, in the plan's order.
pub struct PlanRecords<'a> {
    /// Trials with an outcome.
    pub done: Vec<DoneTrial<'a>>,
    /// The others.
    pub open: Vec<OpenTrial<'a>>,
    /// Why some of the others could not be read.
    pub errors: Vec<Error>,
}

impl<'a> PlanRecords<'a> {
    /// Reads the records of `trials` in the folder of their experiment.
    ///
    /// A record that cannot be read, is newer than this program or belongs to another trial damages only its
    /// own trial: that trial stays open, and `errors` says which file it is.
    pub fn read(experiment: &Path, trials: &'a [Trial]) -> Self {
        let mut records = Self { done: Vec::new(), open: Vec::new(), errors: Vec::new() };
        for (index, trial) in trials.iter().enumerate() {
            let folder = TrialFolder::within(experiment, &trial.id);
            match read_done(&folder) {
                Ok(Some((TrialRecords { trial: record, events, .. }, outcome))) => {
                    records.done.push(DoneTrial { trial, index, record, outcome, events });
                }
                Ok(None) => records.open.push(OpenTrial { trial, state: folder.state_or_damage() }),
                Err(error) => {
                    let state = TrialState::Damaged { message: error.message.clone() };
                    records.open.push(OpenTrial { trial, state });
                    records.errors.push(error);
                }
            }
        }
        records
    }

    /// The finished trials of a point, in the plan's order.
    pub fn of_point<'r>(&'r self, point: &'r Point) -> impl Iterator<Item = &'r DoneTrial<'a>> {
        self.done.iter().filter(|done| point.trials.contains(&done.index))
    }
}

/// The records of a folder with its outcome; None if it has none.
fn read_done(folder: &TrialFolder) -> Result<Option<(TrialRecords, Outcome)>> {
    let Some(mut records) = folder.records()? else { return Ok(None) };
    Ok(records.outcome.take().map(|outcome| (records, outcome)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::records::Failure;
    use crate::report::fixture::Fixture;

    /// The error of the one damaged trial; the others are still read.
    fn only_error(fixture: &Fixture) -> Error {
        let records = PlanRecords::read(&fixture.results(), &fixture.trials);
        assert_eq!((records.done.len(), records.open.len()), (fixture.trials.len() - 1, 1));
        let [error] = &records.errors[..] else { panic!("{} errors", records.errors.len()) };
        assert_eq!(records.open[0].state, TrialState::Damaged { message: error.message.clone() });
        error.clone()
    }

    #[test]
    fn a_half_written_last_line_is_left_out_and_a_corrupt_one_is_named() {
        let fixture = Fixture::new();
        let folder = fixture.results().join(&fixture.trials[0].id.0);
        let path = folder.join("metrics.jsonl");
        let whole = fs::read_to_string(&path).unwrap();
        let n_lines = whole.lines().count();
        fs::write(&path, format!("{whole}{{\"split\":\"tra")).unwrap();
        let records = PlanRecords::read(&fixture.results(), &fixture.trials);
        assert_eq!(records.done[0].events.len(), n_lines);

        fs::write(&path, whole.replacen("\"step\"", "\"stop\"", 1)).unwrap();
        let error = only_error(&fixture);
        let text = error.to_string().replace(&folder.display().to_string(), "FOLDER");
        assert!(
            text.starts_with("FOLDER/metrics.jsonl:1 is not a line of metrics: missing field `step`"),
            "{text}"
        );
    }

    #[test]
    fn records_of_another_trial_or_a_newer_program_are_refused() {
        let fixture = Fixture::new();
        let path = fixture.results().join(&fixture.trials[0].id.0).join("outcome.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(&fixture.trials[0].id.0, "000000000000")).unwrap();
        let error = only_error(&fixture);
        assert!(error.message.contains("is the record of trial 000000000000"), "{error}");

        fs::write(&path, text.replace("\"record_version\": 1", "\"record_version\": 99")).unwrap();
        let error = only_error(&fixture);
        assert!(error.message.contains("outcome.json has record version 99"), "{error}");

        fs::write(&path, &text[..text.len() / 2]).unwrap();
        let error = only_error(&fixture);
        assert!(error.message.contains("outcome.json is not a record of electra-lab: "), "{error}");
    }

    #[test]
    fn trials_without_an_outcome_have_a_state() {
        let fixture = Fixture::new();
        let folder = |index: usize| fixture.results().join(&fixture.trials[index].id.0);
        fs::remove_file(folder(0).join("outcome.json")).unwrap();
        fs::remove_dir_all(folder(1)).unwrap();
        fs::remove_file(folder(2).join("outcome.json")).unwrap();
        let failure = Failure { record_version: 1, message: "loss is NaN\nmore".into(), at: String::new() };
        fs::write(folder(2).join("failure.json"), serde_json::to_string(&failure).unwrap()).unwrap();
        let records = PlanRecords::read(&fixture.results(), &fixture.trials);
        let states: Vec<String> = records.open.iter().map(|open| open.state.phrase()).collect();
        assert_eq!(states, ["partial, without a checkpoint", "new", "failed: loss is NaN"]);
        assert_eq!(records.done.len(), 3);
    }
}
