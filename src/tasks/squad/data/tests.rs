//! Tests of reading SQuAD.

use super::*;
use crate::formats::parquet::tests::write;
use polars::prelude::{IntoSeries, NamedFrom, Series, StructChunked, df};

fn spec(train_examples: usize, validation_examples: usize) -> EvaluateSpec {
    let source = TaskSource::Language { train_examples, validation_examples };
    EvaluateSpec { source, ..Default::default() }
}

fn opened(task: TaskName, evaluate: &EvaluateSpec) -> SquadData {
    let folder = tempfile::tempdir().unwrap();
    open_squad(evaluate, task, &DataSpec::default(), &DataEnv::at(folder.path())).unwrap()
}

#[test]
fn the_language_has_both_versions() {
    let mut evaluate = spec(40, 30);
    let second = opened(TaskName::Squad2, &evaluate);
    assert_eq!((second.train.len(), second.validation.len(), second.synthetic), (40, 30, true));
    let unanswered = second.train.iter().filter(|example| example.answers.is_empty()).count();
    assert!((5..25).contains(&unanswered), "{unanswered}");
    let first = opened(TaskName::Squad, &evaluate);
    assert_eq!(first.train.len(), 40);
    for example in &first.train {
        let answer = &example.answers[0];
        assert_eq!(example.context[answer.start..answer.start + answer.text.len()], answer.text);
    }
    assert_eq!(first.train[0].gold().answers, [first.train[0].answers[0].text.clone()]);
    evaluate.squad.max_validation_examples = Some(7);
    assert_eq!(opened(TaskName::Squad2, &evaluate).validation[..], second.validation[..7]);
}

/// Reads a file of two questions; the second has this question, context and answer.
fn second_row(
    question: &str,
    context: &str,
    answers: &[(&str, i32)],
    task: TaskName,
) -> Result<Vec<SquadExample>> {
    rows(question, context, answers, task, None)
}

/// The same, as a training split where `left_out` is given.
fn rows(
    question: &str,
    context: &str,
    answers: &[(&str, i32)],
    task: TaskName,
    left_out: Option<&mut LeftOut>,
) -> Result<Vec<SquadExample>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let first = [("naïve 🙂", 4)];
    let texts: Vec<Series> = [&first[..], answers]
        .map(|list| Series::new("".into(), list.iter().map(|(text, _)| *text).collect::<Vec<&str>>()))
        .to_vec();
    let starts: Vec<Series> = [&first[..], answers]
        .map(|list| Series::new("".into(), list.iter().map(|(_, start)| *start).collect::<Vec<i32>>()))
        .to_vec();
    let fields = [Series::new("text".into(), texts), Series::new("answer_start".into(), starts)];
    let mut frame = df!(
        "id" => ["q1", "q2"],
        "title" => ["t", "t"],
        "context" => ["The naïve 🙂 one", context],
        "question" => ["What?", question]
    )
    .unwrap();
    let answers = StructChunked::from_series("answers".into(), 2, fields.iter()).unwrap().into_series();
    frame.with_column(answers.into()).unwrap();
    write(&path, frame);
    read_file(&path, task, left_out).map_err(|mut error| {
        error.message = error.message.replace(&folder.path().display().to_string(), "DIR");
        error
    })
}

/// The hub counts code points: a letter with an accent has one code point and two bytes, a smiley one and
/// four.
#[test]
fn offsets_in_code_points_become_offsets_in_bytes() {
    let context = "Ünïcode 🙂🙂 it is";
    let read = second_row("Is it?", context, &[("it is", 11), ("🙂 it", 9)], TaskName::Squad).unwrap();
    let starts: Vec<usize> = read[1].answers.iter().map(|answer| answer.start).collect();
    assert_eq!(starts, [19, 14]);
    assert_eq!(&context[14..], "🙂 it is");
}

