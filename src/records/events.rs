//! `metrics.jsonl`: one event per line, written as it happens.
//!
//! A line is whole if it ends with a newline. A reader ignores a last line without one, and a resumed run
//! cuts it off. Must never: rewrite a line or change the order of lines.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Sink;
use super::schema::Event;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TrialId;

/// A sink that appends events to a file, each in one write.
pub struct Jsonl {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    error: Option<Error>,
}

impl Jsonl {
    /// Opens the file for appending, and makes it if it is missing.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| Error::storage(path, "write", error))?;
        Ok(Self { path: path.into(), state: Mutex::new(State { file, error: None }) })
    }

    /// The first error of writing, if any. A sink cannot stop a run, so its owner checks at the end.
    pub fn check(&self) -> Result<()> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.error.clone().map_or(Ok(()), Err)
    }
}

impl Sink for Jsonl {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.error.is_some() {
            return;
        }
        // JSON has no number that is not finite. Such a value is undefined, so it is absent.
        let mut event = event.clone();
        event.values.retain(|_, value| value.is_finite());
        let written = serde_json::to_string(&event).map_err(std::io::Error::from).and_then(|mut line| {
            line.push('\n');
            state.file.write_all(line.as_bytes())
        });
        if let Err(error) = written {
            state.error = Some(Error::storage(&self.path, "write", error));
        }
    }

    fn phase(&self, _text: &str) {}

    fn progress(&self, _done: u64, _total: u64) {}

    fn flush(&self) -> Result<()> {
        self.check()?;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.file.sync_data().map_err(|error| Error::storage(&self.path, "write", error))
    }
}

/// The events of a file, without a half-written last line; none if the file is missing.
pub fn read_events(path: &Path) -> Result<Vec<Event>> {
    Ok(parse(path)?.into_iter().map(|(event, _)| event).collect())
}

/// Cuts off what a resumed run will write again: every event after `step`, and a half-written last line. Step
/// 0 means from the start, so nothing is kept. The file is cut in place: a [`Jsonl`] that has it open
/// continues at its new end. Returns the number of events that stay.
pub fn truncate_after(path: &Path, step: u64) -> Result<u64> {
    if !path.exists() {
        return Ok(0);
    }
    let mut events = if step == 0 { Vec::new() } else { parse(path)? };
    let n_kept = events.iter().take_while(|(event, _)| event.step <= step).count();
    events.truncate(n_kept);
    let length = events.last().map_or(0, |(_, end)| *end);
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| file.set_len(length).and_then(|()| file.sync_all()))
        .map_err(|error| Error::storage(path, "shorten", error))?;
    Ok(n_kept as u64)
}

/// Cuts the file like [`truncate_after`] and compares it with the number of events that the checkpoint of
/// `step` was saved with, if that is known. Returns the number of events that stay.
///
/// # Errors
/// Lines that came before the checkpoint are missing: a curve with a gap would look like a whole one. The
/// file is then left as it is.
pub fn resume_events(path: &Path, step: u64, expected: Option<u64>, id: &TrialId) -> Result<u64> {
    let n_found = if step == 0 {
        0
    } else {
        parse(path)?.iter().take_while(|(event, _)| event.step <= step).count() as u64
    };
    if let Some(expected) = expected.filter(|expected| n_found < *expected) {
        let what = format!(
            "{} has {n_found} lines up to step {step}, and the checkpoint of that step was saved after {expected}",
            path.display()
        );
        let hint =
            format!("restore the file from a copy, or start the trial again with `run --force --only {id}`");
        return Err(Error::new(ErrorKind::Storage, what, hint));
    }
    truncate_after(path, step)
}

