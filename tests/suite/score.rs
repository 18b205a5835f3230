//! `electra-lab score` on files from other tools.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::run;

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// The JSON that a command prints, and its stderr.
fn scored(folder: &Path, words: &[&str]) -> (Value, String) {
    let (code, stdout, stderr) = run(folder, words);
    assert_eq!(code, 0, "{words:?}: {stderr}");
    (serde_json::from_str(&stdout).unwrap(), stderr)
}

#[test]
fn glue_predictions_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let gold = "index\tsentence1\tlabel\n0\ta\tentailment\n1\tb\tnot_entailment\n2\tc\tentailment\n3\td\tentailment\n";
    write(folder.path(), "gold.tsv", gold);
    write(folder.path(), "RTE.tsv", "index\tprediction\n3\tentailment\n0\t0\n1\tnot_entailment\n2\t1\n");
    let words =
        ["score", "glue", "--task", "rte", "--gold", "gold.tsv", "--predictions", "RTE.tsv", "--json"];
    let (scores, stderr) = scored(folder.path(), &words);
    assert_eq!(scores, json!({"task": "rte", "n": 4, "metrics": {"accuracy": 0.75}}));
    assert_eq!(stderr, "");
    let (with_interval, _) = scored(folder.path(), &[&words[..], &["--bootstrap", "500"]].concat());
    assert_eq!(with_interval["metrics"], scores["metrics"]);
    let ends = &with_interval["interval"]["accuracy"];
    assert!(ends[0].as_f64().unwrap() < 0.75 && ends[1] == json!(1.0), "{ends}");
    // Without a number, the option is 1000, and does not take the next word as its value.
    let (thousand, _) = scored(folder.path(), &[&words[..8], &["--bootstrap", "--json"]].concat());
    assert!(thousand["interval"]["accuracy"].is_array());

    write(folder.path(), "RTE.tsv", "index\tprediction\n3\tentailment\n0\t0\n1\tneutral\n2\t1\n");
    let (code, stdout, stderr) = run(folder.path(), &words);
    assert_eq!((code, stdout.as_str()), (4, ""));
    assert!(
        stderr.starts_with("error: RTE.tsv line 4: \"neutral\" is not a label of rte\nhint: "),
        "{stderr}"
    );
    let (code, _, stderr) = run(folder.path(), &["score", "glue", "--task", "rted"]);
    assert!(code == 2 && stderr.contains("mnli-mm"), "{stderr}");
}

#[test]
fn minimal_pairs_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let header = "set,paradigm,phenomenon,pair,scorer,good,bad";
    let rows = "s,a,x,0,pll,-1,-2\ns,a,x,1,pll,-2,-2\ns,b,x,0,pll,-3,-2\ns,b,x,0,disc_sum,-1,-2\n";
    write(folder.path(), "scores.csv", &format!("{header}\n{rows}"));
    let (scores, stderr) = scored(folder.path(), &["score", "pairs", "scores.csv", "--json"]);
    assert_eq!(stderr, "");
    let [pll, disc_sum] = [&scores["scores"][0], &scores["scores"][1]];
    assert_eq!(
        (&pll["set"], &pll["scorer"], &disc_sum["scorer"]),
        (&json!("s"), &json!("pll"), &json!("disc_sum"))
    );
    assert_eq!(
        (&pll["all"]["accuracy"], &pll["all"]["ties"], &pll["all"]["n"]),
        (&json!(0.5), &json!(1), &json!(3))
    );
    assert_eq!((&pll["macro"]["accuracy"], &pll["all"]["per_token"]), (&json!(0.375), &Value::Null));
    assert_eq!(pll["paradigms"]["a"]["accuracy"], json!(0.75));
    let (code, stdout, _) = run(folder.path(), &["score", "pairs", "scores.csv"]);
    assert!(code == 0 && stdout.lines().count() == 1 + 5 + 4, "{stdout}");

    write(folder.path(), "scores.csv", &format!("{header}\ns,a,x,0,pll,-1,nan\n"));
    let (code, stdout, stderr) = run(folder.path(), &["score", "pairs", "scores.csv"]);
    assert_eq!((code, stdout.as_str()), (4, ""));
    assert!(
        stderr.starts_with("error: scores.csv line 2: bad is \"nan\", not a finite number\nhint: "),
        "{stderr}"
    );
    write(folder.path(), "scores.csv", header);
    let (code, _, stderr) = run(folder.path(), &["score", "pairs", "scores.csv"]);
    assert!(code == 4 && stderr.starts_with("error: scores.csv has no pairs\nhint: "), "{stderr}");
}