#[test]
fn errors_in_a_row_name_it() {
    let error_of = |question: &str, context: &str, answers: &[(&str, i32)], task| {
        second_row(question, context, answers, task).unwrap_err().message
    };
    let two = TaskName::Squad2;
    insta::assert_snapshot!(error_of(" ", "c", &[], two), @r#"row 1 of DIR/a.parquet has an empty "question""#);
    insta::assert_snapshot!(error_of("Q?", "", &[], two), @r#"row 1 of DIR/a.parquet has an empty "context""#);
    insta::assert_snapshot!(error_of("Q?", "a cat", &[(" ", 1)], two), @"row 1 of DIR/a.parquet has an empty answer");
    insta::assert_snapshot!(error_of("Q?", "a cat", &[], TaskName::Squad), @"row 1 of DIR/a.parquet has no answer, but every question of SQuAD 1.1 has one");
}

/// The released code leaves a training question out if its answer is not at its position, and scores a
/// validation question by the answers' texts alone.
#[test]
fn questions_without_an_answer_at_its_position_are_left_out_of_training() {
    let task = TaskName::Squad2;
    let mut left_out = LeftOut::default();
    let mut n_of =
        |answers: &[(&str, i32)]| rows("Q?", "a cat", answers, task, Some(&mut left_out)).unwrap().len();
    assert_eq!((n_of(&[("cat", 1)]), n_of(&[("cat", 5)]), n_of(&[("cat", -1)])), (1, 1, 1));
    assert_eq!((n_of(&[("cat", 3), ("cat", 2)]), n_of(&[("cat", 2)]), n_of(&[])), (2, 2, 2));
    assert_eq!(left_out.n, 3);
    let first = left_out.first.as_deref().unwrap();
    assert!(
        first.ends_with(r#"a.parquet has the answer "cat" where its context has " ca", at 1"#),
        "{first}"
    );
    let kept = rows("Q?", "a cat", &[("cat", 3), ("cat", 2)], task, Some(&mut LeftOut::default())).unwrap();
    assert_eq!(kept[1].answers, [GoldAnswer { text: "cat".into(), start: 2 }]);
    let scored = rows("Q?", "a cat", &[("cat", 3), ("a", 0)], task, None).unwrap();
    assert_eq!(scored[1].gold().answers, ["cat", "a"]);
    check_left_out(&left_out, 27).unwrap();
    let error = check_left_out(&left_out, 26).unwrap_err();
    assert!(
        error.message.starts_with("3 of 29 training questions have no answer at its position"),
        "{error}"
    );
}

/// SQuAD's own JSON, and many copies of it, have a list of structs.
#[test]
fn answers_may_be_a_list_of_structs() {
    let path = Path::new("tests/golden/squad_list.parquet");
    let read = read_file(path, TaskName::Squad2, None).unwrap();
    let answers: Vec<Vec<(&str, usize)>> = read
        .iter()
        .map(|example| example.answers.iter().map(|answer| (answer.text.as_str(), answer.start)).collect())
        .collect();
    assert_eq!(answers, [vec![("1900", 9), ("in 1900", 6)], vec![]]);
    let questions = crate::tasks::squad::squad_questions(path).unwrap();
    assert_eq!(questions, read.iter().map(SquadExample::gold).collect::<Vec<_>>());
}

#[test]
fn errors_in_a_column_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write(&path, df!("id" => ["a"], "context" => ["b"], "question" => ["c"]).unwrap());
    let error_of = || read_file(&path, TaskName::Squad2, None).unwrap_err().message;
    assert!(error_of().ends_with("a.parquet has no column \"answers\""));
    write(&path, df!("id" => ["a"], "context" => ["b"], "question" => ["c"], "answers" => ["d"]).unwrap());
    assert!(error_of().contains("a.parquet has no list of strings \"text\": "), "{}", error_of());
    let example =
        SquadExample { id: "q".into(), context: "c".into(), question: "q".into(), answers: Vec::new() };
    let twice = check_unique_ids(&[example.clone(), example], "train", "main").unwrap_err();
    assert_eq!(twice.message, "the question q occurs twice in the train split (revision main)");
}
