//! Runs whole experiments: chooses the trials, checks disk, device and data, then hands the trials to the
//! executor.
//!
//! All that can be checked before training is checked here, before the first trial writes anything.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::Device;

use super::context::Runner;
use super::device::{DeviceChoice, check_precision, choose};
use super::duration::duration_text;
use super::executor::{Job, ProgressReporter, RunContext, TrialStatus, execute};
use super::finished_inputs::check_finished;
use super::interrupt::StopFlag;
use super::prepare::{Texts, checkpoint_bytes, prepare};
use super::prepared_data::PreparedData;
use super::summary::Summary;
use crate::disk::{check_writable, remove_orphans};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{Experiment, Trial, TrialId};
use crate::flops;
use crate::hub::DataEnv;
use crate::records::folder::TrialFolder;
use crate::records::{Display, Sink, Tee};

/// FLOPs of the largest step that is called small: less than a second on a core.
const SMALL_STEP: f64 = 3e10;

/// Options of a run; none of them changes a number.
pub struct RunOptions {
    /// Folder of all results.
    pub results: PathBuf,
    /// Folder of all reports; a run only checks that it can be written.
    pub reports: PathBuf,
    /// Prefixes of the ids to run; empty runs all.
    pub only: Vec<String>,
    /// Trials at a time; by default as many as there are threads where each of them is small.
    pub n_at_once: Option<usize>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Uses caches only.
    pub offline: bool,
    /// Discards what earlier runs left.
    pub force: bool,
    /// Stops every trial after pre-training.
    pub pretrain_only: bool,
}

/// Runs the experiments' trials and returns how each ended.
///
/// # Errors
/// All that is wrong before the first trial starts: names, folders, device, data. A trial's own error is in
/// its row of the summary.
pub fn run_experiments(
    experiments: &[Experiment],
    options: &RunOptions,
    stop: StopFlag,
    runner: &Runner,
    display: &dyn Display,
) -> Result<Summary> {
    check_names(experiments)?;
    let all = all_jobs(experiments, options);
    let jobs = select(&all, options)?;
    for experiment in experiments {
        let reports = options.reports.join(&experiment.spec.name).join(&experiment.profile);
        remove_orphans(&reports);
        remove_orphans(&options.results.join(&experiment.spec.name));
        check_writable(&reports, 0)?;
    }
    let device = choose(options.device)?;
    // A record that cannot be read is an error of its trial, and is reported with it.
    let is_pending = |job: &&Job| options.force || !matches!(job.folder.outcome(), Ok(Some(_)));
    let pending: Vec<&Trial> = jobs.iter().filter(is_pending).map(|job| job.trial).collect();
    check_precision(&device, pending.iter().copied())?;
    let mut env = DataEnv::new(options.offline)?;
    let stopping = stop.clone();
    env.hub.stop_when(move || stopping.is_raised());
    let progress = display.watch("data");
    let sink = Tee(vec![&*progress, &stop]);
    let (data, n_at_once) = prepare_pending(experiments, &pending, options, &device, &env, &sink)?;
    // A table has the trials that this run leaves out too.
    let is_kept = |job: &&Job| {
        let is_renewed = options.force && jobs.iter().any(|chosen| chosen.folder.path() == job.folder.path());
        !is_renewed && matches!(job.folder.outcome(), Ok(Some(_)))
    };
    let finished: Vec<&Job> = all.iter().filter(is_kept).collect();
    if !finished.is_empty() {
        check_finished(&finished, &data, &sink)?;
    }
    let RunOptions { force, pretrain_only, .. } = *options;
    let context = RunContext { n_at_once, force, pretrain_only, device, data, stop };
    let reporter = DisplayReporter { display, n_jobs: jobs.len(), n_ended: AtomicUsize::new(0) };
    let statuses = context.stop.defer_signals(|| execute(&jobs, &context, runner, &reporter))?;
    Ok(Summary::new(&jobs, statuses))
}

