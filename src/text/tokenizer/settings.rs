//! tokenizer_config.json: how transformers reads text with the vocabulary beside it.
//!
//! transformers' BERT classes take case, accents and Chinese characters from this file, with BERT's defaults
//! for what it leaves out. Must never: guess. What this crate would read otherwise is an error by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::{NormalizedString, Normalizer};

use super::files::SPECIAL;
use crate::disk::folder_of;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::git_lfs::refuse_pointer;
use crate::formats::without_byte_order_mark;

/// The file's name.
pub const SETTINGS_FILE: &str = "tokenizer_config.json";

/// Classes of transformers that read a vocab.txt as BERT's does, without `Fast` at their end.
const BERT_CLASSES: [&str; 9] = [
    "BertTokenizer",
    "ElectraTokenizer",
    "DistilBertTokenizer",
    "MobileBertTokenizer",
    "ConvBertTokenizer",
    "SqueezeBertTokenizer",
    "RetriBertTokenizer",
    "LayoutLMTokenizer",
    "LxmertTokenizer",
];
/// Classes that read a tokenizer.json as it is, without `Fast` at their end.
const GENERIC_CLASSES: [&str; 2] = ["PreTrainedTokenizer", "TokenizersBackend"];

/// The largest share of a vocabulary that lower-casing and stripping may change where no file says how it is
/// read. BERT's own uncased vocabularies have none or a few of such tokens, cased ones a third.
const MAX_UNREACHABLE: f64 = 0.05;

/// The fields that decide the ids. Others are ignored.
#[derive(Default, Deserialize)]
struct File {
    tokenizer_class: Option<String>,
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    do_basic_tokenize: Option<bool>,
    never_split: Option<Vec<String>>,
    pad_token: Option<Value>,
    unk_token: Option<Value>,
    cls_token: Option<Value>,
    sep_token: Option<Value>,
    mask_token: Option<Value>,
    added_tokens_decoder: Option<BTreeMap<u32, AddedToken>>,
}

#[derive(Deserialize)]
struct AddedToken {
    content: String,
}

/// The only field of a model's config.json that matters here.
#[derive(Deserialize)]
struct ModelConfig {
    tokenizer_class: Option<String>,
}

/// What is said about a vocabulary.
pub struct Settings {
    path: PathBuf,
    file: File,
}

