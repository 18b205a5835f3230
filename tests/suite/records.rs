//! `electra-lab records` on the committed results, and the page that describes its table.

use std::collections::BTreeSet;
use std::path::Path;

use polars::prelude::{DataFrame, DataType, ParquetReader, SerReader};

use crate::cli::run;

fn repository(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name).display().to_string()
}

fn numbers(frame: &DataFrame, column: &str) -> Vec<Option<f64>> {
    let column = frame.column(column).unwrap().cast(&DataType::Float64).unwrap();
    column.f64().unwrap().iter().collect()
}

fn texts(frame: &DataFrame, column: &str) -> Vec<Option<String>> {
    let column = frame.column(column).unwrap().cast(&DataType::String).unwrap();
    column.str().unwrap().iter().map(|text| text.map(String::from)).collect()
}

/// The experiments whose results are in the repository.
const COMMITTED: [&str; 3] = ["algorithms", "efficiency", "gen_ratio"];

/// Copies the repository's finished trials on real text to `folder`: a person who works here has other trials
/// in `results/` too.
fn copy_results(folder: &Path) -> String {
    let results = folder.join("committed");
    for experiment in COMMITTED {
        for trial in std::fs::read_dir(Path::new(&repository("results")).join(experiment)).unwrap() {
            let from = trial.unwrap().path();
            let text = std::fs::read_to_string(from.join("trial.json")).unwrap_or_default();
            if !from.join("outcome.json").exists() || !text.contains("\"synthetic\": false") {
                continue;
            }
            let to = results.join(experiment).join(from.file_name().unwrap());
            std::fs::create_dir_all(&to).unwrap();
            for name in ["trial.json", "outcome.json", "metrics.jsonl"] {
                std::fs::copy(from.join(name), to.join(name)).unwrap();
            }
        }
    }
    results.display().to_string()
}