/// Opens the data of the trials that are to run, after checking that there is room for their checkpoints;
/// with the number of trials at a time.
fn prepare_pending(
    experiments: &[Experiment],
    pending: &[&Trial],
    options: &RunOptions,
    device: &Device,
    env: &DataEnv,
    sink: &dyn Sink,
) -> Result<(PreparedData, usize)> {
    remove_orphans_below(&env.cache);
    if pending.is_empty() {
        return Ok((PreparedData::default(), 1));
    }
    let texts = Texts::new(pending.iter().copied(), env);
    let n_at_once = match options.n_at_once {
        Some(n) => n,
        None if device.is_cpu() && are_small(pending, &texts, sink)? => rayon::current_num_threads(),
        None => 1,
    };
    let needed_bytes = checkpoint_bytes(pending, &texts, n_at_once, sink)?;
    for experiment in experiments {
        check_writable(&options.results.join(&experiment.spec.name), needed_bytes)?;
    }
    Ok((prepare(pending, &texts, env, options.pretrain_only, sink)?, n_at_once))
}

/// Deletes what killed processes were writing into the folders of the cache.
fn remove_orphans_below(cache: &Path) {
    for folder in std::fs::read_dir(cache).into_iter().flatten().flatten() {
        remove_orphans(&folder.path());
    }
}

/// Whether a step of each trial is so short that a thread of its own serves it better than all threads do.
fn are_small(trials: &[&Trial], texts: &Texts, sink: &dyn Sink) -> Result<bool> {
    for spec in trials.iter().map(|trial| &trial.spec) {
        if spec.published.is_some() {
            return Ok(false);
        }
        let vocab = texts.vocab_size(spec, sink)?;
        if flops::train_flops_per_step(spec, vocab, spec.train.steps.max(1)) > SMALL_STEP {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses two experiments with the same name: they would share folders and overwrite each other's report.
fn check_names(experiments: &[Experiment]) -> Result<()> {
    for (index, experiment) in experiments.iter().enumerate() {
        let name = &experiment.spec.name;
        let Some(first) = experiments.iter().take(index).find(|earlier| earlier.spec.name == *name) else {
            continue;
        };
        return Err(Error::new(
            ErrorKind::Spec,
            format!(
                "{} and {} both have the name {name}, so their results and reports would share a folder",
                first.path.display(),
                experiment.path.display()
            ),
            "give one of them another `name`, or run them separately with other --results and --reports",
        ));
    }
    Ok(())
}

/// All trials of the experiments, each once.
fn all_jobs<'a>(experiments: &'a [Experiment], options: &RunOptions) -> Vec<Job<'a>> {
    let jobs = experiments.iter().flat_map(|experiment| {
        experiment.all_trials().map(|trial| Job {
            experiment: &experiment.spec.name,
            profile: &experiment.profile,
            trial,
            folder: TrialFolder::new(&options.results, &experiment.spec.name, &trial.id),
        })
    });
    let mut jobs: Vec<Job> = jobs.collect();
    // A longer trial continues from a shorter one on the same schedule, so the shorter ones come first.
    jobs.sort_by(|one, other| one.trial.spec.train.stop_at.total_cmp(&other.trial.spec.train.stop_at));
    // Two points of a sweep, or two files, may name the same trial: it runs once.
    let mut seen = std::collections::BTreeSet::new();
    jobs.retain(|job| seen.insert(job.folder.path().to_path_buf()));
    jobs
}

/// The trials whose id starts with one of the prefixes of `--only`; all without prefixes.
fn select<'a>(jobs: &[Job<'a>], options: &RunOptions) -> Result<Vec<Job<'a>>> {
    for prefix in &options.only {
        check_only(prefix, jobs.iter().map(|job| &job.trial.id))?;
    }
    let chosen = |job: &Job| {
        options.only.is_empty() || options.only.iter().any(|prefix| job.trial.id.0.starts_with(prefix))
    };
    Ok(jobs.iter().filter(|job| chosen(job)).cloned().collect())
}