/// Writes the last golden data set with probabilities in the format of the official script.
#[test]
fn squad_answers_are_scored_under_the_official_names() {
    let golden: Value = serde_json::from_str(include_str!("../golden/squad.json")).unwrap();
    let sets = golden["sets"].as_array().unwrap();
    let set = sets.iter().rfind(|set| set["no_answer"].is_object()).unwrap();
    let qas: Vec<Value> = set["questions"].as_array().unwrap().iter().map(question).collect();
    let folder = tempfile::tempdir().unwrap();
    let dataset =
        json!({"version": "v2.0", "data": [{"title": "", "paragraphs": [{"context": "", "qas": qas}]}]});
    write(folder.path(), "dev.json", &dataset.to_string());
    write(folder.path(), "predictions.json", &set["predictions"].to_string());
    write(folder.path(), "no_answer.json", &set["no_answer"].to_string());
    let threshold = set["threshold"].to_string();
    let words = ["score", "squad", "--dataset", "dev.json", "--predictions", "predictions.json", "--json"];
    let no_answer = ["--na-probs", "no_answer.json", "--na-prob-thresh", &threshold];
    let (scores, stderr) = scored(folder.path(), &[&words[..], &no_answer].concat());
    assert_eq!(stderr, "");
    let numbers = |scores: &Value| -> Map<String, Value> { scores.as_object().unwrap().clone() };
    let (found, expected) = (numbers(&scores), numbers(&set["scores"]));
    assert!(found.keys().eq(expected.keys()), "{found:?}");
    for (key, value) in &expected {
        assert!((found[key].as_f64().unwrap() - value.as_f64().unwrap()).abs() < 1e-9, "{key}");
    }
    assert_eq!(found.len(), 13);

    // Without one prediction, its question is wrong, and stderr says so.
    let mut predictions = numbers(&set["predictions"]);
    let first = predictions.keys().next().unwrap().clone();
    predictions.shift_remove(&first);
    write(folder.path(), "predictions.json", &Value::Object(predictions).to_string());
    let (fewer, stderr) = scored(folder.path(), &words);
    assert_eq!((&fewer["total"], &fewer["missing"]), (&expected["total"], &json!(1)));
    let start = format!("note: 1 of the {} questions have no prediction", expected["total"]);
    assert!(stderr.starts_with(&start) && stderr.contains(&first), "{stderr}");
}

/// A question of the golden file in the official layout of version 1.1, which has no `is_impossible`.
fn question(one: &Value) -> Value {
    let texts = one["answers"].as_array().unwrap().iter();
    let answers: Vec<Value> = texts.map(|text| json!({"text": text, "answer_start": 0})).collect();
    json!({"id": one["id"], "question": "?", "answers": answers})
}

/// The script of SQuAD 1.1 gives a question without an answer the score 0. A byte order mark is no mistake.
#[test]
fn missing_answers_of_squad_are_wrong_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let question = |id: &str| json!({"id": id, "question": "When?", "answers": [{"text": "1900"}]});
    let paragraph = json!({"context": "It was 1900.", "qas": [question("q0"), question("q1")]});
    let data = json!({"version": "1.1", "data": [{"title": "t", "paragraphs": [paragraph]}]});
    write(folder.path(), "dev.json", &format!("\u{feff}{data}"));
    write(folder.path(), "answers.json", "\u{feff}{\"q0\": \"1900\"}");
    let words = ["score", "squad", "--dataset", "dev.json", "--predictions", "answers.json", "--json"];
    let (scores, stderr) = scored(folder.path(), &words);
    assert_eq!((&scores["exact"], &scores["f1"], &scores["total"]), (&json!(50.0), &json!(50.0), &json!(2)));
    assert_eq!((&scores["missing"], &scores["first_missing"]), (&json!(1), &json!("q1")));
    assert_eq!(stderr, "note: 1 of the 2 questions have no prediction and count as wrong; the first is q1\n");
}
