//! Runs a list of trials, some at a time.
//!
//! A finished trial is skipped, an unfinished one continues, a failed one leaves `failure.json` and does not
//! stop the others, a folder that another process has locked is left alone. Must never: know how a trial
//! works; that is a [`Runner`].

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use candle_core::Device;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::context::{Runner, TrialContext, TrialRun};
use super::device::on_this_thread;
use super::interrupt::StopFlag;
use super::prepared_data::PreparedData;
use super::provenance::utc_now;
use super::queue::Queue;
use crate::error::{Error, ErrorKind, Result, is_lack_of_threads, lack_of_threads};
use crate::experiment::Trial;
use crate::records::folder::TrialFolder;
use crate::records::{Failure, Jsonl, Outcome, RECORD_VERSION, Sink, Tee};

/// Stack of a worker: backward passes recurse through the graph, deeper than the default 2 MiB allows.
const STACK_BYTES: usize = 64 << 20;

/// How often the executor checks the request to stop.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// One trial to run.
#[derive(Clone)]
pub struct Job<'a> {
    /// Name of its experiment.
    pub experiment: &'a str,
    /// Name of the profile.
    pub profile: &'a str,
    /// The trial to run.
    pub trial: &'a Trial,
    /// Its folder of results.
    pub folder: TrialFolder,
}

/// What the trials of a run share.
pub struct RunContext {
    /// Trials at a time.
    pub n_at_once: usize,
    /// Discards what earlier runs left.
    pub force: bool,
    /// Stops every trial after pre-training.
    pub pretrain_only: bool,
    /// Where tensors live.
    pub device: Device,
    /// The data of all trials.
    pub data: PreparedData,
    /// Asks the trials to stop.
    pub stop: StopFlag,
}

/// How one trial of a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialStatus {
    /// It ran to its end.
    Done(Box<Outcome>),
    /// It was done before.
    Skipped,
    /// Another process runs it.
    Busy(Error),
    /// It stopped with an error.
    Failed(Error),
    /// It stopped on request; the same command continues it.
    Interrupted,
    /// It is pre-trained, and the run asked for no more.
    Pretrained,
    /// The request to stop came before its turn.
    NotStarted,
}

impl From<TrialRun> for TrialStatus {
    fn from(run: TrialRun) -> Self {
        match run {
            TrialRun::Done(outcome) => Self::Done(Box::new(outcome)),
            TrialRun::Pretrained => Self::Pretrained,
            TrialRun::Interrupted => Self::Interrupted,
        }
    }
}

/// Reports a run while it goes.
pub trait ProgressReporter: Sync {
    /// A trial begins; its metrics and progress go to the returned sink.
    fn starting(&self, job: &Job) -> Box<dyn Sink>;
    /// A trial ended.
    fn ended(&self, job: &Job, status: &TrialStatus);
    /// The run was asked to stop.
    fn stopping(&self);
}

