//! Tokenizers as transformers has them: they read special tokens in the text, and are saved as files.
//!
//! Training reads text without special tokens (`wordpiece.rs`). The tokenizer of a published model adds
//! `[CLS]` and `[SEP]`, and reads `[MASK]` as the token. This file makes the second from the first.

use std::path::Path;

use serde_json::json;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, EncodeInput};

use super::settings::SETTINGS_FILE;
use super::wordpiece::{TOKENIZER_FILE, Tokenizer};
use crate::disk::{create_folder, write_whole};
use crate::error::{Error, ErrorKind, Result};

/// The special tokens, in the order of their usual ids.
pub(crate) const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// The list of tokens, one per line, that a model's folder may have in place of tokenizer.json.
pub(crate) const VOCABULARY_FILE: &str = "vocab.txt";

/// The tokenizer of a model's folder: tokenizer.json, or else vocab.txt; None if it has neither.
///
/// # Errors
/// Those of [`Tokenizer::from_file`].
pub fn tokenizer_in(folder: &Path) -> Result<Option<Tokenizer>> {
    let found = [TOKENIZER_FILE, VOCABULARY_FILE]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.is_file());
    found.map(|path| Tokenizer::from_file(&path)).transpose()
}

impl Tokenizer {
    /// Input ids and token type ids of `[CLS] text [SEP]`, or `[CLS] text [SEP] pair [SEP]`, as transformers'
    /// tokenizer gives them: text that spells a special token becomes that token.
    pub fn encode_as_published(&self, text: &str, pair: Option<&str>) -> Result<(Vec<u32>, Vec<u32>)> {
        let input: EncodeInput = match pair {
            Some(pair) => (text, pair).into(),
            None => text.into(),
        };
        let encoding = self.published()?.encode_fast(input, true).map_err(|error| {
            let what = format!("the tokenizer {} cannot read the text", self.origin());
            Error::new(ErrorKind::Data, what, "use a WordPiece tokenizer of the BERT family").because(error)
        })?;
        Ok((encoding.get_ids().to_vec(), encoding.get_type_ids().to_vec()))
    }

    /// Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json into `folder`, and vocab.txt if
    /// BERT's rules say all the rest; `max_length` is the longest input of the model, in tokens.
    ///
    /// transformers' BERT classes make their tokenizer from the vocabulary and the options in
    /// tokenizer_config.json, whatever tokenizer.json says. So the options are written, and a tokenizer with
    /// other rules gets the class that reads tokenizer.json as it is.
    pub fn write_files(&self, folder: &Path, max_length: usize) -> Result<()> {
        create_folder(folder)?;
        let text = self.published()?.to_string(true);
        let text =
            text.map_err(|error| Error::internal("cannot write a tokenizer as JSON").because(error))?;
        let write = |name: &str, text: String| write_whole(&folder.join(name), text.as_bytes());
        write(TOKENIZER_FILE, text + "\n")?;
        let mut map = json!({});
        for (key, token) in
            ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"].into_iter().zip(SPECIAL)
        {
            map[key] = json!(token);
        }
        write("special_tokens_map.json", format!("{map:#}\n"))?;
        map["model_max_length"] = json!(max_length);
        let vocabulary = folder.join(VOCABULARY_FILE);
        let Some(normalizer) = self.normalizer_of_bert() else {
            map["tokenizer_class"] = json!("PreTrainedTokenizerFast");
            if vocabulary.exists() {
                std::fs::remove_file(&vocabulary)
                    .map_err(|error| Error::storage(&vocabulary, "remove", error))?;
            }
            return write(SETTINGS_FILE, format!("{map:#}\n"));
        };
        map["tokenizer_class"] = json!("ElectraTokenizer");
        map["do_lower_case"] = json!(normalizer.lowercase);
        map["strip_accents"] = json!(normalizer.strip_accents);
        map["tokenize_chinese_chars"] = json!(normalizer.handle_chinese_chars);
        write(SETTINGS_FILE, format!("{map:#}\n"))?;
        // A blank line stands for an id without a token.
        let tokens = (0..self.vocab_size() as u32).map(|id| self.token(id).unwrap_or_default());
        write(VOCABULARY_FILE, tokens.map(|token| token + "\n").collect())
    }

