//! Zips of a trial that never ran, read back.

use std::collections::BTreeMap;
use std::io::Read;

use super::*;
use crate::experiment::TrialId;
use crate::records::{PredictedExample, RECORD_VERSION};
use crate::run::fixture::{a_trial_record, an_outcome};

const ID: &str = "0123456789ab";

fn a_score(task: TaskName, finetune_seed: u64, value: f64) -> Score {
    Score {
        task,
        synthetic: false,
        finetune_seed,
        metric: "accuracy".into(),
        value: Some(value),
        interval: None,
        others: Default::default(),
        majority: 50.0,
        n_examples: 3,
        n_train: 3,
        steps: 1,
        n_cut: 0,
        is_constant: None,
    }
}

/// Results with one finished trial: three runs a task, of which the second is the median; run s predicts
/// class s - 1 of three rows where the task has it.
fn results(tasks: &[TaskName]) -> (tempfile::TempDir, TrialFolder) {
    let results = tempfile::tempdir().unwrap();
    let id = TrialId(ID.into());
    let folder = TrialFolder::new(results.path(), "glue", &id);
    let _lock = folder.lock().unwrap();
    folder.write_trial(&a_trial_record(&id)).unwrap();
    let mut outcome = an_outcome(&id);
    for &task in tasks {
        for (finetune_seed, value) in [(1, 90.0), (2, 80.0), (3, 70.0)] {
            outcome.scores.push(a_score(task, finetune_seed, value));
            for file in leaderboard_files().iter().filter(|file| file.task == task) {
                let prediction = ((finetune_seed - 1) % 2) as f64;
                let example = |idx: i64| PredictedExample { idx: 10 * idx, prediction, label: -1.0 };
                let examples = (0..3).map(example).collect();
                let split = file.split.into();
                let record_version = RECORD_VERSION;
                folder
                    .write_split_predictions(&SplitPredictions {
                        record_version,
                        task,
                        split,
                        finetune_seed,
                        examples,
                    })
                    .unwrap();
            }
        }
    }
    folder.write_outcome(&outcome).unwrap();
    (results, folder)
}

fn options(results: &Path, partial: bool) -> SubmissionOptions {
    let (trial, to) = (ID[..4].into(), results.join("glue.zip"));
    SubmissionOptions { trial, results: results.into(), to, finetune_seed: None, partial }
}

fn read_back(path: &Path) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        files.insert(file.name().unwrap().into_owned(), text);
    }
    files
}

#[test]
fn a_complete_submission_has_eleven_files() {
    let (folder, _) = results(&TaskName::ALL);
    let options = options(folder.path(), false);
    let made = submission(&options).unwrap();
    assert!(made.missing.is_empty() && made.notes.len() == 11);
    assert!(made.files.iter().all(|file| file.finetune_seed == 2 && file.n_rows == 3), "the median runs");
    let files = read_back(&options.to);
    assert!(files.keys().eq([
        "AX.tsv",
        "CoLA.tsv",
        "MNLI-m.tsv",
        "MNLI-mm.tsv",
        "MRPC.tsv",
        "QNLI.tsv",
        "QQP.tsv",
        "RTE.tsv",
        "SST-2.tsv",
        "STS-B.tsv",
        "WNLI.tsv"
    ]));
    assert_eq!(files["MNLI-mm.tsv"], "index\tprediction\n0\tneutral\n1\tneutral\n2\tneutral\n");
    assert_eq!(
        files["RTE.tsv"],
        "index\tprediction\n0\tnot_entailment\n1\tnot_entailment\n2\tnot_entailment\n"
    );
    assert_eq!(files["STS-B.tsv"], "index\tprediction\n0\t1.000\n1\t1.000\n2\t1.000\n");
    assert_eq!(files["WNLI.tsv"], "index\tprediction\n0\t1\n1\t1\n2\t1\n");

    let first = std::fs::read(&options.to).unwrap();
    insta::assert_snapshot!(submission(&options).unwrap_err().to_string().replace(&folder.path().display().to_string(), "RESULTS"), @r"
    RESULTS/glue.zip already exists
    hint: give --to another name, or delete the file
    ");
    std::fs::remove_file(&options.to).unwrap();
    submission(&options).unwrap();
    assert!(std::fs::read(&options.to).unwrap() == first, "the same predictions gave other bytes");
    std::fs::remove_file(&options.to).unwrap();
    let named = SubmissionOptions { finetune_seed: Some(1), ..options };
    submission(&named).unwrap();
    assert_eq!(read_back(&named.to)["WNLI.tsv"], "index\tprediction\n0\t0\n1\t0\n2\t0\n");
}

#[test]
fn every_missing_file_is_listed() {
    let (results, folder) = results(&[TaskName::Rte, TaskName::Mnli]);
    std::fs::remove_file(folder.split_predictions_path(TaskName::Mnli, 2, "ax")).unwrap();
    let shown = |error: Error| error.to_string().replace(&results.path().display().to_string(), "RESULTS");
    let whole = options(results.path(), false);
    insta::assert_snapshot!(shown(submission(&whole).unwrap_err()), @r"
    RESULTS/glue/0123456789ab has no predictions for 8 of the 11 files of a submission:
      CoLA.tsv: the trial did not evaluate cola
      SST-2.tsv: the trial did not evaluate sst2
      MRPC.tsv: the trial did not evaluate mrpc
      STS-B.tsv: the trial did not evaluate stsb
      QNLI.tsv: the trial did not evaluate qnli
      WNLI.tsv: the trial did not evaluate wnli
      QQP.tsv: the trial did not evaluate qqp
      AX.tsv: there is no predictions/mnli-2-ax.json
    hint: evaluate these tasks on the hub's GLUE with evaluate.predict_test: true (a finished trial predicts them after its outcome.json is deleted and its experiment run again), or pass --partial for the files that are there
    ");
    assert!(!whole.to.exists());
    let other = SubmissionOptions { finetune_seed: Some(4), ..options(results.path(), true) };
    let error = shown(submission(&other).unwrap_err());
    assert!(error.contains("RTE.tsv: rte was fine-tuned with the seeds 1 to 3, not 4"), "{error}");
    assert!(!error.contains("--partial"), "there is nothing to write: {error}");

    let made = submission(&options(results.path(), true)).unwrap();
    let names: Vec<&str> = made.files.iter().map(|file| file.name).collect();
    assert_eq!((names, made.missing.len()), (vec!["MNLI-m.tsv", "MNLI-mm.tsv", "RTE.tsv"], 8));
    assert_eq!(read_back(&whole.to).len(), 3);
}

#[test]
fn an_unfinished_trial_is_refused() {
    let (results, folder) = results(&[TaskName::Rte]);
    std::fs::remove_file(folder.path().join("outcome.json")).unwrap();
    let error = submission(&options(results.path(), true)).unwrap_err();
    assert!(error.message.ends_with("is not finished"), "{error}");
}
