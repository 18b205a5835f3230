//! Runs a list of trials, some at a time.
//!
//! A finished trial is skipped, an unfinished one continues, a failed one leaves `failure.json` and stops
//! nobody else, a folder that another process has locked is left alone. Knows nothing of models: what a trial
//! does is a [`Runner`], and tests give their own.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use candle_core::Device;

use super::context::{Runner, TrialContext};
use super::device::on_this_thread;
use super::interrupt::StopFlag;
use super::provenance::utc_now;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::Trial;
use crate::hub::DataEnv;
use crate::records::folder::TrialFolder;
use crate::records::{Failure, Jsonl, Outcome, RECORD_VERSION, Sink, Tee};

/// Stack of a worker: backward passes walk the graph recursively, deeper than the default 2 MiB allows.
const STACK_BYTES: usize = 64 << 20;

/// How often the executor looks whether a person asked to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One trial to run.
pub struct Job<'a> {
    /// Name of its experiment.
    pub experiment: &'a str,
    /// Name of the profile.
    pub profile: &'a str,
    /// What to run.
    pub trial: &'a Trial,
    /// Where to keep it.
    pub folder: TrialFolder,
}

/// What all trials of a run have in common.
pub struct RunContext {
    /// Trials at a time.
    pub n_at_once: usize,
    /// Discards what earlier runs left.
    pub force: bool,
    /// Leaves fine-tuning to another run.
    pub pretrain_only: bool,
    /// Where tensors live.
    pub device: Device,
    /// Hub and caches.
    pub env: DataEnv,
    /// Asks the trials to stop.
    pub stop: StopFlag,
}

/// How one trial ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialEnd {
    /// It ran to its end.
    Done(Box<Outcome>),
    /// It was done before.
    Skipped,
    /// Another process runs it.
    Busy(Error),
    /// It stopped with an error.
    Failed(Error),
    /// It saved its state and stopped because a person asked.
    Interrupted,
    /// It is pre-trained, and no more was asked for.
    Pretrained,
    /// A person asked to stop before its turn came.
    NotStarted,
}

/// Follows a run as it happens.
pub trait ProgressReporter: Sync {
    /// A trial begins; what it reports goes to the returned sink.
    fn starting(&self, job: &Job) -> Box<dyn Sink>;
    /// A trial ended.
    fn ended(&self, job: &Job, end: &TrialEnd);
    /// A person asked to stop.
    fn stopping(&self);
}