    /// The bytes of a tokenizer.json from which [`Tokenizer::from_json`] makes the same tokenizer.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        let text = self.inner().to_string(false);
        Ok(text
            .map_err(|error| Error::internal("cannot write a tokenizer as JSON").because(error))?
            .into_bytes())
    }

    /// This tokenizer with special tokens, which puts `[CLS]` and `[SEP]` around the text.
    fn published(&self) -> Result<tokenizers::Tokenizer> {
        let mut inner = self.inner().clone();
        let broken = |error: tokenizers::Error| {
            Error::internal("cannot add special tokens to a tokenizer").because(error)
        };
        inner.set_encode_special_tokens(false);
        inner.add_special_tokens(SPECIAL.map(|token| AddedToken::from(token, true))).map_err(broken)?;
        if inner.get_post_processor().is_none() {
            let ids = self.special();
            let frame = BertProcessing::new(("[SEP]".into(), ids.sep), ("[CLS]".into(), ids.cls));
            inner.with_post_processor(Some(frame));
        }
        if inner.get_decoder().is_none() {
            inner.with_decoder(Some(WordPieceDecoder::default()));
        }
        Ok(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Tokenizer {
        let words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat play ##ed .";
        let tokens: Vec<String> = words.split_whitespace().map(String::from).collect();
        Tokenizer::from_vocabulary(&tokens, "a test").unwrap()
    }

    #[test]
    fn special_tokens_in_the_text_become_tokens() {
        let tokenizer = small();
        let (input_ids, token_type_ids) = tokenizer.encode_as_published("The [MASK] played.", None).unwrap();
        assert_eq!((input_ids, token_type_ids), (vec![2, 5, 4, 7, 8, 9, 3], vec![0; 7]));
        let (input_ids, token_type_ids) = tokenizer.encode_as_published("the cat", Some("cat")).unwrap();
        assert_eq!((input_ids, token_type_ids), (vec![2, 5, 6, 3, 6, 3], vec![0, 0, 0, 0, 1, 1]));
    }

    #[test]
    fn written_files_read_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        small().write_files(path, 128).unwrap();
        let text = "The [MASK] cat played.";
        let expected = small().encode_as_published(text, None).unwrap();
        let from_json = tokenizer_in(path).unwrap().unwrap();
        assert!(from_json.reads_like(&small()).unwrap() && from_json.hash() != small().hash());
        assert_eq!(from_json.encode_as_published(text, None).unwrap(), expected);
        assert_eq!(from_json.encode("the played").unwrap(), [5, 7, 8]);
        std::fs::remove_file(path.join(TOKENIZER_FILE)).unwrap();
        let from_vocabulary = tokenizer_in(path).unwrap().unwrap();
        assert_eq!(from_vocabulary.encode_as_published(text, None).unwrap(), expected);
        std::fs::remove_file(path.join("vocab.txt")).unwrap();
        assert!(tokenizer_in(path).unwrap().is_none());
    }
    /// Case, accents and Chinese characters come back from either file, and a tokenizer that is not BERT's is
    /// written for the class that reads tokenizer.json as it is.
    #[test]
    fn written_files_say_how_text_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let words = "[PAD] [UNK] [CLS] [SEP] [MASK] the The cafe café 東京 東 京 ##s";
        std::fs::write(path.join("vocab.txt"), words.replace(' ', "\n")).unwrap();
        let text = "The Café 東京";
        for lower in [true, false] {
            for (strip, chinese) in [("null", true), ("false", false), ("true", true)] {
                let settings = format!(
                    r#"{{"do_lower_case": {lower}, "strip_accents": {strip}, "tokenize_chinese_chars": {chinese}}}"#
                );
                std::fs::write(path.join(SETTINGS_FILE), settings).unwrap();
                let tokenizer = Tokenizer::from_file(&path.join("vocab.txt")).unwrap();
                let written = path.join("written");
                tokenizer.write_files(&written, 128).unwrap();
                for file in [TOKENIZER_FILE, "vocab.txt"] {
                    let back = Tokenizer::from_file(&written.join(file)).unwrap();
                    assert!(back.reads_like(&tokenizer).unwrap(), "{file} {lower} {strip} {chinese}");
                    assert_eq!(back.encode(text).unwrap(), tokenizer.encode(text).unwrap());
                }
            }
        }
        let mut inner = small().inner().clone();
        inner.add_tokens([AddedToken::from("the cat", false)]).unwrap();
        let other = Tokenizer::from_json(inner.to_string(false).unwrap().as_bytes(), "a test").unwrap();
        let written = path.join("written");
        other.write_files(&written, 128).unwrap();
        assert!(!written.join("vocab.txt").exists());
        let settings = std::fs::read_to_string(written.join(SETTINGS_FILE)).unwrap();
        assert!(settings.contains("PreTrainedTokenizerFast") && !settings.contains("do_lower_case"));
        assert!(tokenizer_in(&written).unwrap().unwrap().reads_like(&other).unwrap());
    }
}
