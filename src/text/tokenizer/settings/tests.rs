use super::super::{Tokenizer, tokenizer_in};
use super::*;

const WORDS: &str = "[PAD] [UNK] [CLS] [SEP] [MASK] the The tür tur Tür 東京 東 京 ##s";

/// A folder with a vocab.txt of these words.
fn a_folder(words: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text: String = words.split(' ').map(|word| format!("{word}\n")).collect();
    std::fs::write(folder.path().join("vocab.txt"), text).unwrap();
    folder
}

/// The ids of a text by the vocabulary with these settings, or the error.
fn ids(folder: &Path, settings: &[u8]) -> std::result::Result<Vec<u32>, String> {
    std::fs::write(folder.join(SETTINGS_FILE), settings).unwrap();
    match tokenizer_in(folder) {
        Ok(found) => Ok(found.unwrap().encode("The Tür 東京").unwrap()),
        Err(error) => Err(error.to_string().replace(&folder.display().to_string(), "DIR")),
    }
}

/// What transformers 5.23 reads.
#[test]
fn a_vocabulary_is_read_as_its_settings_say() {
    let folder = a_folder(WORDS);
    let ids = |settings: &str| ids(folder.path(), settings.as_bytes()).unwrap();
    assert_eq!(ids(r#"{"do_lower_case": true}"#), [5, 8, 11, 12]);
    assert_eq!(ids(r#"{"do_lower_case": false, "tokenizer_class": "BertTokenizer"}"#), [6, 9, 11, 12]);
    assert_eq!(ids(r#"{"do_lower_case": true, "strip_accents": false}"#), [5, 7, 11, 12]);
    assert_eq!(ids(r#"{"do_lower_case": false, "tokenize_chinese_chars": false}"#), [6, 9, 10]);
    assert_eq!(ids("\u{feff}{\"do_lower_case\": false}"), [6, 9, 11, 12]);
}

#[test]
fn what_cannot_be_followed_is_refused_by_name() {
    let folder = a_folder(WORDS);
    for (settings, expected) in [
        ("{\"do_lower_case\": false,}", "cannot read DIR/tokenizer_config.json: trailing comma"),
        (r#"{"do_lower_case": "false"}"#, "cannot read DIR/tokenizer_config.json: invalid type: string"),
        (r#"{"tokenizer_class": "BertJapaneseTokenizer"}"#, "tokenizer_class is BertJapaneseTokenizer"),
        (r#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#, "tokenizer_class is PreTrainedTokenizerFast"),
        (r#"{"do_basic_tokenize": false}"#, "do_basic_tokenize is false"),
        (r#"{"never_split": ["<ent>"]}"#, "never_split has <ent>"),
        (r#"{"mask_token": {"content": "<mask>"}}"#, "it calls [MASK] <mask>"),
        (r#"{"added_tokens_decoder": {"14": {"content": "<ent>"}}}"#, "it adds the token \"<ent>\" as 14"),
        (r#"{"strip_accents": null}"#, "4 tokens of 9, such as \"The\""),
    ] {
        let error = ids(folder.path(), settings.as_bytes()).unwrap_err();
        assert!(error.contains(expected) && error.contains("hint: "), "{settings}: {error}");
    }
    // The class of the model's config.json counts as well.
    std::fs::write(folder.path().join("config.json"), r#"{"tokenizer_class": "RobertaTokenizer"}"#).unwrap();
    let error = ids(folder.path(), br#"{"do_lower_case": false}"#).unwrap_err();
    assert!(error.contains("tokenizer_class is RobertaTokenizer"), "{error}");
}

#[test]
fn without_settings_a_vocabulary_is_uncased_or_refused() {
    let cased = a_folder(WORDS);
    let error = tokenizer_in(cased.path()).unwrap_err();
    assert!(error.message.contains("says whether case is kept"), "{error}");
    assert!(error.hint.contains(r#"{"do_lower_case": false}"#), "{error}");
    let uncased = a_folder("[PAD] [UNK] [CLS] [SEP] [MASK] the tur 東 京 ##s");
    assert_eq!(tokenizer_in(uncased.path()).unwrap().unwrap().encode("The Tür 東京").unwrap(), [5, 6, 7, 8]);
}

#[test]
fn a_tokenizer_json_and_its_settings_must_agree() {
    let folder = a_folder("[PAD] [UNK] [CLS] [SEP] [MASK] the The");
    let words: Vec<String> = WORDS.split(' ').map(String::from).collect();
    let json = Tokenizer::from_vocabulary(&words, "a test").unwrap().to_json().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), json).unwrap();
    let ids = |settings: &str| ids(folder.path(), settings.as_bytes());
    let uncased = Ok(vec![5, 8, 11, 12]);
    assert_eq!(ids("{}"), uncased);
    assert_eq!(ids(r#"{"do_lower_case": true, "strip_accents": true}"#), uncased);
    // transformers ignores these fields for a class that reads tokenizer.json as it is.
    assert_eq!(ids(r#"{"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": false}"#), uncased);
    for (settings, expected) in [
        (
            r#"{"do_lower_case": false}"#,
            "do_lower_case is false, but the tokenizer.json beside it is made for true",
        ),
        (r#"{"strip_accents": false}"#, "strip_accents is false, but"),
        (r#"{"tokenize_chinese_chars": false}"#, "tokenize_chinese_chars is false, but"),
        (r#"{"tokenizer_class": "XLNetTokenizer"}"#, "tokenizer_class is XLNetTokenizer"),
    ] {
        let error = ids(settings).unwrap_err();
        assert!(error.contains(expected), "{settings}: {error}");
    }
}
