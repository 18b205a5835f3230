//! Made-up records of a sweep, for the tests of this folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::axes::Axes;
use super::frame::PlanFrames;
use super::input::{ReportInput, ReportSummary};
use super::plan_records::PlanRecords;
use super::statistics::{Summary, summarise};
use super::values::Measurements;
use super::verdict::{Verdict, judge};
use crate::experiment::{
    Control, DataSpec, EvaluateSpec, ExpectSpec, ExperimentSpec, Masking, ModelSpec, ObjectiveSpec,
    PairSetSpec, ReportSpec, TaskName, TrainSpec, Trial, TrialSpec, controls,
};
use crate::records::{
    DataProvenance, Event, Jsonl, Measure, Outcome, Provenance, RECORD_VERSION, Score, Sink, Split, Timing,
    TrialFolder, TrialRecord,
};
use crate::rng::{Purpose, Stream};

/// A trial of a point of any sweep; its specification carries the seed and the few paths named here.
pub fn trial(seed: u64, point: Vec<(String, Value)>) -> Trial {
    let at = |name: &str| point.iter().find(|(path, _)| path == name).map(|(_, value)| value);
    let generator_ratio = at("model.generator_ratio").and_then(Value::as_f64).unwrap_or(0.25);
    let hidden = at("model.hidden").and_then(Value::as_u64).map(|hidden| hidden as usize);
    let model = ModelSpec { generator_ratio, hidden, ..ModelSpec::default() };
    let objective = match at("objective.kind").and_then(Value::as_str) {
        Some("mlm") => ObjectiveSpec::Mlm { mask_fraction: 0.15, masking: Masking::Paper },
        _ => ObjectiveSpec::default(),
    };
    let steps = at("train.steps").and_then(Value::as_u64).unwrap_or(200);
    let seq_len = at("train.seq_len").and_then(Value::as_u64).map(|length| length as usize);
    let train = TrainSpec::default();
    let train = TrainSpec { steps, seq_len: seq_len.unwrap_or(train.seq_len), ..train };
    let tasks = vec![TaskName::Rte, TaskName::Cola];
    let spec = TrialSpec {
        seed,
        model,
        objective,
        data: DataSpec::default(),
        train,
        published: None,
        init: Default::default(),
        evaluate: EvaluateSpec { tasks, finetune_seeds: 3, ..EvaluateSpec::default() },
        control: None,
    };
    Trial { id: spec.id(), point: point.into_iter().collect(), spec }
}

/// A finished experiment on disk: 3 generator ratios × 2 seeds × 2 tasks × 3 fine-tuning seeds.
pub struct Fixture {
    folder: tempfile::TempDir,
    pub experiment: ExperimentSpec,
    pub trials: Vec<Trial>,
    pub controls: Vec<Trial>,
}

impl Fixture {
    pub fn new() -> Self {
        Self::sweep(&[0.25, 0.5, 1.0], &[1, 2])
    }

    pub fn sweep(ratios: &[f64], seeds: &[u64]) -> Self {
        let points = ratios.iter().map(|ratio| vec![("model.generator_ratio".into(), json!(ratio))]);
        let report = ReportSpec { x: "model.generator_ratio".into(), log_x: true, ..ReportSpec::default() };
        Self::of(points.collect(), seeds, report)
    }

    /// Any points, each with every seed.
    pub fn of(points: Vec<Vec<(String, Value)>>, seeds: &[u64], report: ReportSpec) -> Self {
        let experiment = ExperimentSpec {
            name: "gen_ratio".into(),
            about: "Does a generator of 1/4 to 1/2 the discriminator's width work best?".into(),
            expect: ExpectSpec {
                shape: "best at 0.25 to 0.5, worse at 1.0".into(),
                best_at: vec![json!(0.25), json!(0.5)],
                source: "ELECTRA, Figure 3 left".into(),
                ..ExpectSpec::default()
            },
            seeds: seeds.to_vec(),
            report,
            ..Default::default()
        };
        let trials: Vec<Trial> =
            points.iter().flat_map(|point| seeds.iter().map(|seed| trial(*seed, point.clone()))).collect();
        let folder = tempfile::tempdir().unwrap();
        let fixture = Self { folder, experiment, trials, controls: Vec::new() };
        for trial in &fixture.trials {
            fixture.write(trial, &outcome(trial));
        }
        fixture
    }

    /// Three ratios × three seeds with minimal pairs, a probe and all controls, which the made-up encoders
    /// beat.
    pub fn with_controls() -> Self {
        Self::with_controls_of(&[1, 2, 3])
    }

    /// The same with other seeds.
    pub fn with_controls_of(seeds: &[u64]) -> Self {
        Self::sweep(&[0.25, 0.5, 1.0], seeds).and_controls()
    }

