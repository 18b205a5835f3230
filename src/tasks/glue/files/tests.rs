//! Correct files, and files with every kind of error.

use polars::prelude::df;

use super::*;
use crate::formats::parquet::tests::write;
use crate::tasks::table::glue_task;

/// Pairs two files with these contents. Errors name the folder DIR.
fn paired(task: &str, gold: &str, predictions: &str, by_row: bool) -> std::result::Result<GluePairs, String> {
    let folder = tempfile::tempdir().unwrap();
    let (gold_path, predictions_path) =
        (folder.path().join("gold.tsv"), folder.path().join("predictions.tsv"));
    std::fs::write(&gold_path, gold).unwrap();
    std::fs::write(&predictions_path, predictions).unwrap();
    shown(folder.path(), glue_pairs(glue_task(task).unwrap(), &gold_path, &predictions_path, by_row))
}

fn shown(folder: &Path, result: Result<GluePairs>) -> std::result::Result<GluePairs, String> {
    result.map_err(|error| error.to_string().replace(&folder.display().to_string(), "DIR"))
}

fn pairs(labels: &[f64], predictions: &[f64]) -> std::result::Result<GluePairs, String> {
    Ok(GluePairs { labels: labels.to_vec(), predictions: predictions.to_vec() })
}

const RTE_GOLD: &str = "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n1\tc\td\tnot_entailment\n";

#[test]
fn names_and_numbers_are_paired_by_index() {
    let predicted = "index\tprediction\n1\tentailment\n0\t0\n";
    assert_eq!(paired("rte", RTE_GOLD, predicted, false), pairs(&[0.0, 1.0], &[0.0, 0.0]));
    let (mrpc, qqp) = ("\u{feff}Quality\t#1 ID\n1\t7\n0\t8\n", "id\tis_duplicate\n52\t1\n53\t0\n");
    let predicted = "index\tprediction\r\n0\t1\r\n1\t1\r\n";
    for (task, gold) in [("mrpc", mrpc), ("qqp", qqp)] {
        assert_eq!(paired(task, gold, predicted, false), pairs(&[1.0, 0.0], &[1.0, 1.0]), "{task}");
    }
    let mnli = "index\tlabel1\tgold_label\n0\tneutral\tcontradiction\n";
    assert_eq!(paired("mnli", mnli, "index\tprediction\n0\tneutral\n", false), pairs(&[2.0], &[1.0]));
    let stsb = "index\tgenre\tscore\n0\tnews\t4.25\n";
    assert_eq!(paired("stsb", stsb, "index\tprediction\n0\t5.5\n", false), pairs(&[4.25], &[5.5]));
}

#[test]
fn numbers_may_be_written_as_pandas_writes_them() {
    let gold = "index\tlabel\n0.0\t1.0\n1.0\t0.0\n";
    let predicted = "index\tprediction\n1\t1e0\n0.0\t1.0\n";
    assert_eq!(paired("mrpc", gold, predicted, false), pairs(&[1.0, 0.0], &[1.0, 1.0]));
}

/// GLUE's own CoLA has no header: its first line is an example.
#[test]
fn colas_own_file_has_no_header() {
    let gold = "gj04\t1\t\tThe lamp fell.\ngj04\t0\t*\tFell the.\ngj04\t1\t\tShe put it there.\n";
    let predicted = "index\tprediction\n0\t1\n1\t0\n2\t0\n";
    assert_eq!(paired("cola", gold, predicted, false), pairs(&[1.0, 0.0, 1.0], &[1.0, 0.0, 0.0]));
    assert!(paired("sst2", gold, predicted, false).unwrap_err().contains("no column of labels"));
    let wrong = gold.replace("gj04\t0", "gj04\t7");
    assert!(paired("cola", &wrong, predicted, false).unwrap_err().contains("gold.tsv line 2"));
}