/// The records of the repository as a frame, and what the command said.
fn committed(folder: &Path) -> (DataFrame, String) {
    let (code, stdout, stderr) = run(folder, &["records", &copy_results(folder), "--to", "runs.parquet"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let file = std::fs::File::open(folder.join("runs.parquet")).unwrap();
    (ParquetReader::new(file).finish().unwrap(), stdout)
}

/// The fine-tuning runs of an outcome, and what was measured without them.
fn n_measured(outcome: &serde_json::Value) -> usize {
    let measures = outcome["measures"].as_array().map_or(0, Vec::len);
    outcome["scores"].as_array().unwrap().len() + measures
}

#[test]
fn the_committed_results_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let (frame, stdout) = committed(folder.path());
    let mut rows = 0;
    let mut trials = 0;
    for experiment in std::fs::read_dir(folder.path().join("committed")).unwrap() {
        for trial in std::fs::read_dir(experiment.unwrap().path()).unwrap() {
            let read =
                |name: &str| std::fs::read_to_string(trial.as_ref().unwrap().path().join(name)).unwrap();
            let outcome: serde_json::Value = serde_json::from_str(&read("outcome.json")).unwrap();
            rows += n_measured(&outcome);
            let values = |line: &str| {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                event["values"].as_object().unwrap().len()
            };
            rows += read("metrics.jsonl").lines().map(values).sum::<usize>();
            trials += 1;
        }
    }
    assert_eq!(frame.height(), rows);
    assert_eq!(stdout, format!("{trials} trials, {rows} rows, {} columns: runs.parquet\n", frame.width()));

    // One run, as its file says: gen_ratio/631c4fab0cc1, cola with fine-tuning seed 1.
    let is_it: Vec<bool> = texts(&frame, "trial")
        .iter()
        .zip(texts(&frame, "experiment"))
        .zip(texts(&frame, "task"))
        .zip(numbers(&frame, "finetune_seed"))
        .map(|(((trial, experiment), task), seed)| {
            (trial.as_deref(), experiment.as_deref(), task.as_deref(), seed)
                == (Some("631c4fab0cc1"), Some("gen_ratio"), Some("cola"), Some(1.0))
        })
        .collect();
    let row = is_it.iter().position(|is_it| *is_it).unwrap();
    assert_eq!(is_it.iter().filter(|is_it| **is_it).count(), 1);
    assert_eq!(numbers(&frame, "value")[row], Some(5.642130612998133));
    assert_eq!(numbers(&frame, "model.generator_ratio")[row], Some(0.25));
    assert_eq!(numbers(&frame, "outcome.flops")[row], Some(20639245557503.97));
    assert_eq!(texts(&frame, "objective.kind")[row].as_deref(), Some("rtd"));
    assert_eq!(texts(&frame, "measure")[row].as_deref(), Some("matthews"));
}

#[test]
fn the_page_names_columns_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let (frame, _) = committed(folder.path());
    let page = std::fs::read_to_string(repository("docs/records.md")).unwrap();
    let columns: BTreeSet<String> = frame.get_column_names().iter().map(|name| name.to_string()).collect();
    let (_, described) = page.split_once("## Columns").unwrap();
    let (tables, _) = described.split_once("A cell is empty").unwrap();
    let mut named = 0;
    for row in tables.lines().filter(|line| line.starts_with("| `")) {
        let first = row.split('|').nth(1).unwrap();
        for name in first.split('`').skip(1).step_by(2).filter(|name| !name.ends_with('…')) {
            assert!(
                columns.contains(name),
                "docs/records.md names the column {name}, which the table does not have"
            );
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}

#[test]
fn csv_has_the_same_rows_and_a_wrong_name_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let (frame, _) = committed(folder.path());
    let results = folder.path().join("committed").display().to_string();
    let (code, _, stderr) = run(folder.path(), &["records", &results, "--to", "runs.csv"]);
    assert_eq!(code, 0, "{stderr}");
    let text = std::fs::read_to_string(folder.path().join("runs.csv")).unwrap();
    assert_eq!(text.lines().count(), 1 + frame.height());
    let (code, _, stderr) = run(folder.path(), &["records", &results, "--to", "runs.xlsx"]);
    assert!(code == 2 && stderr.contains("the name must end in .parquet or .csv"), "{code}: {stderr}");
}

#[test]
fn damaged_records_are_named_and_the_others_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| {
        let to = folder.path().join("results/gen_ratio").join(to);
        std::fs::create_dir_all(&to).unwrap();
        for name in ["trial.json", "outcome.json", "metrics.jsonl"] {
            std::fs::copy(Path::new(&repository("results/gen_ratio")).join(from).join(name), to.join(name))
                .unwrap();
        }
    };
    copy("631c4fab0cc1", "631c4fab0cc1");
    copy("72ccf6f49cdd", "renamed");
    let (code, stdout, stderr) = run(folder.path(), &["records", "--to", "runs.csv"]);
    assert!(stderr.contains("trial.json is the record of trial 72ccf6f49cdd"), "{stderr}");
    assert!(code == 6 && stdout.starts_with("1 trial, "), "{code}: {stdout}");
    let (code, _, stderr) = run(folder.path(), &["records", "cache", "--to", "runs.csv"]);
    assert!(code != 0 && stderr.contains("cache"), "{stderr}");
}

#[test]
fn every_report_of_the_committed_results_can_be_built() {
    let folder = tempfile::tempdir().unwrap();
    let (results, experiments) = (copy_results(folder.path()), repository("experiments"));
    let words = ["report", "--all", "--results", &results, "--experiments", &experiments];
    let (code, stdout, stderr) = run(folder.path(), &words);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert_eq!(stdout.lines().count(), 3, "{stdout}");
    for experiment in COMMITTED {
        let out = folder.path().join("reports").join(experiment).join("small");
        let table = std::fs::read_to_string(out.join("table.csv")).unwrap();
        let runs = table.lines().skip(1).count();
        let mut expected = 0;
        for trial in std::fs::read_dir(Path::new(&results).join(experiment)).unwrap() {
            let text = std::fs::read_to_string(trial.unwrap().path().join("outcome.json")).unwrap();
            let outcome: serde_json::Value = serde_json::from_str(&text).unwrap();
            expected += n_measured(&outcome);
        }
        assert_eq!(runs, expected, "{experiment}");
    }
}
