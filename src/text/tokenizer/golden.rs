//! Compares WordPiece with `BertTokenizerFast`, on the texts of `tests/golden/wordpiece.json`.
//!
//! There, too, a text that spells a special token was tokenised as text (`split_special_tokens=True`).
//! `scripts/golden_wordpiece.py` makes the file.

use serde::Deserialize;

use super::{TOKENIZER_FILE, Tokenizer};
use crate::hub::{Hub, HubConfig, RepoKind, test_hub};

#[derive(Deserialize)]
struct WordPieceGolden {
    texts: Vec<GoldenText>,
}

#[derive(Deserialize)]
struct GoldenText {
    name: String,
    text: String,
    /// Ids by `tests/golden/vocabulary.txt`.
    small: Vec<u32>,
    /// Ids by the vocabulary of google-bert/bert-base-uncased.
    bert: Vec<u32>,
}

fn texts() -> Vec<GoldenText> {
    let json = include_str!("../../../tests/golden/wordpiece.json");
    serde_json::from_str::<WordPieceGolden>(json).unwrap().texts
}

/// Fails with every text whose ids differ.
fn assert_golden(tokenizer: &Tokenizer, expected: impl Fn(&GoldenText) -> &Vec<u32>) {
    let texts = texts();
    assert!(texts.len() > 70, "{} texts", texts.len());
    let mut wrong = Vec::new();
    for entry in &texts {
        let (found, expected) = (tokenizer.encode(&entry.text).unwrap(), expected(entry));
        if found != *expected {
            wrong.push(format!("{} ({:?}): {found:?}, not {expected:?}", entry.name, entry.text));
        }
    }
    assert!(wrong.is_empty(), "{} texts differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_small_vocabulary() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/vocabulary.txt");
    let tokenizer = Tokenizer::from_file(&path).unwrap();
    assert_golden(&tokenizer, |entry| &entry.small);
    // The texts can tell tokenizers apart: most tokens of the vocabulary occur.
    let mut used: Vec<u32> = texts().into_iter().flat_map(|entry| entry.small).collect();
    used.sort_unstable();
    used.dedup();
    assert!(used.len() * 2 > tokenizer.vocab_size(), "{} of {}", used.len(), tokenizer.vocab_size());
}

#[test]
#[ignore = "needs ELECTRA_LAB_TEST_HUB: a hub cache with real data"]
fn the_vocabulary_of_bert() {
    let hub = Hub::new(HubConfig { cache: Some(test_hub()), offline: true, ..HubConfig::default() });
    for file in [TOKENIZER_FILE, "vocab.txt"] {
        let found = hub.files(RepoKind::Model, "google-bert/bert-base-uncased", "main", file).unwrap();
        let tokenizer = Tokenizer::from_file(&found.paths[0].1).unwrap();
        assert_golden(&tokenizer, |entry| &entry.bert);
    }
}