/// Runs the jobs and returns how each ended, in their order. Fails only if no worker can be started.
pub fn execute(
    jobs: &[Job],
    context: &RunContext,
    runner: &Runner,
    watcher: &dyn ProgressReporter,
) -> Result<Vec<TrialEnd>> {
    let mut ends = vec![TrialEnd::NotStarted; jobs.len()];
    let next = AtomicUsize::new(0);
    let n_workers = context.n_at_once.clamp(1, jobs.len().max(1));
    std::thread::scope(|scope| -> Result<()> {
        let (sender, receiver) = mpsc::channel();
        for index in 0..n_workers {
            let sender = sender.clone();
            let work = || worker(jobs, &next, context, runner, watcher, sender);
            let started = std::thread::Builder::new()
                .name(format!("trials-{index}"))
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, work);
            if let Err(error) = started {
                context.stop.raise();
                return Err(Error::new(
                    ErrorKind::Device,
                    format!("cannot start worker {} of {n_workers}", index + 1),
                    "pass a smaller --jobs",
                )
                .because(error));
            }
        }
        drop(sender);
        let mut announced = false;
        loop {
            match receiver.recv_timeout(LOOK_EVERY) {
                Ok((index, end)) => {
                    if let Some(slot) = ends.get_mut(index) {
                        *slot = end;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if context.stop.is_raised() && !announced {
                announced = true;
                watcher.stopping();
            }
        }
    })?;
    Ok(ends)
}

/// Takes one job after the other until none is left or a person asks to stop.
fn worker(
    jobs: &[Job],
    next: &AtomicUsize,
    context: &RunContext,
    runner: &Runner,
    watcher: &dyn ProgressReporter,
    sender: Sender<(usize, TrialEnd)>,
) {
    while !context.stop.is_raised() {
        let index = next.fetch_add(1, Ordering::SeqCst);
        let Some(job) = jobs.get(index) else { return };
        let end = run_job(job, context, runner, watcher).unwrap_or_else(|error| match error.kind {
            ErrorKind::Busy => TrialEnd::Busy(error),
            ErrorKind::Interrupted if context.pretrain_only && !context.stop.is_raised() => {
                TrialEnd::Pretrained
            }
            ErrorKind::Interrupted => TrialEnd::Interrupted,
            _ => TrialEnd::Failed(error),
        });
        watcher.ended(job, &end);
        // The receiver outlives the workers.
        let _ = sender.send((index, end));
    }
}

fn run_job(
    job: &Job,
    context: &RunContext,
    runner: &Runner,
    watcher: &dyn ProgressReporter,
) -> Result<TrialEnd> {
    let folder = &job.folder;
    if !context.force && folder.outcome()?.is_some() {
        return Ok(TrialEnd::Skipped);
    }
    let lock = folder.lock()?;
    if context.force {
        folder.discard(&lock)?;
    } else if folder.outcome()?.is_some() {
        // Another process finished it between the look and the lock.
        return Ok(TrialEnd::Skipped);
    }
    folder.clear_failure()?;
    let result = run_locked(job, context, runner, watcher);
    if let Err(error) = &result
        && error.kind != ErrorKind::Interrupted
    {
        let message = error.to_string();
        let failure = Failure { record_version: RECORD_VERSION, message, at: utc_now() };
        // The first error is the one to report; a disk that refuses this too shows up there as well.
        let _ = folder.write_failure(&failure);
    }
    result.map(|outcome| TrialEnd::Done(Box::new(outcome)))
}

fn run_locked(
    job: &Job,
    context: &RunContext,
    runner: &Runner,
    watcher: &dyn ProgressReporter,
) -> Result<Outcome> {
    let metrics = Jsonl::open(&job.folder.metrics())?;
    let watched = watcher.starting(job);
    let sink = Tee(vec![&metrics, watched.as_ref()]);
    let context = TrialContext {
        folder: &job.folder,
        sink: &sink,
        stop: &context.stop,
        device: on_this_thread(&context.device)?,
        env: &context.env,
        experiment: job.experiment,
        profile: job.profile,
        reuse: !context.force,
        pretrain_only: context.pretrain_only,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| runner(job.trial, &context)))
        .unwrap_or_else(|panic| Err(panic_error(job, panic.as_ref())))?;
    metrics.check()?;
    job.folder.write_outcome(&outcome)?;
    Ok(outcome)
}

fn panic_error(job: &Job, panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Error::internal(format!("trial {} ({}) met a bug", job.trial.id, job.trial.label())).because(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use super::*;
    use crate::records::state::TrialState;
    use crate::records::{Event, Silent, Split};
    use crate::run::fixture::{a_trial, an_env, an_outcome};

    struct Quiet;

    impl ProgressReporter for Quiet {
        fn starting(&self, _job: &Job) -> Box<dyn Sink> {
            Box::new(Silent)
        }
        fn ended(&self, _job: &Job, _end: &TrialEnd) {}
        fn stopping(&self) {}
    }

    fn jobs_in<'a>(results: &Path, trials: &'a [Trial]) -> Vec<Job<'a>> {
        let folder = |trial: &Trial| TrialFolder::new(results, "test", &trial.id);
        trials
            .iter()
            .map(|trial| Job { experiment: "test", profile: "quick", trial, folder: folder(trial) })
            .collect()
    }

    fn context(n_at_once: usize, force: bool) -> RunContext {
        let stop = StopFlag::default();
        RunContext { n_at_once, force, pretrain_only: false, device: Device::Cpu, env: an_env(), stop }
    }

    /// A trial that writes two events and ends; an outcome depends on the trial alone.
    fn mock(trial: &Trial, context: &TrialContext) -> Result<Outcome> {
        for step in 1..=2 {
            let values = [("loss".to_string(), trial.spec.seed as f64)].into();
            let event = Event { split: Split::Train, step, tokens: step, flops: 1.0, elapsed_s: 0.0, values };
            context.sink.event(&event);
        }
        Ok(Outcome { tokens: trial.spec.seed, ..an_outcome(&trial.id) })
    }

    fn names(ends: &[TrialEnd]) -> Vec<&'static str> {
        let name = |end: &TrialEnd| match end {
            TrialEnd::Done(_) => "done",
            TrialEnd::Skipped => "skipped",
            TrialEnd::Busy(_) => "busy",
            TrialEnd::Failed(_) => "failed",
            TrialEnd::Interrupted => "interrupted",
            TrialEnd::Pretrained => "pre-trained",
            TrialEnd::NotStarted => "not started",
        };
        ends.iter().map(name).collect()
    }

    #[test]
    fn trials_run_once_and_are_skipped_after() {
        let results = tempfile::tempdir().unwrap();
        let trials = [a_trial(1), a_trial(2)];
        let jobs = jobs_in(results.path(), &trials);
        let ends = execute(&jobs, &context(1, false), &mock, &Quiet).unwrap();
        assert_eq!(names(&ends), ["done", "done"]);
        assert_eq!(jobs[1].folder.outcome().unwrap().unwrap().tokens, 2);
        assert_eq!(jobs[1].folder.events().unwrap().len(), 2);
        let never = |_: &Trial, _: &TrialContext| -> Result<Outcome> { panic!("ran again") };
        let ends = execute(&jobs, &context(1, false), &never, &Quiet).unwrap();
        assert_eq!(names(&ends), ["skipped", "skipped"]);
    }

    #[test]
    fn force_starts_afresh_even_over_damaged_records() {
        let results = tempfile::tempdir().unwrap();
        let trials = [a_trial(1)];
        let jobs = jobs_in(results.path(), &trials);
        execute(&jobs, &context(1, false), &mock, &Quiet).unwrap();
        std::fs::write(jobs[0].folder.path().join("outcome.json"), "{").unwrap();
        let ends = execute(&jobs, &context(1, false), &mock, &Quiet).unwrap();
        assert_eq!(names(&ends), ["failed"], "a damaged record is not written over unasked");
        let ends = execute(&jobs, &context(1, true), &mock, &Quiet).unwrap();
        assert_eq!(names(&ends), ["done"]);
        assert_eq!(jobs[0].folder.events().unwrap().len(), 2, "the old events are gone");
    }

    #[test]
    fn several_at_once_leave_what_one_at_a_time_leaves() {
        let outcomes = |n_at_once| {
            let results = tempfile::tempdir().unwrap();
            let trials: Vec<Trial> = (1..=6).map(a_trial).collect();
            let jobs = jobs_in(results.path(), &trials);
            let ends = execute(&jobs, &context(n_at_once, false), &mock, &Quiet).unwrap();
            let read = |job: &Job| std::fs::read_to_string(job.folder.path().join("outcome.json")).unwrap();
            (ends, jobs.iter().map(read).collect::<Vec<_>>())
        };
        assert_eq!(outcomes(1), outcomes(2));
        assert_eq!(outcomes(1), outcomes(100));
    }

    #[test]
    fn a_failure_says_why_and_stops_nobody() {
        let results = tempfile::tempdir().unwrap();
        let trials = [a_trial(1), a_trial(2), a_trial(3)];
        let jobs = jobs_in(results.path(), &trials);
        let runner = |trial: &Trial, context: &TrialContext| match trial.spec.seed {
            1 => Err(Error::new(ErrorKind::Training, "the loss is NaN at step 7", "lower the rate")),
            2 => panic!("index out of bounds"),
            _ => mock(trial, context),
        };
        let ends = execute(&jobs, &context(1, false), &runner, &Quiet).unwrap();
        assert_eq!(names(&ends), ["failed", "failed", "done"]);
        let failure = jobs[0].folder.failure().unwrap().unwrap();
        assert_eq!(failure.message, "the loss is NaN at step 7\nhint: lower the rate");
        let failure = jobs[1].folder.failure().unwrap().unwrap();
        assert!(failure.message.contains("(seed=2) met a bug: index out of bounds"), "{}", failure.message);
        // Run again, they are tried again, and the old failure is forgotten.
        let ends = execute(&jobs, &context(1, false), &mock, &Quiet).unwrap();
        assert_eq!(names(&ends), ["done", "done", "skipped"]);
        assert_eq!(jobs[0].folder.failure().unwrap(), None);
    }

    #[test]
    fn a_folder_of_another_process_is_left_alone() {
        let results = tempfile::tempdir().unwrap();
        let trials = [a_trial(1), a_trial(2)];
        let jobs = jobs_in(results.path(), &trials);
        let lock = jobs[0].folder.lock().unwrap();
        let ends = execute(&jobs, &context(2, true), &mock, &Quiet).unwrap();
        assert_eq!(names(&ends), ["busy", "done"]);
        assert_eq!(jobs[0].folder.state().unwrap(), TrialState::Running);
        drop(lock);
        assert_eq!(jobs[0].folder.state().unwrap(), TrialState::New, "no failure was written");
    }

    #[test]
    fn an_interrupt_stops_the_running_and_starts_no_other() {
        struct Counting(Mutex<u32>);
        impl ProgressReporter for Counting {
            fn starting(&self, _job: &Job) -> Box<dyn Sink> {
                Box::new(Silent)
            }
            fn ended(&self, _job: &Job, _end: &TrialEnd) {}
            fn stopping(&self) {
                *self.0.lock().unwrap() += 1;
            }
        }
        let results = tempfile::tempdir().unwrap();
        let trials = [a_trial(1), a_trial(2)];
        let jobs = jobs_in(results.path(), &trials);
        let runner = |_: &Trial, context: &TrialContext| {
            std::fs::create_dir_all(context.folder.checkpoint(4)).unwrap();
            context.stop.raise();
            context.stop.check().map(|()| unreachable!())
        };
        let counting = Counting(Mutex::new(0));
        let ends = execute(&jobs, &context(1, false), &runner, &counting).unwrap();
        assert_eq!(names(&ends), ["interrupted", "not started"]);
        assert_eq!(*counting.0.lock().unwrap(), 1);
        assert_eq!(jobs[0].folder.state().unwrap(), TrialState::Partial { step: 4 });
        assert_eq!(jobs[1].folder.state().unwrap(), TrialState::New);
    }
}