impl Settings {
    /// Reads the file beside `tokenizer`, a tokenizer.json or a vocab.txt. Without one nothing is said. The
    /// class may also stand in the model's config.json.
    ///
    /// # Errors
    /// The file cannot be read, or a field has another type.
    pub fn beside(tokenizer: &Path) -> Result<Self> {
        let folder = folder_of(tokenizer);
        let path = folder.join(SETTINGS_FILE);
        let mut file: File = match read(&path)? {
            Some(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| unreadable(&path).because(error))?
            }
            None => File::default(),
        };
        if file.tokenizer_class.is_none()
            && let Some(bytes) = read(&folder.join("config.json"))?
        {
            // A config.json of something else says nothing; the model's reader reports a damaged one.
            let config = serde_json::from_slice::<ModelConfig>(&bytes).ok();
            file.tokenizer_class = config.and_then(|config| config.tokenizer_class);
        }
        Ok(Self { path, file })
    }

    /// The normaliser for a vocab.txt with these tokens.
    ///
    /// # Errors
    /// The vocabulary is not read by BERT's rules alone; nothing says how it is read, and the default would
    /// reach too few of its tokens.
    pub fn normalizer(&self, tokens: &[String], origin: &str) -> Result<BertNormalizer> {
        let file = &self.file;
        self.check_class(&BERT_CLASSES)?;
        self.check_special()?;
        if file.do_basic_tokenize == Some(false) {
            return Err(self.refused("do_basic_tokenize is false"));
        }
        if let Some([word, ..]) = file.never_split.as_deref() {
            return Err(self.refused(&format!("never_split has {word}")));
        }
        let added = file.added_tokens_decoder.iter().flatten();
        let is_unknown =
            |(id, token): &(&u32, &AddedToken)| tokens.get(**id as usize) != Some(&token.content);
        if let Some((id, token)) = added.into_iter().find(is_unknown) {
            let what = format!("it adds the token \"{}\" as {id}, which {origin} has not", token.content);
            return Err(self.refused(&what));
        }
        let normalizer = BertNormalizer::new(
            true,
            file.tokenize_chinese_chars.unwrap_or(true),
            file.strip_accents,
            file.do_lower_case.unwrap_or(true),
        );
        if file.do_lower_case.is_none() {
            check_reachable(tokens, normalizer, origin)?;
        }
        Ok(normalizer)
    }

    /// Compares what is said with a tokenizer.json that has this normaliser.
    ///
    /// # Errors
    /// The class reads no tokenizer.json as it is, or the two disagree: transformers follows this file, other
    /// programs the tokenizer.json.
    pub fn check_json(&self, normalizer: Option<BertNormalizer>) -> Result<()> {
        let file = &self.file;
        let classes: Vec<&str> = BERT_CLASSES.into_iter().chain(GENERIC_CLASSES).collect();
        self.check_class(&classes)?;
        self.check_special()?;
        let is_generic =
            file.tokenizer_class.as_deref().is_some_and(|class| is_one_of(class, &GENERIC_CLASSES));
        let Some(normalizer) = normalizer.filter(|_| !is_generic) else { return Ok(()) };
        let strips = normalizer.strip_accents.unwrap_or(normalizer.lowercase);
        for (key, said, done) in [
            ("do_lower_case", file.do_lower_case, normalizer.lowercase),
            ("strip_accents", file.strip_accents, strips),
            ("tokenize_chinese_chars", file.tokenize_chinese_chars, normalizer.handle_chinese_chars),
        ] {
            if let Some(said) = said
                && said != done
            {
                let what = format!(
                    "{}: {key} is {said}, but the tokenizer.json beside it is made for {done}",
                    self.path.display()
                );
                let hint = "find out how the model was trained, and correct the other file: transformers follows \
                            tokenizer_config.json";
                return Err(Error::new(ErrorKind::Data, what, hint));
            }
        }
        Ok(())
    }

    fn check_class(&self, known: &[&str]) -> Result<()> {
        match &self.file.tokenizer_class {
            Some(class) if !is_one_of(class, known) => {
                Err(self.refused(&format!("tokenizer_class is {class}")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses other names of special tokens: this crate knows BERT's only.
    fn check_special(&self) -> Result<()> {
        let file = &self.file;
        let said = [&file.pad_token, &file.unk_token, &file.cls_token, &file.sep_token, &file.mask_token];
        for (said, expected) in said.into_iter().zip(SPECIAL) {
            let content = said.as_ref().and_then(|token| token.get("content").unwrap_or(token).as_str());
            if let Some(content) = content
                && content != expected
            {
                return Err(self.refused(&format!("it calls {expected} {content}")));
            }
        }
        Ok(())
    }

    fn refused(&self, what: &str) -> Error {
        let hint = "use a WordPiece tokenizer of the BERT family; a fast tokenizer of transformers that is one writes \
                    tokenizer.json with save_pretrained";
        let message = format!("{}: {what}, which is not read here", self.path.display());
        Error::new(ErrorKind::Data, message, hint)
    }
}

fn is_one_of(class: &str, known: &[&str]) -> bool {
    known.contains(&class.strip_suffix("Fast").unwrap_or(class))
}

/// The bytes of a file without a byte order mark; None if there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => {
            refuse_pointer(path, &bytes)?;
            Ok(Some(without_byte_order_mark(&bytes).to_vec()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path).because(error)),
    }
}

fn unreadable(path: &Path) -> Error {
    let hint = "restore the file that came with the model, or correct the place that is named";
    Error::new(ErrorKind::Data, format!("cannot read {}", path.display()), hint)
}

/// Refuses a vocabulary with many tokens that no text can become.
fn check_reachable(tokens: &[String], normalizer: BertNormalizer, origin: &str) -> Result<()> {
    let is_word = |token: &&String| !token.is_empty() && !(token.starts_with('[') && token.ends_with(']'));
    let is_unreachable = |token: &&String| {
        let word = token.strip_prefix("##").unwrap_or(token);
        let mut normalized = NormalizedString::from(word);
        normalizer.normalize(&mut normalized).is_ok() && normalized.get().trim() != word
    };
    let n_words = tokens.iter().filter(is_word).count();
    let lost: Vec<&String> = tokens.iter().filter(is_word).filter(is_unreachable).collect();
    let Some(example) = lost.first().filter(|_| lost.len() as f64 > MAX_UNREACHABLE * n_words as f64) else {
        return Ok(());
    };
    let what = format!(
        "{origin} has {} tokens of {n_words}, such as \"{example}\", that lower-case text without accents never has, and no \
         {SETTINGS_FILE} beside it says whether case is kept",
        lost.len()
    );
    let hint = format!(
        "write {{\"do_lower_case\": false}} into a {SETTINGS_FILE} beside it if its model keeps the case (\"strip_accents\": \
         false if it keeps accents only), else {{\"do_lower_case\": true}}"
    );
    Err(Error::new(ErrorKind::Data, what, hint))
}

#[cfg(test)]
mod tests;
