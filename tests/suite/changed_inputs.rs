//! A finished trial is not given for what its experiment names today, if that is another text or other
//! weights.

use std::path::Path;

use crate::cli::run;

const TEXT: &str = "
name: text
about: Is a finished trial of this text?
base:
  model: { hidden: 32, layers: 1, heads: 2, embedding: 32, positions: 64, generator_ratio: 0.5 }
  data: { kind: files, paths: [text/*.txt], tokenizer: { kind: own, size: 120 } }
  train: { steps: 2, warmup: 1, batch: 4, seq_len: 32, log_every: 2 }
seeds: [1]
evaluate: { controls: { untrained: false, text_models: false } }
";

fn write_text(folder: &Path, word: &str) {
    let documents: String =
        (0..120).map(|k| format!("The man saw {word} {k} of the day.\nShe did.\n\n")).collect();
    std::fs::create_dir_all(folder.join("text")).unwrap();
    std::fs::write(folder.join("text/a.txt"), documents).unwrap();
}

#[test]
fn a_finished_trial_is_not_given_for_one_of_another_text() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("text.yaml"), TEXT).unwrap();
    write_text(folder, "film");
    let again = |words: &[&str]| run(folder, &[&["run", "text.yaml"], words].concat());
    let (code, _, stderr) = again(&[]);
    assert_eq!(code, 0, "{stderr}");
    // Written again with the same content: another time, the same text.
    write_text(folder, "film");
    let (code, _, stderr) = again(&[]);
    assert!(code == 0 && stderr.contains("done before"), "{stderr}");

    write_text(folder, "book");
    let (code, _, stderr) = again(&[]);
    assert!(code == 4 && stderr.contains("the text of text/*.txt changed since this trial was"), "{stderr}");
    assert!(stderr.contains("--force") && stderr.contains("--results"), "{stderr}");
    // A sweep is not extended with another text, whichever of its trials are asked for.
    let (code, _, stderr) = again(&["--set", "seeds=[1, 2]"]);
    assert!(code == 4 && stderr.contains("is not the one that this trial was trained with"), "{stderr}");
    let trials = std::fs::read_dir(folder.join("results/text")).unwrap().count();
    assert_eq!(trials, 1, "nothing was run");
    let (code, _, stderr) = again(&["--set", "seeds=[1, 2]", "--force"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = again(&["--set", "seeds=[1, 2]"]);
    assert!(code == 0 && stderr.contains("2 done before"), "{stderr}");
    // Where the text is not, the records are still there.
    std::fs::remove_file(folder.join("text/a.txt")).unwrap();
    let (code, _, stderr) = again(&[]);
    assert!(code == 0 && stderr.contains("done before"), "{stderr}");
}

const WEIGHTS: &str = "
name: weights
about: Is a finished trial of these weights?
base: { published: { model: ./model } }
evaluate:
  source: { kind: language, train_examples: 40, validation_examples: 20 }
  tasks: [stsb]
  finetune_seeds: 1
  finetune: { epochs: 1, seq_len: 32 }
";

#[test]
fn a_finished_trial_is_not_given_for_one_of_other_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let pretrain = TEXT.replace(
        "files, paths: [text/*.txt], tokenizer: { kind: own, size: 120 }",
        "language, documents: 200",
    );
    std::fs::write(folder.join("text.yaml"), pretrain).unwrap();
    std::fs::write(folder.join("weights.yaml"), WEIGHTS).unwrap();
    let export = |seed: &str| {
        let (code, _, stderr) = run(folder, &["run", "text.yaml", "--set", seed, "--results", seed]);
        assert_eq!(code, 0, "{stderr}");
        let trial =
            std::fs::read_dir(folder.join(seed).join("text")).unwrap().next().unwrap().unwrap().path();
        let _ = std::fs::remove_dir_all(folder.join("model"));
        let (code, _, stderr) = run(folder, &["export", trial.to_str().unwrap(), "--to", "model"]);
        assert_eq!(code, 0, "{stderr}");
    };
    let evaluate = || run(folder, &["run", "weights.yaml"]);
    export("seeds=[1]");
    assert_eq!(evaluate().0, 0);
    let (code, _, stderr) = evaluate();
    assert!(code == 0 && stderr.contains("done before"), "{stderr}");
    export("seeds=[2]");
    let (code, _, stderr) = evaluate();
    assert!(code == 4 && stderr.contains("the weights of ./model changed since this trial was"), "{stderr}");
    export("seeds=[1]");
    let (code, _, stderr) = evaluate();
    assert!(code == 0 && stderr.contains("done before"), "{stderr}");
}
