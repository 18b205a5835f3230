//! Saved answers score as `score squad` scores them.

use std::path::Path;

use super::*;
use crate::experiment::{DataSpec, EvaluateSpec, TaskSource, TrialId};
use crate::hub::DataEnv;
use crate::records::RECORD_VERSION;
use crate::tasks::open_squad;
use crate::tools::score_squad;

fn questions(task: TaskName) -> Vec<SquadExample> {
    let source = TaskSource::Language { train_examples: 10, validation_examples: 20 };
    let folder = tempfile::tempdir().unwrap();
    let evaluate = EvaluateSpec { source, ..Default::default() };
    open_squad(&evaluate, task, &DataSpec::default(), &DataEnv::at(folder.path())).unwrap().validation
}

/// Every second question gets its gold answer, the others the context's first word; the scores of no answer
/// are mixed.
fn answers(questions: &[SquadExample]) -> Vec<DecodedAnswer> {
    let each = questions.iter().enumerate();
    each.map(|(index, question)| {
        let gold = question.answers.first().filter(|_| index % 2 == 0).map(|answer| answer.text.clone());
        let first = || question.context.split(' ').next().unwrap().to_string();
        let text = gold.unwrap_or_else(first);
        let span = RankedAnswer { text, probability: 1.0, start_score: -0.25, end_score: -0.5 };
        let no_answer = f64::from(((index * 7) % 11) as f32 / 3.0 - 4.5);
        DecodedAnswer { n_best: vec![span], no_answer: Some(no_answer) }
    })
    .collect()
}

fn record(task: TaskName) -> SquadRecord {
    SquadRecord {
        record_version: RECORD_VERSION,
        task,
        synthetic: true,
        finetune_seed: 1,
        n_train: 10,
        n_windows: 12,
        steps: 3,
        no_answer_threshold: -2.75,
    }
}

/// The official JSON of the questions.
fn dataset(folder: &Path, questions: &[SquadExample]) -> PathBuf {
    let all: Vec<Value> = questions
        .iter()
        .map(|question| {
            let answers: Vec<Value> =
                question.answers.iter().map(|answer| json!({ "text": answer.text })).collect();
            json!({ "id": question.id, "answers": answers })
        })
        .collect();
    let path = folder.join("dataset.json");
    let content = json!({ "data": [{ "paragraphs": [{ "qas": all }] }] });
    std::fs::write(&path, content.to_string()).unwrap();
    path
}

#[test]
fn score_squad_gives_the_same_figures() {
    for task in [TaskName::Squad, TaskName::Squad2] {
        let results = tempfile::tempdir().unwrap();
        let trial = TrialFolder::new(results.path(), "squad", &TrialId("0123456789ab".into()));
        let questions = questions(task);
        let folder = SquadFolder::new(&trial, task, 1);
        assert_eq!(folder.record().unwrap(), None);
        folder.write(&record(task), &questions, &answers(&questions)).unwrap();
        assert_eq!(folder.record().unwrap(), Some(record(task)));
        let gold: Vec<SquadQuestion> = questions.iter().map(SquadExample::gold).collect();
        let score = folder.score(&record(task), &gold).unwrap();
        assert_eq!(folder.score(&record(task), &gold).unwrap(), score);
        assert!(score.value.unwrap() > 10.0 && score.value.unwrap() < 90.0, "{score:?}");

        let at = |name: &str| trial.path().join(format!("predictions/{task}-1/{name}"));
        let odds = at("na_prob.json");
        assert_eq!(odds.is_file(), task == TaskName::Squad2);
        let odds = odds.is_file().then_some(odds);
        let dataset = dataset(results.path(), &questions);
        let threshold = if odds.is_some() { -2.75 } else { 1.0 };
        let official =
            score_squad(&dataset, &at("predictions.json"), odds.as_deref(), threshold, None).unwrap();
        assert_eq!((score.value, score.others["exact"]), (Some(official.f1), official.exact));
        assert_eq!(score.others.get("best_f1").copied(), official.best_f1);
        assert_eq!(score.others.get("best_f1_thresh").copied(), official.best_f1_thresh);
        let silent = official.no_answer_total.unwrap_or(0) as f64 / questions.len() as f64;
        assert_eq!(score.majority, 100.0 * silent);
    }
}

#[test]
fn the_files_are_the_official_ones() {
    let results = tempfile::tempdir().unwrap();
    let trial = TrialFolder::new(results.path(), "squad", &TrialId("0123456789ab".into()));
    let questions =
        [SquadExample { id: "q1".into(), context: "é b".into(), question: "?".into(), answers: Vec::new() }];
    let span = RankedAnswer { text: "é".into(), probability: 1.0, start_score: -0.25, end_score: -0.5 };
    let answers = [DecodedAnswer { n_best: vec![span], no_answer: Some(-1.5) }];
    SquadFolder::new(&trial, TaskName::Squad2, 3)
        .write(&record(TaskName::Squad2), &questions, &answers)
        .unwrap();
    let text =
        |name: &str| std::fs::read_to_string(trial.path().join("predictions/squad2-3").join(name)).unwrap();
    insta::assert_snapshot!(text("predictions.json"), @r#"{"q1":"é"}"#);
    insta::assert_snapshot!(text("na_prob.json"), @r#"{"q1":-1.5}"#);
    insta::assert_snapshot!(text("nbest.json"), @r#"{"q1":[{"text":"é","probability":1.0,"start_logit":-0.25,"end_logit":-0.5}]}"#);
}