/// Refuses a prefix of `--only` with which no trial id starts.
pub fn check_only<'a>(prefix: &str, ids: impl Iterator<Item = &'a TrialId>) -> Result<()> {
    // Every id starts with the empty prefix: an unset shell variable must not run all trials.
    if prefix.is_empty() {
        return Err(Error::new(
            ErrorKind::Spec,
            "--only '' names no trial",
            "give the beginning of an id, as `electra-lab plan` shows it, or leave --only out",
        ));
    }
    let ids: Vec<&str> = ids.map(|id| id.0.as_str()).collect();
    if !ids.iter().any(|id| id.starts_with(prefix)) {
        return Err(Error::new(
            ErrorKind::Spec,
            format!("--only {prefix}: no trial id starts with {prefix}; available: {}", ids.join(", ")),
            "`electra-lab plan` shows which id belongs to which point",
        ));
    }
    Ok(())
}

/// Shows the progress of a run on a display.
struct DisplayReporter<'a> {
    display: &'a dyn Display,
    n_jobs: usize,
    n_ended: AtomicUsize,
}

impl ProgressReporter for DisplayReporter<'_> {
    fn starting(&self, job: &Job) -> Box<dyn Sink> {
        self.display.watch(&job.trial.label())
    }

    fn ended(&self, job: &Job, status: &TrialStatus) {
        let number = self.n_ended.fetch_add(1, Ordering::SeqCst) + 1;
        let words = match status {
            TrialStatus::Done(outcome) => {
                format!("done in {}", duration_text(outcome.timing.pretrain_s + outcome.timing.finetune_s))
            }
            TrialStatus::Skipped => "done before".into(),
            TrialStatus::Busy(error) => format!("{}; {}", error.message, error.hint),
            TrialStatus::Failed(error) => format!("failed: {}", error.message),
            TrialStatus::Interrupted => "stopped; the same command continues it".into(),
            TrialStatus::Pretrained => "pre-trained; a run without --pretrain-only fine-tunes it".into(),
            TrialStatus::NotStarted => return,
        };
        let (id, label) = (&job.trial.id, job.trial.label());
        self.display.say(&format!("[{number}/{}] {id} {label}: {words}", self.n_jobs));
    }

    fn stopping(&self) {
        self.display
            .say("stopping: the running trials save their state first; press Ctrl-C again to exit at once");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::context::{TrialContext, TrialRun};
    use crate::run::fixture::{Transcript, an_experiment, an_outcome};

    fn options(results: &Path, only: &[&str]) -> RunOptions {
        RunOptions {
            results: results.join("results"),
            reports: results.join("reports"),
            only: only.iter().map(|&prefix| prefix.into()).collect(),
            n_at_once: Some(1),
            device: DeviceChoice::Cpu,
            offline: true,
            force: false,
            pretrain_only: false,
        }
    }

    fn mock(trial: &Trial, context: &TrialContext) -> Result<TrialRun> {
        match trial.spec.seed {
            2 => Err(Error::new(ErrorKind::Training, "the loss is NaN", "lower the rate")),
            3 => {
                context.stop.raise();
                Ok(TrialRun::Interrupted)
            }
            _ => Ok(TrialRun::Done(an_outcome(&trial.id))),
        }
    }

    #[test]
    fn each_end_of_a_trial_is_reported() {
        let results = tempfile::tempdir().unwrap();
        let display = Transcript::default();
        let experiments = [an_experiment(&[1, 2, 3, 4])];
        let options = options(results.path(), &[]);
        let summary = run_experiments(&experiments, &options, StopFlag::default(), &mock, &display).unwrap();
        assert_eq!(summary.sentence(), "1 done, 1 failed, 1 interrupted, 1 not started");
        let text = display.text();
        // When the main thread sees the request to stop depends on the clock.
        assert!(text.contains("stopping: the running trials save their state first"), "{text}");
        let mut shown: String =
            text.lines().filter(|line| line.starts_with('[')).map(|line| format!("{line}\n")).collect();
        for trial in &experiments[0].trials {
            shown = shown.replace(&trial.id.0, "ID");
        }
        insta::assert_snapshot!(shown, @r"
        [1/4] ID seed=1: done in 2m 00s
        [2/4] ID seed=2: failed: the loss is NaN
        [3/4] ID seed=3: stopped; the same command continues it
        ");
    }

    /// A run with nothing to do cleans up as well as any other.
    #[cfg(unix)]
    #[test]
    fn what_a_killed_run_was_writing_is_deleted_though_all_is_done() {
        let results = tempfile::tempdir().unwrap();
        let (experiments, options) = ([an_experiment(&[1])], options(results.path(), &[]));
        let run = || {
            let display = Transcript::default();
            run_experiments(&experiments, &options, StopFlag::default(), &mock, &display).unwrap().sentence()
        };
        run();
        let folder = options.results.join("test");
        let gone =
            std::process::Command::new("true").spawn().and_then(|mut child| child.wait().map(|_| child.id()));
        let left = folder.join(format!(".writing-{}-{}-a.tmp", crate::disk::machine(), gone.unwrap()));
        std::fs::write(&left, "half").unwrap();
        run();
        assert!(!left.exists());
    }

    #[test]
    fn trials_of_the_quick_profile_are_small_and_those_of_size_small_are_not() {
        use crate::experiment::{ModelSize, TrialSpec};
        use crate::run::fixture::{a_trial, an_env};
        let with = |change: &dyn Fn(&mut TrialSpec)| {
            let mut trial = a_trial(1);
            trial.spec.train.steps = 100;
            change(&mut trial.spec);
            let env = an_env();
            are_small(&[&trial], &Texts::new([&trial], &env), &crate::records::Silent).unwrap()
        };
        assert!(with(&|spec| (spec.train.batch, spec.train.seq_len) = (32, 16)));
        assert!(!with(&|spec| {
            (spec.train.batch, spec.train.seq_len, spec.model.size) = (128, 128, ModelSize::Small);
        }));
    }

    #[test]
    fn only_takes_prefixes_of_ids() {
        let results = tempfile::tempdir().unwrap();
        let experiments = [an_experiment(&[1, 4])];
        let select = |options: &RunOptions| -> Result<Vec<String>> {
            let jobs = select(&all_jobs(&experiments, options), options)?;
            Ok(jobs.iter().map(|job| job.trial.id.0.clone()).collect())
        };
        assert_eq!(select(&options(results.path(), &[])).unwrap().len(), 2);
        let wanted = &experiments[0].trials[1].id.0;
        let chosen = options(results.path(), &[&wanted[..6]]);
        assert_eq!(select(&chosen).unwrap(), std::slice::from_ref(wanted));
        let error = select(&options(results.path(), &["xyz"])).err().unwrap();
        assert!(error.message.starts_with("--only xyz: no trial id starts with xyz; available: "), "{error}");
        let error = select(&options(results.path(), &[&wanted[..6], ""])).err().unwrap();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Spec, "--only '' names no trial"));
    }

    #[test]
    fn two_experiments_with_the_same_name_are_refused() {
        let (first, mut second) = (an_experiment(&[1]), an_experiment(&[2]));
        second.path = "copy.yaml".into();
        let mut experiments = [first, second];
        let error = check_names(&experiments).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Spec);
        assert!(error.message.starts_with("test.yaml and copy.yaml both have the name test, "), "{error}");
        experiments[1].spec.name = "other".into();
        check_names(&experiments).unwrap();
    }

    #[test]
    fn a_busy_trial_has_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path(), &[]);
        let experiments = [an_experiment(&[1])];
        let trial = TrialFolder::new(&options.results, "test", &experiments[0].trials[0].id);
        let _other = trial.lock().unwrap();
        let display = Transcript::default();
        run_experiments(&experiments, &options, StopFlag::default(), &mock, &display).unwrap();
        let text = display.text();
        assert!(
            text.contains("; wait for it (`electra-lab status` shows how far it is), or stop it"),
            "{text}"
        );
    }

    #[test]
    fn folders_that_cannot_be_written_stop_the_run_before_it_starts() {
        let never = |_: &Trial, _: &TrialContext| -> Result<TrialRun> { panic!("ran") };
        let display = Transcript::default();
        let experiments = [an_experiment(&[1])];
        for name in ["results", "reports"] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(name);
            std::fs::write(&file, "").unwrap();
            let options = options(folder.path(), &[]);
            let error =
                run_experiments(&experiments, &options, StopFlag::default(), &never, &display).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Storage);
            assert!(error.message.contains(&file.display().to_string()), "{error}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a folder was left");
        }
    }
}