#[test]
fn rows_can_be_the_indices() {
    let gold = "idx\tlabel\n9\t1\n12\t0\n";
    let predicted = "index\tprediction\n0\t1\n1\t0\n";
    assert_eq!(paired("mrpc", gold, predicted, true), pairs(&[1.0, 0.0], &[1.0, 0.0]));
    insta::assert_snapshot!(paired("mrpc", gold, predicted, false).unwrap_err(), @r"
    DIR/predictions.tsv line 2: index 0 is not in DIR/gold.tsv
    hint: predict the examples of this gold file, by its index column; with --by-row the index is the row from 0 (the hub's MRPC has gaps in its indices)
    ");
}

#[test]
fn errors_in_predictions_name_the_line() {
    let error = |predicted: &str| paired("rte", RTE_GOLD, predicted, false).unwrap_err();
    insta::assert_snapshot!(error("index\tprediction\n1\t0\n"), @r"
    DIR/predictions.tsv predicts 1 of the 2 examples of DIR/gold.tsv; the first without a prediction is index 0
    hint: predict every example: a score needs all of them
    ");
    insta::assert_snapshot!(error("index\tprediction\n1\t0\n0\t1\n1\t1\n"), @r"
    DIR/predictions.tsv line 4: index 1 occurs again, after DIR/predictions.tsv line 2
    hint: write every index once
    ");
    insta::assert_snapshot!(error("index\tprediction\n0\tmaybe\n1\t0\n"), @r#"
    DIR/predictions.tsv line 2: "maybe" is not a label of rte
    hint: use entailment, not_entailment, or their numbers from 0
    "#);
    insta::assert_snapshot!(error("index\tprediction\n0\t2\n1\t0\n"), @r#"
    DIR/predictions.tsv line 2: "2" is not a label of rte
    hint: use entailment, not_entailment, or their numbers from 0
    "#);
    insta::assert_snapshot!(error("index\tprediction\n0\t-1\n1\t0\n"), @r#"
    DIR/predictions.tsv line 2: "-1" is not a label of rte
    hint: use entailment, not_entailment, or their numbers from 0
    "#);
    insta::assert_snapshot!(error("index\tprediction\n0.5\t0\n1\t0\n"), @r#"
    DIR/predictions.tsv line 2: "0.5" is not an index
    hint: write the example's index in the gold file
    "#);
    insta::assert_snapshot!(error("index\tlabel\n0\t0\n1\t0\n"), @r"
    DIR/predictions.tsv has no column of predictions; its header is: index, label
    hint: name it prediction
    ");
    let stsb = "index\tscore\n0\t4.25\n";
    insta::assert_snapshot!(paired("stsb", stsb, "index\tprediction\n0\tNaN\n", false).unwrap_err(), @r#"
    DIR/predictions.tsv line 2: "NaN" is not a label of stsb
    hint: use a number; gold scores are from 0 to 5
    "#);
}

#[test]
fn errors_in_gold_labels_name_the_line() {
    let error = |task, gold: &str| paired(task, gold, "index\tprediction\n0\t0\n", false).unwrap_err();
    insta::assert_snapshot!(error("rte", "index\tlabel\n0\t0\n0\t1\n"), @r"
    DIR/gold.tsv line 3: index 0 occurs again, after DIR/gold.tsv line 2
    hint: write every index once
    ");
    insta::assert_snapshot!(error("rte", "index\tlabel\n0\t-1\n"), @r"
    DIR/gold.tsv line 2 has no label (-1 means that it is hidden)
    hint: score on the validation split; only the leaderboard has the labels of test splits
    ");
    insta::assert_snapshot!(error("mnli", "index\tgold_label\n0\t-\n"), @r#"
    DIR/gold.tsv line 2: "-" is not a label of mnli
    hint: use entailment, neutral, contradiction, or their numbers from 0
    "#);
    insta::assert_snapshot!(error("stsb", "index\tscore\n0\t5.1\n"), @r#"
    DIR/gold.tsv line 2: "5.1" is not a label of stsb
    hint: use a number; gold scores are from 0 to 5
    "#);
    insta::assert_snapshot!(error("cola", "gj04\t2\t\tThe sailors rode the breeze clear.\n"), @r"
    DIR/gold.tsv has no column of labels; its header is: gj04, 2, , The sailors rode the breeze clear.
    hint: name it label or gold_label or score or Quality or is_duplicate or Label
    ");
    insta::assert_snapshot!(error("cola", "label\n"), @r"
    DIR/gold.tsv has no examples
    hint: name the validation file of the task
    ");
}

#[test]
fn the_hubs_parquet_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (gold, predicted) = (folder.path().join("gold.parquet"), folder.path().join("predictions.tsv"));
    let task = glue_task("rte").unwrap();
    let pairs_of = |label: &[Option<i64>]| {
        let idx: Vec<i32> = (0..label.len() as i32).map(|index| 3 * index).collect();
        write(&gold, df!("label" => label, "idx" => idx).unwrap());
        shown(folder.path(), glue_pairs(task, &gold, &predicted, false))
    };
    std::fs::write(&predicted, "index\tprediction\n6\t0\n0\t1\n3\t1\n").unwrap();
    assert_eq!(pairs_of(&[Some(0), Some(1), Some(1)]), pairs(&[0.0, 1.0, 1.0], &[1.0, 1.0, 0.0]));
    insta::assert_snapshot!(pairs_of(&[Some(0), Some(1), None]).unwrap_err(), @r"
    DIR/gold.parquet row 2 has no label (-1 means that it is hidden)
    hint: score on the validation split; only the leaderboard has the labels of test splits
    ");
    insta::assert_snapshot!(pairs_of(&[Some(0), Some(2), Some(1)]).unwrap_err(), @r#"
    DIR/gold.parquet row 1: "2" is not a label of rte
    hint: use entailment, not_entailment, or their numbers from 0
    "#);
    let bytes = std::fs::read(&gold).unwrap();
    std::fs::write(&gold, &bytes[..bytes.len() / 2]).unwrap();
    let truncated = shown(folder.path(), glue_pairs(task, &gold, &predicted, false));
    insta::assert_snapshot!(truncated.unwrap_err(), @r"
    DIR/gold.parquet is a Parquet file whose end is missing
    hint: write the file again, or name another one
    ");
    write(&gold, df!("sentence" => ["a"], "idx" => [0i32]).unwrap());
    let columns = shown(folder.path(), glue_pairs(task, &gold, &predicted, false));
    insta::assert_snapshot!(columns.unwrap_err(), @r#"
    DIR/gold.parquet has no column "label"
    hint: its columns are sentence, idx
    "#);
}
