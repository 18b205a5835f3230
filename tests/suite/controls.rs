//! Controls stand beside the trained models: an untrained encoder, and models of word counts.

use std::path::Path;

use serde_json::Value;

use crate::cli::run;

const EXPERIMENT: &str = "
name: controls
about: Does pre-training show?
seeds: [1, 2]
base:
  model: { hidden: 32, layers: 1, heads: 2, embedding: 32, positions: 64, generator_ratio: 0.5 }
  data: { kind: language, documents: 200 }
  train: { steps: 4, warmup: 2, batch: 4, seq_len: 32, log_every: 2 }
sweep:
  objective.kind: [rtd, mlm]
evaluate:
  source: { kind: language, train_examples: 64, validation_examples: 20 }
  tasks: [cola]
  finetune: { epochs: 1, seq_len: 32 }
  minimal_pairs: [{ kind: language, pairs: 60 }]
  probe: { tasks: [cola] }
report: { x: objective.kind, y: probe.cola }
";

/// The outcomes of all trials: the control's word, seed and objective with each.
fn outcomes(folder: &Path) -> Vec<(String, Value)> {
    let read = |path: &Path, name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(path.join(name)).unwrap()).unwrap()
    };
    let entries = std::fs::read_dir(folder.join("results/controls")).unwrap();
    let trials = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut all: Vec<(String, Value)> = trials
        .map(|path| {
            let spec = &read(&path, "trial.json")["spec"];
            let control = spec["control"].as_str().unwrap_or("trained");
            let kind = spec["objective"]["kind"].as_str().unwrap();
            (format!("{control} {kind} {}", spec["seed"]), read(&path, "outcome.json"))
        })
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

fn measures(outcome: &Value) -> Vec<String> {
    let name = |measure: &Value| {
        let name = measure["name"].as_str().unwrap();
        measure["baseline"].as_str().map_or(name.to_string(), |baseline| format!("{name} by {baseline}"))
    };
    outcome["measures"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn every_experiment_has_its_controls() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("test.yaml"), EXPERIMENT).unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["run", "test.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("7 done"), "{stderr}");
    for row in ["untrained", "majority class", "bag of words", "trigram"] {
        assert!(stdout.contains(row), "no {row} in {stdout}");
    }

    let all = outcomes(folder.path());
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "text_models rtd 0",
            "trained mlm 1",
            "trained mlm 2",
            "trained rtd 1",
            "trained rtd 2",
            "untrained rtd 1",
            "untrained rtd 2"
        ]
    );
    let of = |wanted: &str| &all.iter().find(|(name, _)| name == wanted).unwrap().1;
    let mut shown = Vec::new();
    for name in ["text_models rtd 0", "trained mlm 1", "trained rtd 1", "untrained rtd 1"] {
        shown.push(format!("{name}: {}", measures(of(name)).join(", ")));
    }
    insta::assert_snapshot!(shown.join("\n"), @r"
    text_models rtd 0: held_out.masked_loss by unigram, held_out.masked_loss by trigram, pairs.language by unigram, pairs.language by trigram, cola by bag of words
    trained mlm 1: pairs.language.pll, pairs.language.pll_word_l2r, probe.cola
    trained rtd 1: pairs.language.disc_sum, pairs.language.disc_diff, pairs.language.generator_pll, pairs.language.generator_pll_word_l2r, probe.cola
    untrained rtd 1: pairs.language.disc_sum, pairs.language.disc_diff, pairs.language.generator_pll, pairs.language.generator_pll_word_l2r, pairs.language.pll, pairs.language.pll_word_l2r, probe.cola
    ");
    assert_eq!((&of("untrained rtd 1")["steps"], &of("trained rtd 1")["steps"]), (&0.into(), &4.into()));
    assert_ne!(of("untrained rtd 1")["validation"], of("untrained rtd 2")["validation"]);

    // A second run computes nothing, and an objective alone has the same controls.
    let (code, _, stderr) = run(folder.path(), &["run", "test.yaml"]);
    assert!(code == 0 && stderr.contains("7 done before"), "{stderr}");
    let (code, _, stderr) =
        run(folder.path(), &["run", "test.yaml", "--set", "sweep={objective.kind: [rtd]}"]);
    assert!(code == 0 && stderr.contains("5 done before"), "{stderr}");
}

/// No experiment of this repository concludes anything without controls, gates and contrasts that its file
/// names.
#[test]
fn every_experiment_here_has_controls_gates_and_contrasts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let mut n = 0;
    for file in files {
        for profile in ["quick", "small", "paper"] {
            let Ok(experiment) = electra_lab::experiment::load(&file, Some(profile), &[]) else {
                let has_quick = !file.ends_with("real_text.yaml");
                assert!(profile != "quick" || !has_quick, "{}", file.display());
                continue;
            };
            let name = format!("{} {profile}", experiment.spec.name);
            let expect = &experiment.spec.expect;
            assert!(!expect.gates.is_empty() && !expect.contrasts.is_empty(), "{name}");
            let labels: Vec<String> = experiment.controls.iter().map(|control| control.label()).collect();
            let has = |kind: &str| labels.iter().any(|label| label.starts_with(kind));
            assert!(has("text models") && has("untrained"), "{name}: {labels:?}");
            assert!(profile != "quick" || experiment.spec.seeds.len() >= 5, "{name}");
            assert!(!experiment.spec.evaluate.minimal_pairs.is_empty(), "{name}");
            n += 1;
        }
    }
    assert!(n >= 46, "{n} profiles");
}
