//! Reads what the trials left behind and refuses what cannot be right.
//!
//! Must never: write into results/, or guess a missing number. Next: `statistics.rs` for what is made of it.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{Trial, TrialId};
use crate::records::{Event, Failure, Outcome, RECORD_VERSION, TrialRecord};

/// A trial with an outcome.
pub struct DoneTrial<'a> {
    /// Its place in the plan.
    pub trial: &'a Trial,
    /// `trial.json`.
    pub record: TrialRecord,
    /// `outcome.json`.
    pub outcome: Outcome,
    /// `metrics.jsonl`; empty where the file is gone.
    pub events: Vec<Event>,
}

/// A trial without an outcome.
pub struct OpenTrial<'a> {
    /// Its place in the plan.
    pub trial: &'a Trial,
    /// How far it got, in words.
    pub state: String,
}

/// Every trial of the plan, in the plan's order.
pub struct Records<'a> {
    /// Trials with an outcome.
    pub done: Vec<DoneTrial<'a>>,
    /// The others.
    pub open: Vec<OpenTrial<'a>>,
    /// Why some of the others could not be read.
    pub errors: Vec<Error>,
}

/// What every record says first.
#[derive(Deserialize)]
struct Version {
    record_version: u32,
}

/// Reads the records of `trials` below `results`.
///
/// A record that cannot be read, is newer than this program or belongs to another trial damages its trial alone:
/// that trial is open, and its error names file and line.
pub fn read<'a>(results: &Path, trials: &'a [Trial]) -> Records<'a> {
    let mut records = Records { done: Vec::new(), open: Vec::new(), errors: Vec::new() };
    for trial in trials {
        match read_trial(&results.join(&trial.id.0), trial) {
            Ok(Found::Done(done)) => records.done.push(*done),
            Ok(Found::Open(state)) => records.open.push(OpenTrial { trial, state }),
            Err(error) => {
                records.open.push(OpenTrial { trial, state: format!("damaged: {}", error.message) });
                records.errors.push(error);
            }
        }
    }
    records
}

/// What the folder of a trial holds.
enum Found<'a> {
    Done(Box<DoneTrial<'a>>),
    /// No outcome, but how far it got, in words.
    Open(String),
}

fn read_trial<'a>(folder: &Path, trial: &'a Trial) -> Result<Found<'a>> {
    let events = read_events(&folder.join("metrics.jsonl"))?;
    let Some(outcome) = read_record::<Outcome>(&folder.join("outcome.json"))? else {
        let failure = read_record::<Failure>(&folder.join("failure.json"))?;
        return Ok(Found::Open(state_in_words(failure, &events)));
    };
    let path = folder.join("trial.json");
    let record = read_record::<TrialRecord>(&path)?.ok_or_else(|| {
        corrupt(&path, None, "is missing beside outcome.json, so nothing says what was run")
    })?;
    check_owner(&folder.join("outcome.json"), &outcome.id, trial)?;
    check_owner(&path, &record.id, trial)?;
    Ok(Found::Done(Box::new(DoneTrial { trial, record, outcome, events })))
}

fn state_in_words(failure: Option<Failure>, events: &[Event]) -> String {
    match (failure, events.last()) {
        (Some(failure), _) => {
            format!("failed: {}", failure.message.lines().next().unwrap_or("no reason given"))
        }
        (None, Some(event)) => format!("unfinished, at step {}", event.step),
        (None, None) => "not started".into(),
    }
}

fn check_owner(path: &Path, id: &TrialId, trial: &Trial) -> Result<()> {
    if *id == trial.id {
        return Ok(());
    }
    Err(corrupt(path, None, &format!("is the record of trial {id}, in the folder of trial {}", trial.id)))
}

/// The text of a file, or None where there is no such file.
fn read_text(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::storage(path, "read", error)),
    }
}

pub(super) fn read_record<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(text) = read_text(path)? else { return Ok(None) };
    let unreadable = |error: serde_json::Error| corrupt(path, Some(error.line()), &reason(&error));
    let version: Version = serde_json::from_str(&text).map_err(unreadable)?;
    if version.record_version > RECORD_VERSION {
        return Err(Error::new(
            ErrorKind::Storage,
            format!(
                "{}: record_version = {} is newer than this program, which knows versions up to {RECORD_VERSION}",
                path.display(),
                version.record_version
            ),
            "use the version of electra-lab that wrote the results, or a newer one",
        ));
    }
    serde_json::from_str(&text).map(Some).map_err(unreadable)
}

/// A last line without its line break was being written when the process ended: it is left out unless whole.
fn read_events(path: &Path) -> Result<Vec<Event>> {
    let Some(text) = read_text(path)? else { return Ok(Vec::new()) };
    let mut events = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str::<Event>(line) {
            Ok(event) => events.push(event),
            Err(_) if !line.ends_with('\n') => break,
            Err(error) => return Err(corrupt(path, Some(index + 1), &reason(&error))),
        }
    }
    Ok(events)
}

/// serde_json's message without its own position, which counts from the start of what it was given.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    format!("cannot be read as a record ({message})")
}

pub(super) fn corrupt(path: &Path, line: Option<usize>, what: &str) -> Error {
    let place = line.map(|line| format!(":{line}")).unwrap_or_default();
    Error::new(
        ErrorKind::Storage,
        format!("{}{place}: {what}", path.display()),
        "restore the file, or run the trial again with `run --force --only ID` and its folder's name as ID",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::Fixture;

    /// The error of the one damaged trial; the others are still read.
    fn only_error(fixture: &Fixture) -> Error {
        let records = read(&fixture.results(), &fixture.trials);
        assert_eq!((records.done.len(), records.open.len()), (fixture.trials.len() - 1, 1));
        let [error] = &records.errors[..] else { panic!("{} errors", records.errors.len()) };
        assert_eq!(records.open[0].state, format!("damaged: {}", error.message));
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
        let records = read(&fixture.results(), &fixture.trials);
        assert_eq!(records.done[0].events.len(), n_lines);

        fs::write(&path, whole.replacen("\"step\"", "\"stop\"", 1)).unwrap();
        let error = only_error(&fixture);
        let text = error.to_string().replace(&folder.display().to_string(), "FOLDER");
        insta::assert_snapshot!(text, @r"
        FOLDER/metrics.jsonl:1: cannot be read as a record (missing field `step`)
        hint: restore the file, or run the trial again with `run --force --only ID` and its folder's name as ID
        ");
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
        assert!(error.message.contains("outcome.json: record_version = 99"), "{error}");

        fs::write(&path, &text[..text.len() / 2]).unwrap();
        let error = only_error(&fixture);
        assert!(error.message.contains("outcome.json:"), "{error}");
    }

    #[test]
    fn trials_without_an_outcome_say_how_far_they_got() {
        let fixture = Fixture::new();
        let folder = |index: usize| fixture.results().join(&fixture.trials[index].id.0);
        fs::remove_file(folder(0).join("outcome.json")).unwrap();
        fs::remove_dir_all(folder(1)).unwrap();
        fs::remove_file(folder(2).join("outcome.json")).unwrap();
        let failure = Failure { record_version: 1, message: "loss is NaN\nmore".into(), at: String::new() };
        fs::write(folder(2).join("failure.json"), serde_json::to_string(&failure).unwrap()).unwrap();
        let records = read(&fixture.results(), &fixture.trials);
        let states: Vec<&str> = records.open.iter().map(|open| open.state.as_str()).collect();
        assert_eq!(states, ["unfinished, at step 200", "not started", "failed: loss is NaN"]);
        assert_eq!(records.done.len(), 3);
    }
}
