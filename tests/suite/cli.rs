//! Runs the built binary: command lines, their output, files and exit codes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary in an empty folder, with its caches in that folder and without network.
fn electra_lab(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra-lab"));
    command
        .current_dir(folder)
        .env_remove("RUST_BACKTRACE")
        .env_remove("HF_TOKEN")
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", folder.join("hub"))
        .env("ELECTRA_LAB_CACHE", folder.join("cache"))
        .env("NO_COLOR", "1");
    command
}

pub fn run(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = electra_lab(folder).args(words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// Runs the experiment `name` from its text, and returns the folder of its one trial.
pub fn run_experiment(folder: &Path, name: &str, text: &str, sets: &[&str]) -> PathBuf {
    let file = format!("{name}.yaml");
    std::fs::write(folder.join(&file), text).unwrap();
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let (code, _, stderr) = run(folder, &[&["run", file.as_str()], &sets[..]].concat());
    assert_eq!(code, 0, "{stderr}");
    let results = std::fs::read_dir(folder.join("results").join(name)).unwrap();
    results.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap()
}

/// The scores of a finished trial.
pub fn scores(trial: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(trial.join("outcome.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["scores"].clone()
}

/// A small experiment on the built-in language, in the file `test.yaml`.
fn write_experiment(folder: &Path, steps: u64) {
    let text = format!(
        "name: test\nabout: Does it work?\nseeds: [1, 2]\nbase:\n  model: {{ hidden: 32, layers: 1 }}\n  \
         data: {{ kind: language, documents: 200 }}\n  \
         train: {{ steps: {steps}, warmup: 1, batch: 2, seq_len: 32, log_every: 1 }}\n\
         evaluate: {{ controls: {{ untrained: false, text_models: false }} }}\n"
    );
    std::fs::write(folder.join("test.yaml"), text).unwrap();
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        vec![],
        vec!["run"],
        vec!["train"],
        vec!["run", "test.yaml", "--jobs", "0"],
        vec!["run", "test.yaml", "--device", "gpu"],
        vec!["bench", "step", "--ratio", "7"],
    ] {
        let (code, stdout, stderr) = run(folder.path(), &words);
        assert_eq!((code, stdout.as_str()), (2, ""), "{words:?}: {stderr}");
    }
    let (code, stdout, _) = run(folder.path(), &["--help"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("130  stopped by Ctrl-C"), "{stdout}");
}

#[test]
fn a_missing_file_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["run", "plan", "status", "report", "fetch"] {
        let (code, stdout, stderr) = run(folder.path(), &[command, "missing.yaml"]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{command}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains("missing.yaml"), "{stderr}");
        assert!(stderr.contains("\nhint: "), "{stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// `pack` and `unpack` are the old names of `corpus export` and `corpus import`.
#[test]
fn the_old_names_of_corpus_commands_work_and_print_a_note() {
    let folder = tempfile::tempdir().unwrap();
    write_experiment(folder.path(), 5);
    for (old, new) in [
        (&["pack", "test.yaml", "--to", "missing/text.corpus"][..], &["corpus", "export"][..]),
        (&["unpack", "missing.corpus"], &["corpus", "import"]),
    ] {
        let (old_code, _, old_stderr) = run(folder.path(), old);
        let (code, stdout, stderr) = run(folder.path(), &[new, &old[1..]].concat());
        assert_eq!((old_code, stdout.as_str()), (code, ""), "{old:?}: {stderr}");
        let note = format!("note: `{}` is now called `{}`\n", old[0], new.join(" "));
        assert_eq!(old_stderr, note + &stderr);
        assert!(code > 2 && stderr.contains("missing"), "{code}: {stderr}");
    }
    let (code, stdout, _) = run(folder.path(), &["--version"]);
    assert!(code == 0 && stdout.starts_with(concat!("electra-lab ", env!("CARGO_PKG_VERSION"))), "{stdout}");
}

#[test]
fn a_missing_device_is_an_error_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    write_experiment(folder.path(), 5);
    let (code, _, stderr) = run(folder.path(), &["run", "test.yaml", "--device", "cuda:77"]);
    assert_eq!(code, 7, "{stderr}");
    assert!(!folder.path().join("results").exists());
}

#[test]
fn a_file_in_place_of_the_results_folder_is_a_storage_error() {
    let folder = tempfile::tempdir().unwrap();
    write_experiment(folder.path(), 5);
    std::fs::write(folder.path().join("results"), "a file").unwrap();
    let (code, _, stderr) = run(folder.path(), &["run", "test.yaml"]);
    assert_eq!(code, 6, "{stderr}");
    assert!(stderr.contains("a file is where a folder should be"), "{stderr}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = electra_lab(folder.path())
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn data_commands_print_json_that_parses() {
    let folder = tempfile::tempdir().unwrap();
    write_experiment(folder.path(), 5);
    for words in [
        &["schema"][..],
        &["doctor", "--json"],
        &["plan", "test.yaml", "--json"],
        &["status", "test.yaml", "--json"],
    ] {
        let (code, stdout, stderr) = run(folder.path(), words);
        assert_eq!(code, 0, "{words:?}: {stderr}");
        serde_json::from_str::<serde_json::Value>(&stdout).unwrap();
    }
    let (code, stdout, _) = run(folder.path(), &["completions", "bash"]);
    assert!(code == 0 && stdout.contains("electra-lab"));
    assert!(!folder.path().join("results").exists(), "these commands write nothing");
}

#[test]
fn a_trace_is_one_file_and_warns_about_dropout() {
    let folder = tempfile::tempdir().unwrap();
    write_experiment(folder.path(), 5);
    let trace = |words: &[&str]| run(folder.path(), &[&["trace", "test.yaml"], words].concat());
    let (code, stdout, stderr) = trace(&["--steps", "2", "--out", "two.safetensors"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.contains("two.safetensors: 2 steps of trial"), "{stderr}");
    assert!(stderr.contains("--set model.dropout=0 --set model.attention_dropout=0"), "{stderr}");
    let without = ["--set", "model.dropout=0", "--set", "model.attention_dropout=0"];
    let (code, _, stderr) = trace(&[&["--steps", "1", "--out", "one.safetensors"], &without[..]].concat());
    assert!(code == 0 && !stderr.contains("dropout"), "{stderr}");
    let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    assert!(size("two.safetensors") > size("one.safetensors"));
    assert!(!folder.path().join("results").exists());
    for (words, expected) in [
        (["--steps", "0", "--out", "x"], 2),
        (["--steps", "6", "--out", "x"], 3),
        (["--steps", "1", "--out", "missing/x"], 6),
        (["--steps", "1", "--out", "."], 6),
    ] {
        let (code, _, stderr) = trace(&words);
        assert_eq!(code, expected, "{words:?}: {stderr}");
    }
}

#[test]
fn doctor_shows_what_is_used_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "hf_a_secret_of_this_test";
    for words in [&["doctor"][..], &["doctor", "--json"]] {
        let mut command = electra_lab(folder.path());
        command.args(words).env("HF_TOKEN", secret).env_remove("HF_HUB_CACHE").env_remove("HF_HUB_OFFLINE");
        command.env("HUGGINGFACE_HUB_CACHE", "/an/old/cache").env("TRANSFORMERS_OFFLINE", "1");
        command.env("HF_ENDPOINT", format!("http://me:{secret}@mirror.example/hf"));
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.contains(secret), "{text}");
        for shown in ["token", "/an/old/cache", "TRANSFORMERS_OFFLINE", "http://mirror.example/hf"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
    }
}

#[test]
fn a_time_limit_ends_a_download() {
    let folder = tempfile::tempdir().unwrap();
    write_experiment(folder.path(), 5);
    // The operating system accepts the connection; nobody answers.
    let hub = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = electra_lab(folder.path());
    command.args(["run", "test.yaml", "--device", "cpu", "--max-seconds", "1"]);
    command.args(["--set", "data={ kind: hub, repo: o/n, tokenizer: { kind: own, size: 200 } }"]);
    command.env("HF_ENDPOINT", format!("http://{}", hub.local_addr().unwrap()));
    command.env("HF_HUB_CACHE", folder.path().join("hub")).env_remove("HF_HUB_OFFLINE");
    command.env("HF_HUB_DOWNLOAD_TIMEOUT", "600");
    let began = std::time::Instant::now();
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("interrupted while downloading"), "{stderr}");
    assert!(began.elapsed().as_secs() < 60);
}

/// Starts a long run and waits until its first trial has written metrics.
#[cfg(unix)]
fn start_long_run(folder: &Path) -> std::process::Child {
    write_experiment(folder, 1_000_000);
    let metrics = folder.join("results/test").join(&trial_ids(folder)[0]).join("metrics.jsonl");
    let mut child =
        electra_lab(folder).args(["run", "test.yaml", "--jobs", "1"]).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..6000 {
        if std::fs::metadata(&metrics).is_ok_and(|metadata| metadata.len() > 0) {
            return child;
        }
        assert!(child.try_wait().unwrap().is_none(), "the run ended early");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("no metrics after a minute");
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_the_running_trial() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start_long_run(folder.path());
    // Meanwhile another process cannot run the first trial.
    let (_, stdout, _) = run(folder.path(), &["status", "test.yaml"]);
    assert!(stdout.contains("running"), "{stdout}");
    let only = trial_ids(folder.path()).remove(0);
    let (code, _, stderr) = run(folder.path(), &["run", "test.yaml", "--only", &only]);
    assert_eq!(code, 8, "{stderr}");
    // SAFETY: the process is our child and not yet waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let (_, stdout, _) = run(folder.path(), &["status", "test.yaml"]);
    assert!(stdout.contains("partial") && stdout.contains("new"), "{stdout}");
}

#[cfg(unix)]
#[test]
fn a_time_limit_stops_like_an_interrupt() {
    let folder = tempfile::tempdir().unwrap();
    write_experiment(folder.path(), 1_000_000);
    let (code, _, stderr) = run(folder.path(), &["run", "test.yaml", "--jobs", "1", "--max-seconds", "2"]);
    assert!(code == 130 && stderr.contains("run the same command again to continue"), "{code}: {stderr}");
    let (_, stdout, _) = run(folder.path(), &["status", "test.yaml"]);
    assert!(!stdout.contains("running") && stdout.contains("new"), "{stdout}");
}

#[cfg(unix)]
#[test]
fn a_killed_run_leaves_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start_long_run(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["status", "test.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(!stdout.contains("running"), "{stdout}");
}

/// Ids of the experiment's trials, in the order of the plan.
#[cfg(unix)]
fn trial_ids(folder: &Path) -> Vec<String> {
    let (_, stdout, _) = run(folder, &["status", "test.yaml", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let trials = status["trials"].as_array().unwrap();
    trials.iter().map(|trial| trial["id"].as_str().unwrap().to_string()).collect()
}

/// Trains and exports a model, then probes and fine-tunes the exported one.
#[test]
fn an_exported_trial_is_probed_and_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_experiment(path, 2);
    let (code, _, stderr) = run(path, &["run", "test.yaml", "--set", "seeds=[1]"]);
    assert_eq!(code, 0, "{stderr}");
    let trials: Vec<_> = std::fs::read_dir(path.join("results/test")).unwrap().flatten().collect();
    let id = trials[0].file_name().into_string().unwrap();
    let (code, stdout, stderr) = run(path, &["export", &id[..6], "--to", "model", "--license", "mit"]);
    assert_eq!((code, stdout.as_str()), (0, "model\nmodel/generator\n"), "{stderr}");
    assert!(
        std::fs::read_to_string(path.join("model/README.md")).unwrap().starts_with("---\nlicense: mit\n")
    );

    let (code, stdout, stderr) = run(path, &["probe", "--model", "model", "--ids", "2,5,3", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(answer["tokens"].as_array().unwrap().len(), 3);
    assert_eq!(answer["tokens"][0]["token"], "[CLS]");
    assert!((0.0..1.0).contains(&answer["tokens"][1]["replaced"].as_f64().unwrap()));
    let words =
        ["probe", "--model", "model", "--generator", "--text", "the [MASK] .", "--json", "--top", "2"];
    let (code, stdout, stderr) = run(path, &words);
    assert_eq!(code, 0, "{stderr}");
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(answer["masks"][0]["position"], 2);
    assert_eq!(answer["masks"][0]["fills"].as_array().unwrap().len(), 2);

    let source = "evaluate.source={kind: language, train_examples: 40, validation_examples: 20}";
    let words = ["evaluate", "--model", "model", "--tasks", "rte", "--seeds", "1", "--set", source];
    let (code, stdout, stderr) = run(path, &words);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("rte"), "{stdout}");
    let (code, _, stderr) = run(path, &["run", "results/evaluate-model/evaluate.yaml", "--set", source]);
    assert_eq!(code, 0);
    assert!(stderr.contains("done before"), "{stderr}");

    // A trial that evaluates a published model has nothing to export or to trace.
    let evaluated: Vec<_> =
        std::fs::read_dir(path.join("results/evaluate-model")).unwrap().flatten().collect();
    let evaluated = evaluated.iter().find(|entry| entry.path().is_dir()).unwrap().path();
    let (code, _, stderr) = run(path, &["export", evaluated.to_str().unwrap(), "--to", "other"]);
    assert_eq!(code, 4);
    assert!(stderr.contains("evaluates the published checkpoint model"), "{stderr}");
    let words = ["trace", "results/evaluate-model/evaluate.yaml", "--steps", "1", "--out", "t.safetensors"];
    let (code, _, stderr) = run(path, &words);
    assert_eq!(code, 3);
    assert!(stderr.contains("evaluates model and pre-trains nothing"), "{stderr}");

    let (code, _, stderr) = run(path, &["evaluate", "--model", "nowhere"]);
    assert_eq!(code, 4);
    assert!(stderr.contains("there is no folder nowhere"), "{stderr}");
    assert!(!path.join("results/evaluate-nowhere").exists());
    let (code, _, stderr) = run(path, &["export", "zzz", "--to", "other"]);
    assert_eq!(code, 4);
    assert!(stderr.contains("no trial id in results starts with zzz"), "{stderr}");
}

#[test]
fn every_report_is_rebuilt_and_damage_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    write_experiment(folder.path(), 3);
    let (code, _, stderr) = run(folder.path(), &["run", "test.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    let page = folder.path().join("reports/test/default/report.md");
    let first = std::fs::read_to_string(&page).unwrap();
    std::fs::remove_dir_all(folder.path().join("reports")).unwrap();

    // Without the experiment file the report is built from the records.
    let (code, stdout, stderr) = run(folder.path(), &["report", "--all"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, "test, profile default: 2 of 2 trials done: reports/test/default/report.md\n");
    assert!(std::fs::read_to_string(&page).unwrap().contains("electra-lab report --all"));

    // With the experiment file it is the first report, except for the path of the file.
    let (code, _, stderr) = run(folder.path(), &["report", "--all", "--experiments", "."]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(std::fs::read_to_string(&page).unwrap().replace("./test.yaml", "test.yaml"), first);

    // A report that is there is built again as it was asked for, byte by byte, overrides and all.
    let (code, stdout, stderr) = run(folder.path(), &["report", "test.yaml", "--set", "seeds=[1]"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("test, profile default (changed by --set): 1 of 1 trials done"), "{stdout}");
    let pages = || -> BTreeMap<PathBuf, Vec<u8>> {
        let folders = std::fs::read_dir(folder.path().join("reports/test")).unwrap().flatten();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten());
        files.map(|file| (file.path(), std::fs::read(file.path()).unwrap())).collect()
    };
    let before = pages();
    assert_eq!(before.keys().filter(|file| file.ends_with("report.md")).count(), 2);
    let (code, stdout, stderr) = run(folder.path(), &["report", "--all"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("test, profile default (changed by --set): 1 of 1"), "{stdout}");
    assert!(before == pages(), "a report that was built again differs");
    let changed = before.keys().find(|file| !file.starts_with(page.parent().unwrap())).unwrap();
    std::fs::remove_dir_all(changed.parent().unwrap()).unwrap();

    let trial =
        std::fs::read_dir(folder.path().join("results/test")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(trial.join("outcome.json"), "{").unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["report", "--all"]);
    assert_eq!(code, 6, "{stderr}");
    assert!(stderr.contains("outcome.json is not a record of electra-lab"), "{stderr}");
    assert_eq!(stdout, "test, profile default: 1 of 2 trials done: reports/test/default/report.md\n");

    for words in
        [&["report"][..], &["report", "--all", "test.yaml"], &["report", "--all", "--profile", "quick"]]
    {
        assert_eq!(run(folder.path(), words).0, 2, "{words:?}");
    }
}
