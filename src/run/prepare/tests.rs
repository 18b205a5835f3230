//! Data is opened before the run, once, and trials open nothing again.

use std::path::Path;

use super::*;
use crate::experiment::{Experiment, ModelSpec, TaskName, TokenizerSpec};
use crate::records::{Display, Silent};
use crate::run::device::DeviceChoice;
use crate::run::experiment::{RunOptions, run_experiments};
use crate::run::fixture::{Transcript, a_trial, a_trial_with_ratio, an_env, an_experiment_of};
use crate::run::{StopFlag, run_trial};

fn count(transcript: &Transcript, wanted: &str) -> usize {
    transcript.text().lines().filter(|line| *line == wanted).count()
}

#[test]
fn shared_data_is_opened_once() {
    let mut trials = [a_trial(1), a_trial_with_ratio(0.5, 2), a_trial(3)];
    trials[2].spec.train.seq_len = 64;
    for trial in &mut trials {
        trial.spec.evaluate.tasks = vec![TaskName::Cola];
    }
    let (env, transcript) = (an_env(), Transcript::default());
    let trials: Vec<&Trial> = trials.iter().collect();
    let texts = Texts::new(trials.iter().copied(), &env);
    let data = prepare(&trials, &texts, &env, false, &*transcript.watch("data")).unwrap();
    assert_eq!(count(&transcript, "opening cola"), 1);
    assert_eq!(count(&transcript, "opening the pre-training text"), 2, "one per sequence length");
    let of = |trial: &Trial| data.text(&trial.spec).unwrap();
    assert!(std::ptr::eq(of(trials[0]), of(trials[1])) && !std::ptr::eq(of(trials[0]), of(trials[2])));
    let hashes = |trial: &Trial| data.tasks(&trial.spec).unwrap().hashes();
    assert_eq!((hashes(trials[0]).len(), hashes(trials[0])), (1, hashes(trials[2])));
    assert_eq!(data.text(&a_trial(1).spec).unwrap().corpus.provenance(), of(trials[0]).corpus.provenance());
    let mut other = a_trial(1);
    other.spec.train.seq_len = 32;
    assert!(data.text(&other.spec).err().unwrap().message.contains("was not opened before the run"));
}

/// An experiment of four small trials on a local text with a vocabulary of its own, two sequence lengths.
fn on_local_text(text: &Path) -> Experiment {
    let trial = |(seed, seq_len): (u64, usize)| {
        let mut spec = a_trial(seed).spec;
        spec.data = DataSpec::Files {
            paths: vec![text.display().to_string()],
            column: "text".into(),
            max_documents: None,
            sentences: Default::default(),
            tokenizer: TokenizerSpec::Own { size: 200, documents: 100 },
        };
        spec.model =
            ModelSpec { layers: Some(1), hidden: Some(16), embedding: Some(8), ..Default::default() };
        (spec.train.batch, spec.train.seq_len, spec.train.steps, spec.train.warmup) = (2, seq_len, 2, 1);
        Trial { id: spec.id(), point: Default::default(), spec }
    };
    an_experiment_of([(1, 16), (2, 16), (1, 32), (2, 32)].map(trial).into())
}

#[test]
fn a_run_of_many_trials_hashes_a_text_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    let document = |index| crate::text::synthetic::document(1, index).join("\n");
    std::fs::write(&text, (0..150).map(document).collect::<Vec<_>>().join("\n\n")).unwrap();
    let experiments = [on_local_text(&text)];
    let options = RunOptions {
        results: folder.path().join("results"),
        reports: folder.path().join("reports"),
        only: Vec::new(),
        n_at_once: Some(2),
        device: DeviceChoice::Cpu,
        offline: true,
        force: false,
        pretrain_only: false,
    };
    let transcript = Transcript::default();
    // Trials that open the text again would miss it.
    let runner = |trial: &Trial, context: &crate::run::TrialContext| {
        let _ = std::fs::remove_file(&text);
        run_trial(trial, context)
    };
    let summary = run_experiments(&experiments, &options, StopFlag::default(), &runner, &transcript).unwrap();
    assert_eq!(summary.sentence(), "4 done", "{}", transcript.text());
    assert!(!text.exists());
    assert_eq!(count(&transcript, "reading local files"), 1, "{}", transcript.text());
}

#[test]
fn more_trials_need_more_space() {
    let (env, [first, second]) = (an_env(), [a_trial(1), a_trial(2)]);
    let bytes = |trials: &[&Trial], n| {
        let texts = Texts::new(trials.iter().copied(), &env);
        checkpoint_bytes(trials, &texts, n, &Silent).unwrap()
    };
    let one = bytes(&[&first], 1);
    assert!(bytes(&[&first, &second], 1) > one);
    assert_eq!(bytes(&[&first, &second], 2), 2 * one);
}

#[test]
fn pairs_that_do_not_fit_stop_the_run_before_it_trains() {
    let mut trial = a_trial(1);
    trial.spec.evaluate.minimal_pairs =
        vec![serde_json::from_str(r#"{"kind": "language", "pairs": 60}"#).unwrap()];
    let prepared_with = |positions| {
        let mut trial = trial.clone();
        trial.spec.model.positions = positions;
        let env = an_env();
        let texts = Texts::new([&trial], &env);
        prepare(&[&trial], &texts, &env, false, &Silent).map(drop)
    };
    prepared_with(128).unwrap();
    let error = prepared_with(8).unwrap_err().to_string();
    assert!(error.contains("the model takes 1 to 6 between [CLS] and [SEP]"), "{error}");
    assert!(error.contains("hint: raise model.positions"), "{error}");
}

#[test]
fn a_checkpoint_that_does_not_fit_stops_the_run_before_it_trains() {
    let folder = tempfile::tempdir().unwrap();
    let networks = crate::checkpoint::fixture::a_pair(20);
    networks.main.write(&folder.path().join("d"), 0).unwrap();
    let mut trial = a_trial(1);
    let model = folder.path().join("d").display().to_string();
    trial.spec.init = serde_json::from_value(serde_json::json!({"discriminator": {"model": model}})).unwrap();
    let (env, transcript) = (an_env(), Transcript::default());
    let refused = |trial: &Trial| {
        let texts = Texts::new([trial], &env);
        let sink = transcript.watch("data");
        prepare(&[trial], &texts, &env, true, &*sink).err().unwrap().to_string().replace(&model, "DIR")
    };
    let error = refused(&trial);
    assert!(
        error.starts_with("base.init.discriminator = DIR has another shape than base.model: "),
        "{error}"
    );
    trial.spec.model = crate::checkpoint::fixture::a_model();
    let error = refused(&trial);
    assert!(
        error.contains("DIR has 20 rows in its word table, and the tokenizer of the built-in"),
        "{error}"
    );
    assert_eq!(count(&transcript, "opening the pre-training text"), 0, "{}", transcript.text());
}
