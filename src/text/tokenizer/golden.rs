//! WordPiece held to `BertTokenizerFast`, over the texts of `tests/golden/wordpiece.json`.
//!
//! Texts that spell a special token were tokenised as text there too (`split_special_tokens=True`). The file and its
//! ids are made by `scripts/golden_wordpiece.py`.

use serde::Deserialize;

use super::{TOKENIZER_FILE, Tokenizer};
use crate::hub::{Hub, HubConfig, RepoKind};

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    text: String,
    /// Ids by `tests/golden/vocabulary.txt`.
    small: Vec<u32>,
    /// Ids by the vocabulary of google-bert/bert-base-uncased.
    bert: Vec<u32>,
}

fn texts() -> Vec<Entry> {
    let json = include_str!("../../../tests/golden/wordpiece.json");
    serde_json::from_str::<Golden>(json).unwrap().texts
}

/// Names every text that comes out otherwise.
fn assert_golden(tokenizer: &Tokenizer, expected: impl Fn(&Entry) -> &Vec<u32>) {
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
fn a_vocabulary_of_our_own() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/vocabulary.txt");
    let tokenizer = Tokenizer::from_file(&path).unwrap();
    assert_golden(&tokenizer, |entry| &entry.small);
    // The texts are nasty enough to tell tokenizers apart: most pieces of the vocabulary occur.
    let mut seen: Vec<u32> = texts().into_iter().flat_map(|entry| entry.small).collect();
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() * 2 > tokenizer.vocab_size(), "{} of {}", seen.len(), tokenizer.vocab_size());
}

#[test]
#[ignore = "needs ELECTRA_LAB_TEST_HUB: a hub cache with real data"]
fn the_vocabulary_of_bert() {
    let hub =
        Hub::new(HubConfig { cache: Some(crate::hub::test_hub()), offline: true, ..HubConfig::default() });
    for file in [TOKENIZER_FILE, "vocab.txt"] {
        let found = hub.files(RepoKind::Model, "google-bert/bert-base-uncased", "main", file).unwrap();
        let tokenizer = Tokenizer::from_file(&found.paths[0].1).unwrap();
        assert_golden(&tokenizer, |entry| &entry.bert);
    }
}