/// The event of every whole line, with the offset of the byte after its newline.
fn parse(path: &Path) -> Result<Vec<(Event, u64)>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::storage(path, "read", error)),
    };
    let mut events = Vec::new();
    let mut end = 0;
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        end += line.len() as u64;
        let is_last = end == bytes.len() as u64;
        match serde_json::from_slice(line) {
            Ok(event) if line.ends_with(b"\n") => events.push((event, end)),
            Err(error) if !is_last => {
                return Err(Error::new(
                    ErrorKind::Storage,
                    format!("{}:{} is not a line of metrics", path.display(), index + 1),
                    "delete that line, or run the trial again from its start with --force",
                )
                .because(error));
            }
            // A damaged last line was cut off by a kill, or by a power failure after its newline.
            _ => break,
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::schema::Split;

    fn event(step: u64) -> Event {
        let values = [("loss".to_string(), 1.0 / step as f64)].into();
        Event { split: Split::Train, step, tokens: step * 10, flops: 1e9, elapsed_s: 0.5, values }
    }

    fn steps(path: &Path) -> Vec<u64> {
        read_events(path).unwrap().iter().map(|event| event.step).collect()
    }

    #[test]
    fn events_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        assert_eq!(read_events(&path).unwrap(), []);
        let sink = Jsonl::open(&path).unwrap();
        sink.event(&event(3));
        drop(sink);
        let sink = Jsonl::open(&path).unwrap();
        sink.event(&event(6));
        sink.check().unwrap();
        assert_eq!(read_events(&path).unwrap(), [event(3), event(6)]);
    }

    #[test]
    fn values_that_are_not_finite_are_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut broken = event(2);
        broken.values.insert("gradient_norm".into(), f64::NAN);
        Jsonl::open(&path).unwrap().event(&broken);
        assert_eq!(read_events(&path).unwrap(), [event(2)]);
    }

    #[test]
    fn a_half_written_last_line_is_ignored_then_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let line = serde_json::to_string(&event(5)).unwrap();
        for half in [&line[..20], line.as_str(), "\0\0\0\n"] {
            std::fs::write(&path, format!("{line}\n{half}")).unwrap();
            assert_eq!(steps(&path), [5]);
            truncate_after(&path, 5).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{line}\n"));
        }
    }

    #[test]
    fn a_resumed_run_writes_each_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let sink = Jsonl::open(&path).unwrap();
        (1..=4).for_each(|step| sink.event(&event(step)));
        // The sink stays open while the file is cut, as in a resumed run.
        truncate_after(&path, 2).unwrap();
        sink.event(&event(3));
        assert_eq!(steps(&path), [1, 2, 3]);
        truncate_after(&path, 0).unwrap();
        assert!(steps(&path).is_empty());
        truncate_after(&folder.path().join("missing"), 7).unwrap();
    }

    #[test]
    fn a_file_that_is_shorter_than_its_checkpoint_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let sink = Jsonl::open(&path).unwrap();
        (1..=4).for_each(|step| sink.event(&event(step)));
        sink.flush().unwrap();
        let id = TrialId("0123456789ab".into());
        let error = resume_events(&path, 3, Some(4), &id).unwrap_err();
        assert!(error.message.contains("has 3 lines up to step 3, and the checkpoint"), "{error}");
        assert_eq!(steps(&path), [1, 2, 3, 4], "nothing is cut then");
        assert_eq!(resume_events(&path, 3, Some(3), &id).unwrap(), 3);
        assert_eq!(steps(&path), [1, 2, 3]);
        // A checkpoint from before lines were counted, and one before the first step.
        assert_eq!(resume_events(&path, 2, None, &id).unwrap(), 2);
        assert_eq!(resume_events(&folder.path().join("missing"), 0, None, &id).unwrap(), 0);
        assert!(resume_events(&folder.path().join("missing"), 2, Some(1), &id).is_err());
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let line = serde_json::to_string(&event(5)).unwrap();
        std::fs::write(&path, format!("{line}\n{{\"step\": \n{line}\n")).unwrap();
        let error = read_events(&path).unwrap_err();
        assert!(error.message.contains("metrics.jsonl:2 is not a line of metrics"), "{error}");
        assert!(error.hint.contains("--force"));
    }
}
