//! Tokenizers as transformers has them: they read special tokens in the text, and are saved as files.
//!
//! Training reads text without special tokens (`wordpiece.rs`). The tokenizer of a published model adds
//! `[CLS]` and `[SEP]`, and reads `[MASK]` as the token. This file makes the second from the first.

use std::path::Path;

use serde_json::json;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, EncodeInput};

use super::wordpiece::{TOKENIZER_FILE, Tokenizer};
use crate::disk::{create_folder, write_whole};
use crate::error::{Error, ErrorKind, Result};

/// The special tokens, in the order of their usual ids.
pub(crate) const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// The tokenizer of a model's folder: tokenizer.json, or else vocab.txt; None if it has neither.
///
/// # Errors
/// A damaged file; a vocab.txt of a cased model, which this crate would read as uncased.
pub fn tokenizer_in(folder: &Path) -> Result<Option<Tokenizer>> {
    let json = folder.join(TOKENIZER_FILE);
    if json.is_file() {
        return Tokenizer::from_file(&json).map(Some);
    }
    let vocabulary = folder.join("vocab.txt");
    if !vocabulary.is_file() {
        return Ok(None);
    }
    let settings = folder.join("tokenizer_config.json");
    let text = std::fs::read_to_string(&settings).unwrap_or_default();
    let settings_value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    if settings_value.get("do_lower_case") == Some(&json!(false)) {
        let what = format!(
            "{} belongs to a cased model, and there is no tokenizer.json beside it",
            vocabulary.display()
        );
        let hint =
            "load the tokenizer with transformers' AutoTokenizer and save it, which writes tokenizer.json";
        return Err(Error::new(ErrorKind::Data, what, hint));
    }
    Tokenizer::from_file(&vocabulary).map(Some)
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

    /// Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json and vocab.txt into `folder`;
    /// `max_length` is the longest input of the model, in tokens.
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
        map["tokenizer_class"] = json!("ElectraTokenizer");
        map["do_lower_case"] = json!(self.is_uncased());
        map["model_max_length"] = json!(max_length);
        write("tokenizer_config.json", format!("{map:#}\n"))?;
        let tokens =
            (0..self.vocab_size() as u32).map(|id| self.token(id).unwrap_or_else(|| format!("[unused{id}]")));
        write("vocab.txt", tokens.map(|token| token + "\n").collect())
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
        std::fs::write(path.join("tokenizer_config.json"), r#"{"do_lower_case": false}"#).unwrap();
        let error = tokenizer_in(path).unwrap_err();
        assert!(error.message.contains("vocab.txt belongs to a cased model"), "{error}");
        std::fs::remove_file(path.join("vocab.txt")).unwrap();
        assert!(tokenizer_in(path).unwrap().is_none());
    }
}