    /// Two widths × two objectives × three seeds with all controls, so that there are two encoders.
    pub fn with_widths() -> Self {
        let point = |kind: &str, hidden: u64| {
            vec![("objective.kind".to_string(), json!(kind)), ("model.hidden".to_string(), json!(hidden))]
        };
        let points = vec![point("rtd", 64), point("mlm", 64), point("rtd", 128), point("mlm", 128)];
        let report =
            ReportSpec { x: "model.hidden".into(), series: "objective.kind".into(), ..ReportSpec::default() };
        Self::of(points, &[1, 2, 3], report).and_controls()
    }

    /// The same with minimal pairs, a probe and all controls.
    pub fn and_controls(self) -> Self {
        let mut fixture = self;
        for trial in &mut fixture.trials {
            trial.spec.evaluate.minimal_pairs = vec![PairSetSpec::Language { pairs: 4000 }];
            trial.spec.evaluate.probe.tasks = vec![TaskName::Cola];
            trial.id = trial.spec.id();
        }
        fixture.controls = controls(&fixture.trials);
        for trial in fixture.trials.iter().chain(&fixture.controls) {
            fixture.write(trial, &measured(trial));
        }
        fixture
    }

    pub fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    /// Builds the report into `out`.
    pub fn build(&self) -> crate::error::Result<ReportSummary> {
        self.with_input(super::build)
    }

    fn with_input<T>(&self, use_it: impl FnOnce(&ReportInput) -> T) -> T {
        use_it(&ReportInput {
            experiment: &self.experiment,
            profile: "quick",
            trials: &self.trials,
            controls: &self.controls,
            results: &self.results(),
            out: &self.out(),
            command: "electra-lab report experiments/gen_ratio.yaml --profile quick",
        })
    }

    /// The layout of the sweep.
    pub fn axes(&self) -> Axes {
        Axes::new(&self.experiment.report, &self.trials)
    }

    /// The records of the finished trials.
    pub fn records(&self) -> PlanRecords<'_> {
        PlanRecords::read(&self.results(), &self.trials)
    }

    /// The same as frames.
    pub fn frames(&self) -> PlanFrames {
        self.frames_of(&self.records())
    }

    fn frames_of(&self, records: &PlanRecords) -> PlanFrames {
        let done: Vec<_> = records.done.iter().collect();
        self.with_input(|input| PlanFrames::of(input, &self.axes(), &done).unwrap())
    }

    /// The numbers of the report.
    pub fn summary(&self) -> Summary {
        let control_records = PlanRecords::read(&self.results(), &self.controls);
        let measurements = Measurements {
            experiment: &self.experiment,
            trials: &self.trials,
            frames: &self.frames(),
            controls: &self.controls,
            control_records: &control_records,
            control_frames: &self.frames_of(&control_records),
        };
        summarise(&self.axes(), &measurements).unwrap()
    }

    /// The verdict of the report.
    pub fn verdict(&self) -> Verdict {
        judge(&self.experiment, &self.axes(), &self.summary(), &self.frames()).unwrap()
    }

    pub fn write(&self, trial: &Trial, outcome: &Outcome) {
        let folder = TrialFolder::within(&self.results(), &trial.id);
        fs::create_dir_all(folder.path()).unwrap();
        let record = TrialRecord {
            record_version: RECORD_VERSION,
            id: trial.id.clone(),
            experiment: "gen_ratio".into(),
            profile: "quick".into(),
            point: trial.point.clone(),
            spec: trial.spec.clone(),
            provenance: provenance(),
            continued: Vec::new(),
        };
        // An earlier call may have left a file of metrics, which a sink appends to.
        let _ = fs::remove_file(folder.metrics());
        let sink = Jsonl::open(&folder.metrics()).unwrap();
        events(trial).iter().for_each(|event| sink.event(event));
        sink.check().unwrap();
        folder.write_trial(&record).unwrap();
        folder.write_outcome(outcome).unwrap();
    }
}

fn provenance() -> Provenance {
    Provenance {
        crate_version: "0.1.0".into(),
        commit: Some("0123456789abcdef".into()),
        working_commit: None,
        working_dirty: None,
        device: "cpu".into(),
        threads: 2,
        simd: "avx2".into(),
        started_at: "2026-01-01T00:00:00Z".into(),
        reused_from: None,
        corpus: DataProvenance {
            source: "built-in language".into(),
            revision: "built-in".into(),
            corpus_hash: "c0ffee".into(),
            tokenizer_hash: "beef".into(),
            vocab_size: 800,
            n_examples: 5000,
            n_tokens: 600_000,
            synthetic: true,
            kept_share: None,
            text_hash: None,
        },
        tasks_revision: "built-in".into(),
        init: Default::default(),
        task_hashes: Default::default(),
        inputs: Default::default(),
    }
}

/// How good a generator ratio is in the made-up records, and a number that differs from seed to seed.
fn quality(trial: &Trial) -> (f64, f64) {
    let ratio = trial.spec.model.generator_ratio;
    let kind: u64 = trial.spec.objective.kind().bytes().map(u64::from).sum();
    let index = kind + trial.spec.train.steps;
    let noise = Stream::new(trial.spec.seed, Purpose::Test, ratio.to_bits(), index).normal();
    let objective = if trial.spec.objective.kind() == "mlm" { -5.0 } else { 0.0 };
    let length = (trial.spec.train.steps.max(1) as f64 / 200.0).log2();
    (objective + length - 8.0 * (ratio.log2() + 1.5).abs() / 1.5, noise)
}

