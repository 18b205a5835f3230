//! Keeps the project's old private words out: the field has terms for these things, and `docs/glossary.md`
//! lists them.

use crate::source_tree::texts_below;

/// Names that code may not use, with the term that it uses instead.
const COINED_NAMES: [(&str, &str); 24] = [
    ("Moment", "StepContext"),
    ("Tally", "DeferredMetrics"),
    ("Measures", "Metrics"),
    ("when_read", "defer"),
    ("settle_all", "resolve_all"),
    ("own_share", "scale_to_full_batch"),
    ("Readings", "SoftmaxStats"),
    ("read_rows", "softmax_stats"),
    ("projected_readings", "fused_linear_softmax_stats"),
    ("Reach", "AttentionMask"),
    ("Emulated", "CpuEmulator"),
    ("Told", "Outputs"),
    ("word_room", "alloc"),
    ("Beside", "PaperComparison"),
    ("parcel", "corpus archive"),
    ("Parcel", "corpus archive"),
    ("Pace", "StepTime"),
    ("Donor", "PretrainingSource"),
    ("is_twin", "is_identical"),
    ("Surroundings", "RunContext"),
    ("patiently", "defer_signals"),
    ("Fault", "Error"),
    ("FaultKind", "ErrorKind"),
    ("apply_and_turn", "gelu_backward_inplace"),
];

/// Turns of phrase that a newcomer stumbles over, in comments, messages and documents.
const COINED_PHRASES: [&str; 8] = [
    "of so many",
    "in vain",
    "a trial a row",
    "is told apart",
    "goes on to",
    "the host decides",
    "met a bug",
    "begins so;",
];

/// Whether `word` stands in `line` by itself.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        !is_part(line[..at].chars().next_back()) && !is_part(line[at + word.len()..].chars().next())
    })
}

#[test]
fn code_uses_the_terms_of_the_field() {
    let mut wrong = Vec::new();
    for folder in ["src", "benches"] {
        for (name, text) in texts_below(folder, &["rs"]) {
            for (index, line) in text.lines().enumerate() {
                // What an older version wrote is still read, under its old name.
                let reads_old = line.contains("alias") || line.contains("// old name");
                for (word, term) in COINED_NAMES.iter().filter(|(word, _)| !reads_old && has_word(line, word))
                {
                    wrong.push(format!("{name}:{}: `{word}`, say {term}", index + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sentences_are_plain_english() {
    let mut wrong = Vec::new();
    let documents = ["docs", "src", "benches", "experiments", "scripts"];
    for (name, text) in
        documents.iter().flat_map(|folder| texts_below(folder, &["rs", "md", "yaml", "py", "cu"]))
    {
        for (index, line) in text.lines().enumerate() {
            for phrase in COINED_PHRASES.iter().filter(|phrase| line.contains(**phrase)) {
                wrong.push(format!("{name}:{}: \"{phrase}\"", index + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
