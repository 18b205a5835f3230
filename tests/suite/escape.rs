//! What files and specifications say reaches neither a terminal nor a page as it is.

use std::path::Path;

use crate::cli::run;

/// An experiment of seconds on a file of text.
fn experiment(folder: &Path, name: &str, about: &str, text: &str) {
    let file = format!(
        "name: {name}\nabout: {about}\nbase:\n  model: {{ hidden: 32, layers: 1 }}\n  \
         data: {{ kind: files, paths: [\"{text}\"], tokenizer: {{ kind: own, size: 60 }} }}\n  \
         train: {{ steps: 2, warmup: 1, batch: 2, seq_len: 16, log_every: 1 }}\n\
         evaluate: {{ controls: {{ untrained: false, text_models: false }} }}\n\
         expect: {{ shape: \"A <b>curve</b>\", source: \"[a](http://b) <!-- \" }}\n"
    );
    std::fs::write(folder.join(format!("{name}.yaml")), file).unwrap();
}

/// Control characters other than line breaks and tabs.
fn control_characters(text: &str) -> Vec<char> {
    text.chars().filter(|letter| letter.is_control() && !['\n', '\t'].contains(letter)).collect()
}

#[test]
fn what_files_say_is_shown_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let text = "The man saw it.\nIt was good.\n\n".repeat(120);
    std::fs::write(folder.path().join("=1+1.txt"), &text).unwrap();
    experiment(folder.path(), "page", "\"Is <script>alert(1)</script> shown?\"", "=1+1.txt");
    let (code, stdout, stderr) = run(folder.path(), &["run", "page.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(!stderr.contains("held-out text"), "{stdout} {stderr}");
    let report =
        |name: &str| std::fs::read_to_string(folder.path().join("reports/page/default").join(name)).unwrap();
    let page = report("report.md");
    assert!(page.contains("# page: Is \\<script>alert(1)\\</script> shown?"), "{page}");
    assert!(page.contains("**Expected.** A \\<b>curve\\</b> ([a]\\(http://b) \\<!-- )."), "{page}");
    assert!(report("table.csv").contains(",'=1+1.txt@local,"), "{}", report("table.csv"));

    // Names of files, columns and predictions with control characters.
    std::fs::write(folder.path().join("\u{1b}[31mred.txt"), &text).unwrap();
    experiment(folder.path(), "red", "Is it red?", "\\e[31mred.txt");
    std::fs::write(folder.path().join("gold.tsv"), "index\tlabel\n0\t1\n").unwrap();
    std::fs::write(folder.path().join("red.tsv"), "index\tprediction\n0\t\u{1b}[31mred\n").unwrap();
    let score = ["score", "glue", "--task", "cola", "--gold", "gold.tsv", "--predictions", "red.tsv"];
    for words in [&["run", "red.yaml"][..], &["status", "red.yaml"], &["report", "red.yaml"], &score] {
        let (_, stdout, stderr) = run(folder.path(), words);
        assert!(control_characters(&(stdout + &stderr)).is_empty(), "{words:?}");
    }
    let (code, _, stderr) = run(folder.path(), &score);
    assert!(code == 4 && stderr.contains("\"\\x1b[31mred\" is not a label of cola"), "{stderr}");
    let page = std::fs::read_to_string(folder.path().join("reports/red/default/report.md")).unwrap();
    assert!(control_characters(&page).is_empty(), "{page}");
}

/// Without blank lines a text is one document, and nothing can be held out of it.
#[test]
fn a_text_of_one_document_has_nothing_held_out_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lines.txt"), "The man saw it.\n".repeat(300)).unwrap();
    experiment(folder.path(), "lines", "Is it said?", "lines.txt");
    let (code, _, stderr) = run(folder.path(), &["run", "lines.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    let note = "note: lines.txt has no held-out text, so no held-out loss or accuracy will be reported: it has \
                fewer than 100 documents, and every 100th is held out; in .txt files a blank line separates documents";
    assert!(stderr.contains(note), "{stderr}");
}
