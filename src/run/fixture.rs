//! Trials, records, contexts and data for tests.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::context::TrialContext;
use super::interrupt::StopFlag;
use super::prepare::{Texts, prepare};
use super::prepared_data::PreparedData;
use crate::experiment::{DataSpec, Experiment, ExperimentSpec, Trial, TrialId, TrialSpec};
use crate::hub::DataEnv;
use crate::records::folder::TrialFolder;
use crate::records::{
    Display, Event, Outcome, Provenance, RECORD_VERSION, Silent, Sink, Timing, TrialRecord,
};

/// Keeps all phases and messages of a run.
#[derive(Default)]
pub struct Transcript(Arc<Mutex<Vec<String>>>);

/// Keeps the phases of one piece of work.
struct Phases(Arc<Mutex<Vec<String>>>);

impl Sink for Phases {
    fn event(&self, _event: &Event) {}
    fn phase(&self, text: &str) {
        self.0.lock().unwrap().push(text.into());
    }
    fn progress(&self, _done: u64, _total: u64) {}
}

impl Transcript {
    /// Phases and messages so far, one per line.
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Display for Transcript {
    fn watch(&self, _name: &str) -> Box<dyn Sink> {
        Box::new(Phases(self.0.clone()))
    }

    fn say(&self, text: &str) {
        self.0.lock().unwrap().push(text.into());
    }
}

/// A trial with default settings.
pub fn a_trial(seed: u64) -> Trial {
    let spec = TrialSpec {
        seed,
        model: Default::default(),
        objective: Default::default(),
        data: DataSpec::Language { documents: 200, seed: 0 },
        train: Default::default(),
        published: None,
        init: Default::default(),
        evaluate: Default::default(),
        control: None,
    };
    Trial { id: spec.id(), point: Default::default(), spec }
}

/// A trial of a sweep over the generator's size.
pub fn a_trial_with_ratio(ratio: f64, seed: u64) -> Trial {
    let mut trial = a_trial(seed);
    trial.spec.model.generator_ratio = ratio;
    Trial {
        id: trial.spec.id(),
        point: [("model.generator_ratio".into(), json!(ratio))].into_iter().collect(),
        ..trial
    }
}

/// An experiment with one trial per seed.
pub fn an_experiment(seeds: &[u64]) -> Experiment {
    an_experiment_of(seeds.iter().map(|&seed| a_trial(seed)).collect())
}

/// An experiment with these trials.
pub fn an_experiment_of(trials: Vec<Trial>) -> Experiment {
    let spec = ExperimentSpec { name: "test".into(), about: "Does it work?".into(), ..Default::default() };
    let (path, profile) = ("test.yaml".into(), "quick".into());
    Experiment { path, profile, profiles: Vec::new(), spec, trials, controls: Vec::new() }
}

/// The outcome of a trial.
pub fn an_outcome(id: &TrialId) -> Outcome {
    Outcome {
        record_version: RECORD_VERSION,
        id: id.clone(),
        steps: 1000,
        tokens: 4_000_000,
        flops: 1e12,
        flops_paper: Some(2e12),
        n_parameters: 1_000_000,
        validation: [("loss".to_string(), 9.5)].into(),
        scores: Vec::new(),
        measures: Vec::new(),
        timing: Timing { pretrain_s: 100.0, finetune_s: 20.0 },
    }
}

/// The `trial.json` of a trial with default settings.
pub fn a_trial_record(id: &TrialId) -> TrialRecord {
    TrialRecord {
        record_version: RECORD_VERSION,
        id: id.clone(),
        experiment: "test".into(),
        profile: "quick".into(),
        point: Default::default(),
        spec: a_trial(1).spec,
        provenance: Provenance::default(),
        continued: Vec::new(),
    }
}

/// The context of a trial in this folder, without reports.
pub fn a_context<'a>(
    folder: &'a TrialFolder,
    data: &'a PreparedData,
    stop: &'a StopFlag,
) -> TrialContext<'a> {
    TrialContext {
        folder,
        sink: &Silent,
        stop,
        device: candle_core::Device::Cpu,
        data,
        experiment: "test",
        profile: "quick",
        reuse: true,
        pretrain_only: false,
    }
}

/// The data of some trials, opened in [`an_env`].
pub fn prepared(trials: &[&Trial]) -> PreparedData {
    let env = an_env();
    let texts = Texts::new(trials.iter().copied(), &env);
    prepare(trials, &texts, &env, false, &Silent).unwrap()
}

/// Data without a network, cached inside the build folder.
pub fn an_env() -> DataEnv {
    let cache = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-cache");
    DataEnv { cache, ..DataEnv::new(true).expect("an environment without a network") }
}
