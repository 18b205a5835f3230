//! The content of a trace, that its steps are those of `run`, and that its random streams depend only on the
//! seed.

use std::collections::{BTreeMap, BTreeSet};

use super::parity_tests::{golden_trial, numbers};
use super::*;
use crate::records::Silent;
use crate::records::checkpoints::FINAL;
use crate::records::folder::TrialFolder;
use crate::run::fixture::{a_context, a_trial, an_env, an_experiment, prepared};
use crate::run::{StopFlag, TrialRun, run_trial};

fn traced(trial: &Trial, n_steps: u64) -> Vec<u8> {
    trace(trial, n_steps, &Device::Cpu, &an_env(), &Silent).unwrap()
}

/// The names of a file, with one line for all parameters.
fn names(numbers: &BTreeMap<String, Vec<f64>>) -> String {
    let short = |name: &str| match name.split('/').collect::<Vec<_>>()[..] {
        ["initial", _] => "initial/<parameter>".to_string(),
        [step, kind, _] => format!("{step}/{kind}/<parameter>"),
        _ => name.to_string(),
    };
    let names: BTreeSet<String> = numbers.keys().map(|name| short(name)).collect();
    names.into_iter().collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_holds_what_the_help_lists() {
    insta::assert_snapshot!(names(&numbers(&traced(&golden_trial("rtd_shared", &[]), 1))), @r"
    initial/<parameter>
    step.0/discriminator_input
    step.0/discriminator_logits
    step.0/generator_input
    step.0/generator_logits
    step.0/gradient/<parameter>
    step.0/gradient_norm
    step.0/ids
    step.0/labels
    step.0/learning_rate
    step.0/loss
    step.0/masked_positions
    step.0/mlm_loss
    step.0/offsets
    step.0/originals
    step.0/rtd_loss
    step.0/samples
    step.0/types
    step.0/updated/<parameter>
    ");
    insta::assert_snapshot!(names(&numbers(&traced(&golden_trial("mlm_paper", &[]), 1))), @r"
    initial/<parameter>
    step.0/generator_input
    step.0/generator_logits
    step.0/gradient/<parameter>
    step.0/gradient_norm
    step.0/ids
    step.0/learning_rate
    step.0/loss
    step.0/masked_positions
    step.0/mlm_loss
    step.0/offsets
    step.0/originals
    step.0/types
    step.0/updated/<parameter>
    ");
    let bytes = traced(&golden_trial("rtd_shared", &[]), 2);
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let header = metadata.metadata().as_ref().unwrap()["trace"].clone();
    let header: serde_json::Value = serde_json::from_str(&header).unwrap();
    assert_eq!((&header["format_version"], &header["n_steps"]), (&1.into(), &2.into()));
    assert_eq!((&header["total_steps"], &header["spec"]["train"]["warmup"]), (&20.into(), &2.into()));
}

/// The weights after a whole trial are, to the bit, those after the last step of its trace.
#[test]
fn a_trace_is_what_run_does() {
    for name in ["rtd_shared", "mlm_released_code"] {
        let trial =
            golden_trial(name, &["train.steps=4", "model.dropout=0.1", "model.attention_dropout=0.2"]);
        let results = tempfile::tempdir().unwrap();
        let folder = TrialFolder::new(results.path(), "test", &trial.id);
        let _lock = folder.lock().unwrap();
        let (data, stop) = (prepared(&[&trial]), StopFlag::default());
        let run = run_trial(&trial, &a_context(&folder, &data, &stop)).unwrap();
        assert!(matches!(run, TrialRun::Done(_)));
        let ran = numbers(&std::fs::read(folder.checkpoints().join(FINAL)).unwrap());
        let traced = numbers(&traced(&trial, 4));
        for (parameter, values) in ran {
            let parameter = parameter.strip_prefix("model.").unwrap();
            assert!(traced[&format!("step.3/updated/{parameter}")] == values, "{name}: {parameter}");
            assert!(traced[&format!("step.2/updated/{parameter}")] != values, "{name}: {parameter}");
        }
    }
}

#[test]
fn two_traces_are_equal_to_the_bit() {
    for name in ["rtd_released_code", "mlm_paper"] {
        let trial = golden_trial(name, &["model.dropout=0.1"]);
        assert!(traced(&trial, 3) == traced(&trial, 3), "{name}");
    }
}

/// At a size where products and kernels are split among the threads.
#[test]
fn the_number_of_threads_changes_no_bit() {
    let sets = ["model.hidden=64", "model.embedding=32", "model.dropout=0.1", "train.batch=32"];
    let trial = golden_trial("rtd_shared", &sets);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| traced(&trial, 3))
    };
    assert!(with(1) == with(3));
}

/// Weights, order, masks and samples are all drawn from the seed.
#[test]
fn two_seeds_differ_everywhere_they_should() {
    let of = |seed: &str| numbers(&traced(&golden_trial("rtd_untied", &[seed]), 1));
    let (one, other) = (of("seeds=[1]"), of("seeds=[2]"));
    let mut n_random = 0;
    for (name, values) in one.iter().filter(|(name, _)| name.starts_with("initial/")) {
        if name.ends_with(".weight") {
            let equal = values.iter().zip(&other[name]).filter(|(a, b)| a == b).count();
            assert_eq!(equal, 0, "{name}");
            n_random += 1;
        } else {
            assert_eq!(values, &other[name], "{name} starts from constants");
        }
    }
    assert!(n_random > 20, "{n_random}");
    for part in ["ids", "masked_positions", "samples"] {
        assert_ne!(one[&format!("step.0/{part}")], other[&format!("step.0/{part}")], "{part}");
    }
}

#[test]
fn an_impossible_trace_is_refused_before_anything_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = an_experiment(&[1, 2]);
    let error = |only: Option<&str>, out: PathBuf| {
        let only = only.map(str::to_string);
        let options = TraceOptions { only, n_steps: 1, out, device: DeviceChoice::Cpu, offline: true };
        trace_experiment(&experiment, &options, &Silent).err().unwrap()
    };
    let missing = error(None, folder.path().join("missing/trace.safetensors"));
    assert_eq!(missing.kind, ErrorKind::Storage);
    assert!(missing.message.ends_with("missing"), "{missing}");
    let unknown = error(Some("xyz"), folder.path().join("trace.safetensors"));
    assert_eq!(unknown.kind, ErrorKind::Spec);
    assert!(unknown.message.starts_with("--only xyz: no trial id starts with xyz"), "{unknown}");
    let long = trace(&a_trial(1), 1001, &Device::Cpu, &an_env(), &Silent).unwrap_err();
    assert_eq!(long.message, format!("--steps 1001: trial {} has 1000 steps", a_trial(1).id));
    let second = &experiment.trials[1].id.0;
    assert_eq!(select(&experiment, Some(second)).unwrap().spec.seed, 2);
    assert_eq!(select(&experiment, None).unwrap().spec.seed, 1);
}