/// Runs the jobs and returns how each ended, in the order of the jobs.
///
/// # Errors
/// A worker cannot be started.
pub fn execute(
    jobs: &[Job],
    context: &RunContext,
    runner: &Runner,
    reporter: &dyn ProgressReporter,
) -> Result<Vec<TrialStatus>> {
    let mut statuses = vec![TrialStatus::NotStarted; jobs.len()];
    let queue = Queue::new(&jobs.iter().map(|job| &job.trial.spec).collect::<Vec<_>>());
    let n_workers = context.n_at_once.clamp(1, jobs.len().max(1));
    let pools: Vec<Option<ThreadPool>> =
        (0..n_workers).map(|_| threads_of_a_worker(n_workers)).collect::<Result<_>>()?;
    std::thread::scope(|scope| -> Result<()> {
        let (sender, receiver) = mpsc::channel();
        for (index, threads) in pools.iter().enumerate() {
            let (sender, queue) = (sender.clone(), &queue);
            let take_jobs = move || worker(jobs, queue, context, runner, reporter, sender);
            let work = move || match threads {
                Some(threads) => threads.install(take_jobs),
                None => take_jobs(),
            };
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
        collect(&receiver, &mut statuses, &context.stop, reporter);
        Ok(())
    })?;
    Ok(statuses)
}

/// The share of the machine's threads that one of several workers computes with; None for a single worker,
/// which has all of them. Small trials on a thread each are faster than small trials that share their
/// threads.
fn threads_of_a_worker(n_workers: usize) -> Result<Option<ThreadPool>> {
    if n_workers == 1 {
        return Ok(None);
    }
    let n_threads = (rayon::current_num_threads() / n_workers).max(1);
    let pool = ThreadPoolBuilder::new().num_threads(n_threads).stack_size(STACK_BYTES).build();
    pool.map(Some).map_err(|error| {
        let what = format!("cannot start the threads of {n_workers} trials at a time");
        Error::new(ErrorKind::Device, what, "pass a smaller --jobs").because(error)
    })
}

/// Receives how each job ended until all workers are gone, and reports a request to stop once.
fn collect(
    receiver: &Receiver<(usize, TrialStatus)>,
    statuses: &mut [TrialStatus],
    stop: &StopFlag,
    reporter: &dyn ProgressReporter,
) {
    let mut is_reported = false;
    loop {
        match receiver.recv_timeout(CHECK_EVERY) {
            Ok((index, status)) => {
                if let Some(slot) = statuses.get_mut(index) {
                    *slot = status;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if stop.is_raised() && !is_reported {
            is_reported = true;
            reporter.stopping();
        }
    }
}

/// Takes one job after the other until none is left or the run is asked to stop.
fn worker(
    jobs: &[Job],
    queue: &Queue,
    context: &RunContext,
    runner: &Runner,
    reporter: &dyn ProgressReporter,
    sender: Sender<(usize, TrialStatus)>,
) {
    while let Some(taken) = queue.take() {
        // Asked now: a worker may have waited for a trial that was asked to stop.
        let Some(job) = jobs.get(taken.index).filter(|_| !context.stop.is_raised()) else { return };
        let status = run_job(job, context, runner, reporter).unwrap_or_else(|error| match error.kind {
            ErrorKind::Busy => TrialStatus::Busy(error),
            _ => TrialStatus::Failed(error),
        });
        reporter.ended(job, &status);
        // The receiver outlives the workers.
        let _ = sender.send((taken.index, status));
    }
}

fn run_job(
    job: &Job,
    context: &RunContext,
    runner: &Runner,
    reporter: &dyn ProgressReporter,
) -> Result<TrialStatus> {
    let folder = &job.folder;
    if !context.force && folder.outcome()?.is_some() {
        return Ok(TrialStatus::Skipped);
    }
    let lock = folder.lock()?;
    if context.force {
        folder.discard(&lock)?;
    } else if folder.outcome()?.is_some() {
        // Another process finished it before the lock was ours.
        return Ok(TrialStatus::Skipped);
    }
    folder.clear_failure()?;
    let result = run_locked(job, context, runner, reporter);
    if let Err(error) = &result {
        let message = error.to_string();
        let failure = Failure { record_version: RECORD_VERSION, message, at: utc_now() };
        // The trial's error is the one to report, also where the disk refuses this file.
        let _ = folder.write_failure(&failure);
    }
    result.map(TrialStatus::from)
}

fn run_locked(
    job: &Job,
    context: &RunContext,
    runner: &Runner,
    reporter: &dyn ProgressReporter,
) -> Result<TrialRun> {
    let metrics = Jsonl::open(&job.folder.metrics())?;
    let reported = reporter.starting(job);
    let sink = Tee(vec![&metrics, reported.as_ref()]);
    let context = TrialContext {
        folder: &job.folder,
        sink: &sink,
        stop: &context.stop,
        device: on_this_thread(&context.device)?,
        data: &context.data,
        experiment: job.experiment,
        profile: job.profile,
        reuse: !context.force,
        pretrain_only: context.pretrain_only,
    };
    let run = catch_unwind(AssertUnwindSafe(|| runner(job.trial, &context)))
        .unwrap_or_else(|panic| Err(panic_error(job, panic.as_ref())))?;
    metrics.check()?;
    if let TrialRun::Done(outcome) = &run {
        job.folder.write_outcome(outcome)?;
    }
    Ok(run)
}

fn panic_error(job: &Job, panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    if is_lack_of_threads(text) {
        return lack_of_threads();
    }
    Error::internal(format!("trial {} ({}) panicked", job.trial.id, job.trial.label())).because(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::records::state::TrialState;
    use crate::records::{Event, Silent, Split};
    use crate::run::fixture::{a_trial, an_outcome};

    struct Quiet;

    impl ProgressReporter for Quiet {
        fn starting(&self, _job: &Job) -> Box<dyn Sink> {
            Box::new(Silent)
        }
        fn ended(&self, _job: &Job, _status: &TrialStatus) {}
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
        let data = PreparedData::default();
        RunContext { n_at_once, force, pretrain_only: false, device: Device::Cpu, data, stop }
    }

    /// A trial that writes two events; its outcome depends on the trial alone.
    fn mock(trial: &Trial, context: &TrialContext) -> Result<TrialRun> {
        for step in 1..=2 {
            let values = [("loss".to_string(), trial.spec.seed as f64)].into();
            let event = Event { split: Split::Train, step, tokens: step, flops: 1.0, elapsed_s: 0.0, values };
            context.sink.event(&event);
        }
        Ok(TrialRun::Done(Outcome { tokens: trial.spec.seed, ..an_outcome(&trial.id) }))
    }

    fn names(statuses: &[TrialStatus]) -> Vec<&'static str> {
        let name = |status: &TrialStatus| match status {
            TrialStatus::Done(_) => "done",
            TrialStatus::Skipped => "skipped",
            TrialStatus::Busy(_) => "busy",
            TrialStatus::Failed(_) => "failed",
            TrialStatus::Interrupted => "interrupted",
            TrialStatus::Pretrained => "pre-trained",
            TrialStatus::NotStarted => "not started",
        };
        statuses.iter().map(name).collect()
    }

    #[test]
    fn trials_run_once_and_are_skipped_after() {
        let results = tempfile::tempdir().unwrap();
        let trials = [a_trial(1), a_trial(2)];
        let jobs = jobs_in(results.path(), &trials);
        let statuses = execute(&jobs, &context(1, false), &mock, &Quiet).unwrap();
        assert_eq!(names(&statuses), ["done", "done"]);
        assert_eq!(jobs[1].folder.outcome().unwrap().unwrap().tokens, 2);
        assert_eq!(jobs[1].folder.events().unwrap().len(), 2);
        let never = |_: &Trial, _: &TrialContext| -> Result<TrialRun> { panic!("ran again") };
        let statuses = execute(&jobs, &context(1, false), &never, &Quiet).unwrap();
        assert_eq!(names(&statuses), ["skipped", "skipped"]);
    }

    #[test]
    fn force_starts_afresh_even_over_damaged_records() {
        let results = tempfile::tempdir().unwrap();
        let trials = [a_trial(1)];
        let jobs = jobs_in(results.path(), &trials);
        execute(&jobs, &context(1, false), &mock, &Quiet).unwrap();
        std::fs::write(jobs[0].folder.path().join("outcome.json"), "{").unwrap();
        let statuses = execute(&jobs, &context(1, false), &mock, &Quiet).unwrap();
        assert_eq!(names(&statuses), ["failed"], "a damaged record is not written over unasked");
        let statuses = execute(&jobs, &context(1, true), &mock, &Quiet).unwrap();
        assert_eq!(names(&statuses), ["done"]);
        assert_eq!(jobs[0].folder.events().unwrap().len(), 2, "the old events are gone");
    }

    #[test]
    fn several_at_once_leave_what_one_at_a_time_leaves() {
        let outcomes = |n_at_once| {
            let results = tempfile::tempdir().unwrap();
            let trials: Vec<Trial> = (1..=6).map(a_trial).collect();
            let jobs = jobs_in(results.path(), &trials);
            let statuses = execute(&jobs, &context(n_at_once, false), &mock, &Quiet).unwrap();
            let read = |job: &Job| std::fs::read_to_string(job.folder.path().join("outcome.json")).unwrap();
            (statuses, jobs.iter().map(read).collect::<Vec<_>>())
        };
        assert_eq!(outcomes(1), outcomes(2));
        assert_eq!(outcomes(1), outcomes(100));
    }

    #[test]
    fn workers_divide_the_threads_among_them() {
        let all = rayon::current_num_threads();
        let seen = |n_at_once| {
            let results = tempfile::tempdir().unwrap();
            let trials = [a_trial(1), a_trial(2)];
            let n_threads = AtomicUsize::new(0);
            let runner = |trial: &Trial, context: &TrialContext| {
                n_threads.store(rayon::current_num_threads(), Ordering::Relaxed);
                mock(trial, context)
            };
            execute(&jobs_in(results.path(), &trials), &context(n_at_once, false), &runner, &Quiet).unwrap();
            n_threads.into_inner()
        };
        assert_eq!((seen(1), seen(2)), (all, (all / 2).max(1)));
    }

    #[test]
    fn a_failure_is_recorded_and_stops_no_other_trial() {
        let results = tempfile::tempdir().unwrap();
        let trials = [a_trial(1), a_trial(2), a_trial(3)];
        let jobs = jobs_in(results.path(), &trials);
        let runner = |trial: &Trial, context: &TrialContext| match trial.spec.seed {
            1 => Err(Error::new(ErrorKind::Training, "the loss is NaN at step 7", "lower the rate")),
            2 => panic!("index out of bounds"),
            _ => mock(trial, context),
        };
        let statuses = execute(&jobs, &context(1, false), &runner, &Quiet).unwrap();
        assert_eq!(names(&statuses), ["failed", "failed", "done"]);
        let failure = jobs[0].folder.failure().unwrap().unwrap();
        assert_eq!(failure.message, "the loss is NaN at step 7\nhint: lower the rate");
        let failure = jobs[1].folder.failure().unwrap().unwrap();
        assert!(failure.message.contains("(seed=2) panicked: index out of bounds"), "{}", failure.message);
        // Another run tries them again and removes the old failure.
        let statuses = execute(&jobs, &context(1, false), &mock, &Quiet).unwrap();
        assert_eq!(names(&statuses), ["done", "done", "skipped"]);
        assert_eq!(jobs[0].folder.failure().unwrap(), None);
    }

    #[test]
    fn a_folder_of_another_process_is_left_alone() {
        let results = tempfile::tempdir().unwrap();
        let trials = [a_trial(1), a_trial(2)];
        let jobs = jobs_in(results.path(), &trials);
        let lock = jobs[0].folder.lock().unwrap();
        let statuses = execute(&jobs, &context(2, true), &mock, &Quiet).unwrap();
        assert_eq!(names(&statuses), ["busy", "done"]);
        assert_eq!(jobs[0].folder.state().unwrap(), TrialState::Running);
        drop(lock);
        assert_eq!(jobs[0].folder.state().unwrap(), TrialState::New, "no failure was written");
    }

    #[test]
    fn a_pretrained_trial_has_no_outcome_and_is_run_again() {
        let results = tempfile::tempdir().unwrap();
        let trials = [a_trial(1)];
        let jobs = jobs_in(results.path(), &trials);
        let pretrained = |_: &Trial, _: &TrialContext| Ok(TrialRun::Pretrained);
        let statuses = execute(&jobs, &context(1, false), &pretrained, &Quiet).unwrap();
        assert_eq!(names(&statuses), ["pre-trained"]);
        assert_eq!((jobs[0].folder.outcome().unwrap(), jobs[0].folder.failure().unwrap()), (None, None));
        let statuses = execute(&jobs, &context(1, false), &mock, &Quiet).unwrap();
        assert_eq!(names(&statuses), ["done"]);
    }

    #[test]
    fn an_interrupt_stops_the_running_trials_and_starts_no_other() {
        struct Counting(Mutex<u32>);
        impl ProgressReporter for Counting {
            fn starting(&self, _job: &Job) -> Box<dyn Sink> {
                Box::new(Silent)
            }
            fn ended(&self, _job: &Job, _status: &TrialStatus) {}
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
            Ok(TrialRun::Interrupted)
        };
        let counting = Counting(Mutex::new(0));
        let statuses = execute(&jobs, &context(1, false), &runner, &counting).unwrap();
        assert_eq!(names(&statuses), ["interrupted", "not started"]);
        assert_eq!(*counting.0.lock().unwrap(), 1);
        assert_eq!(jobs[0].folder.state().unwrap(), TrialState::Partial { step: 4 });
        assert_eq!(jobs[1].folder.state().unwrap(), TrialState::New);
    }
}