/// What a finished trial leaves.
pub fn outcome(trial: &Trial) -> Outcome {
    let (quality, noise) = quality(trial);
    let mut scores = Vec::new();
    for (task, metric, majority, top) in
        [(TaskName::Rte, "accuracy", 52.5, 66.0), (TaskName::Cola, "matthews", 0.0, 31.0)]
    {
        for finetune_seed in 0..3 {
            let value = top + quality + 0.5 * noise + 0.4 * finetune_seed as f64;
            scores.push(Score {
                task,
                synthetic: true,
                finetune_seed,
                metric: metric.into(),
                value: Some((value * 100.0).round() / 100.0),
                interval: Some([
                    (value * 100.0).round() / 100.0 - 5.0,
                    (value * 100.0).round() / 100.0 + 4.0,
                ]),
                others: Default::default(),
                majority,
                n_examples: 400,
                n_train: 1000,
                steps: 94,
                n_cut: 0,
                is_constant: None,
            });
        }
    }
    Outcome {
        record_version: RECORD_VERSION,
        id: trial.id.clone(),
        steps: trial.spec.train.steps,
        tokens: 4000 * trial.spec.train.steps,
        flops: 2.5e12 * (1.0 + trial.spec.model.generator_ratio),
        flops_paper: Some(4e12 * (1.0 + trial.spec.model.generator_ratio)),
        n_parameters: 900_000,
        validation: events(trial).last().map(|event| event.values.clone()).unwrap_or_default(),
        scores,
        measures: Vec::new(),
        timing: Timing { pretrain_s: 30.25, finetune_s: 12.5 },
    }
}

/// What a finished trial with measures leaves: a trained one, or a control.
pub fn measured(trial: &Trial) -> Outcome {
    let mut outcome = outcome(trial);
    let measure = |name: &str, baseline: Option<&str>, value: f64, chance: Option<f64>| Measure {
        name: name.into(),
        baseline: baseline.map(String::from),
        value: Some(value),
        standard_error: Some(0.5),
        chance,
        n: 4000,
        synthetic: true,
        others: BTreeMap::new(),
    };
    let (quality, noise) = quality(trial);
    let of_encoder = |pairs: f64, probe: f64| {
        vec![
            measure("pairs.language.disc_sum", None, pairs, Some(50.0)),
            measure("probe.cola", None, probe, Some(0.0)),
        ]
    };
    outcome.measures = match trial.spec.control {
        None => of_encoder(78.0 + quality + 0.5 * noise, 15.0 + quality + 0.5 * noise),
        Some(Control::Untrained) => of_encoder(50.0 + noise, 2.0 + noise),
        Some(Control::TextModels) => vec![
            measure("cola", Some("bag of words"), 12.0, None),
            measure("pairs.language", Some("trigram"), 80.0, None),
            measure("held_out.disc_auc", Some("ceiling"), 0.93, None),
        ],
    };
    match trial.spec.control {
        None => {}
        Some(Control::Untrained) => {
            outcome.scores.iter_mut().for_each(|score| score.value = score.value.map(|value| value - 15.0));
            outcome.validation.clear();
        }
        Some(Control::TextModels) => {
            outcome.scores.clear();
            outcome.validation.clear();
        }
    }
    outcome
}

fn events(trial: &Trial) -> Vec<Event> {
    let (quality, noise) = quality(trial);
    let mut events = Vec::new();
    let n_steps = trial.spec.train.steps;
    for step in (10..=n_steps).step_by(10) {
        let decay = (-(step as f64) / 60.0).exp();
        let wobble = 0.1 * Stream::new(trial.spec.seed, Purpose::Test, step, 1).normal();
        let event = |split, values: &[(&str, f64)]| Event {
            split,
            step,
            tokens: step * 4000,
            flops: step as f64 * 1e10,
            elapsed_s: step as f64 * 0.15,
            values: values
                .iter()
                .map(|(name, value)| (name.to_string(), (value * 1e4).round() / 1e4))
                .collect::<BTreeMap<_, _>>(),
        };
        let loss = 14.0 + 28.0 * decay - 0.1 * quality + wobble;
        events.push(event(Split::Train, &[("loss", loss), ("gradient_norm", 1.0)]));
        if step % 50 == 0 {
            let accuracy = 0.92 - 0.06 * decay + 0.002 * quality + 0.002 * noise;
            let mlm = 0.45 - 0.3 * decay - 0.01 * quality;
            events.push(event(
                Split::Validation,
                &[
                    ("loss", loss + 0.2),
                    ("disc_accuracy", accuracy),
                    ("disc_auc", 3.0 * accuracy - 2.0),
                    ("mlm_accuracy", mlm),
                ],
            ));
        }
    }
    events
}
