//! A WordPiece tokenizer, from a `tokenizer.json`, a `vocab.txt` or a list of tokens.
//!
//! Whatever the file says, this tokenizer does not truncate, pad or add special tokens, and reads text that
//! spells a special token (`[MASK]`) as text, so that no training text can contain one. Must never: decide on
//! lengths or segments. Next: `settings.rs` says how a `vocab.txt` is read, `open.rs` chooses the tokenizer,
//! `corpus/packing.rs` builds sequences from the ids.

use std::path::Path;

use serde_json::Value;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{Model, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper};

use super::settings::Settings;
use super::special::SPECIAL;
use super::word_cache::{WordCache, is_local};
use crate::error::{Error, ErrorKind, Result, catching_panics};
use crate::formats::git_lfs::refuse_pointer;
use crate::formats::without_byte_order_mark;

/// The file of a model repository that defines its tokenizer.
pub(crate) const TOKENIZER_FILE: &str = "tokenizer.json";

/// A longer word becomes `[UNK]`, as in BERT's tokenizer.
const MAX_CHARACTERS_PER_WORD: usize = 100;

/// Ids of the special tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialIds {
    /// `[PAD]`.
    pub pad: u32,
    /// `[UNK]`.
    pub unk: u32,
    /// `[CLS]`, at the beginning of every sequence.
    pub cls: u32,
    /// `[SEP]`, at the end of every segment.
    pub sep: u32,
    /// `[MASK]`.
    pub mask: u32,
}

/// Turns text into ids.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialIds,
    vocab_size: usize,
    hash: String,
    origin: String,
    /// None if the tokenizer looks beyond spaces.
    word_cache: Option<WordCache>,
}

/// First byte of a part of a text, and the byte after its last.
pub type ByteRange = (usize, usize);

/// So many ids may belong to no token, besides as many as there are tokens.
const MOST_UNUSED: usize = 10_000;

/// The size of the vocabulary: one more than the highest id.
///
/// # Errors
/// Nearly all ids belong to no token, as of a damaged file: lists of all of them would take gigabytes.
fn vocab_size(inner: &tokenizers::Tokenizer, origin: &str) -> Result<usize> {
    let vocabulary = inner.get_vocab(true);
    let n = vocabulary.len();
    match vocabulary.into_iter().max_by_key(|(_, id)| *id) {
        None => Ok(0),
        Some((_, highest)) if highest as usize <= 2 * n + MOST_UNUSED => Ok(highest as usize + 1),
        Some((token, highest)) => {
            let what = format!("its {n} tokens have ids up to {highest}, of \"{token}\"");
            Err(unreadable(origin).because(what))
        }
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`; any other name is read as a `vocab.txt`, where the id of a token is its line
    /// number. A tokenizer_config.json beside it says how text is read with a `vocab.txt`, and must agree
    /// with a `tokenizer.json`.
    ///
    /// # Errors
    /// The file cannot be read or is no tokenizer; those of [`Settings`].
    pub fn from_file(path: &Path) -> Result<Self> {
        let origin = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| {
            Error::new(
                ErrorKind::Data,
                format!("cannot read the tokenizer {origin}"),
                "give the path of a tokenizer.json or a vocab.txt, from the folder where the command runs",
            )
            .because(error)
        })?;
        refuse_pointer(path, &bytes)?;
        let (bytes, settings) = (without_byte_order_mark(&bytes), Settings::beside(path)?);
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            let tokenizer = Self::from_json(bytes, &origin)?;
            settings.check_json(tokenizer.bert_normalizer())?;
            return Ok(tokenizer);
        }
        let text = std::str::from_utf8(bytes).map_err(|error| unreadable(&origin).because(error))?;
        let mut tokens: Vec<String> = text.lines().map(|line| line.trim_end().to_string()).collect();
        // Blank lines at the end are no tokens; one between others keeps the ids of those after it.
        tokens.truncate(tokens.iter().rposition(|token| !token.is_empty()).map_or(0, |last| last + 1));
        Self::with_normalizer(&tokens, settings.normalizer(&tokens, &origin)?, &origin)
    }

    /// A tokenizer in the format of the `tokenizers` library; `origin` names it in errors.
    pub fn from_json(bytes: &[u8], origin: &str) -> Result<Self> {
        let refuse = |error: &dyn std::fmt::Display| unreadable(origin).because(error);
        // The library panics on some files that are no JSON, and on some that are.
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(|error| refuse(&error))?;
        let read = catching_panics(|| tokenizers::Tokenizer::from_bytes(bytes))
            .ok_or_else(|| refuse(&"a part of it has another form than the library's"))?;
        Self::finish(read.map_err(|error| refuse(&error))?, origin)
    }

    /// BERT's uncased tokenizer over a list of tokens: converts to lower case, strips accents, splits off
    /// punctuation, then takes the longest pieces first, with `##` before a piece that continues a word.
    pub fn from_vocabulary(tokens: &[String], origin: &str) -> Result<Self> {
        Self::with_normalizer(tokens, uncased(), origin)
    }

    /// BERT's tokenizer over a list of tokens, for text that `normalizer` prepares.
    fn with_normalizer(tokens: &[String], normalizer: BertNormalizer, origin: &str) -> Result<Self> {
        let mut sorted: Vec<&String> = tokens.iter().filter(|token| !token.is_empty()).collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(unreadable(origin).because(format!("the token \"{}\" occurs twice", pair[0])));
        }
        let vocabulary = WordPiece::read_bytes(tokens.join("\n").as_bytes())
            .map_err(|error| unreadable(origin).because(error))?;
        let model = WordPiece::builder()
            .vocab(vocabulary)
            .max_input_chars_per_word(MAX_CHARACTERS_PER_WORD)
            .build()
            .map_err(|error| unreadable(origin).because(error))?;
        let mut inner = tokenizers::Tokenizer::new(model);
        inner.with_normalizer(Some(normalizer)).map_err(|error| unreadable(origin).because(error))?;
        inner.with_pre_tokenizer(Some(BertPreTokenizer));
        Self::finish(inner, origin)
    }

    fn finish(mut inner: tokenizers::Tokenizer, origin: &str) -> Result<Self> {
        inner.with_truncation(None).map_err(|error| unreadable(origin).because(error))?;
        inner.with_padding(None);
        // Before the library makes a list of all ids.
        let vocab_size = vocab_size(&inner, origin)?;
        let content = inner.to_string(false).map_err(|error| unreadable(origin).because(error))?;
        inner.set_encode_special_tokens(true);
        let id = |token: &str| {
            inner.token_to_id(token).ok_or_else(|| {
                Error::new(
                    ErrorKind::Data,
                    format!("the tokenizer {origin} has no token {token}"),
                    "use a WordPiece tokenizer of the BERT family, such as google-bert/bert-base-uncased",
                )
            })
        };
        let special = SpecialIds {
            pad: id("[PAD]")?,
            unk: id("[UNK]")?,
            cls: id("[CLS]")?,
            sep: id("[SEP]")?,
            mask: id("[MASK]")?,
        };
        let hash = blake3::hash(content.as_bytes()).to_hex().to_string();
        let word_cache = is_local(&inner).then(WordCache::new);
        Ok(Self { inner, special, vocab_size, hash, origin: origin.to_string(), word_cache })
    }

    /// The ids of a text, without special tokens.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match self.word_cache {
            Some(cache) => cache.encode(text, |word| self.encode_whole(word)),
            None => self.encode_whole(text),
        }
    }

    /// The same without the cache of words; a test compares the two.
    fn encode_whole(&self, text: &str) -> Result<Vec<u32>> {
        let encoding =
            self.inner.encode_fast(text, false).map_err(|error| self.cannot_encode(text, error))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of a text, without special tokens, and the byte range of each token in the text. The ranges
    /// are those of the original text, before lower-casing and stripping accents. Characters that gave no
    /// token, such as an accent on its own, belong to the token before them, up to the next space.
    pub fn encode_with_offsets(&self, text: &str) -> Result<(Vec<u32>, Vec<ByteRange>)> {
        let encoding = self.inner.encode(text, false).map_err(|error| self.cannot_encode(text, error))?;
        let mut ranges = encoding.get_offsets().to_vec();
        let mut next = text.len();
        for range in ranges.iter_mut().rev() {
            let dropped = text.get(range.1..next).unwrap_or_default();
            range.1 += dropped.find(char::is_whitespace).unwrap_or(dropped.len());
            next = range.0;
        }
        Ok((encoding.get_ids().to_vec(), ranges))
    }

    fn cannot_encode(&self, text: &str, error: tokenizers::Error) -> Error {
        let beginning: String = text.chars().take(60).collect();
        Error::new(
            ErrorKind::Data,
            format!("the tokenizer {} cannot read \"{beginning}\"", self.origin),
            "use a WordPiece tokenizer of the BERT family",
        )
        .because(error)
    }

    /// The highest id plus one: the number of rows of an embedding table.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Ids of the special tokens.
    pub fn special(&self) -> SpecialIds {
        self.special
    }

    /// BLAKE3, in hexadecimal, of everything that decides the ids.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether both turn every text into the same ids. What they do besides may differ: special tokens are
    /// never read in a text here, and are put around it by id.
    pub fn reads_like(&self, other: &Self) -> Result<bool> {
        let is_like = self.hash == other.hash
            || (self.special == other.special
                && self.vocab_size == other.vocab_size
                && self.reading()? == other.reading()?);
        Ok(is_like)
    }

    /// Everything that decides how a text is read.
    fn reading(&self) -> Result<Value> {
        let broken = || Error::internal(format!("cannot write the tokenizer {} as JSON", self.origin));
        let text = self.inner.to_string(false).map_err(|error| broken().because(error))?;
        let mut content: Value = serde_json::from_str(&text).map_err(|error| broken().because(error))?;
        if let Some(map) = content.as_object_mut() {
            map.retain(|key, _| {
                ["normalizer", "pre_tokenizer", "model", "added_tokens"].contains(&key.as_str())
            });
        }
        if let Some(tokens) = content.get_mut("added_tokens").and_then(Value::as_array_mut) {
            tokens.retain(|token| token.get("special") != Some(&Value::Bool(true)));
        }
        Ok(content)
    }

    /// The library's tokenizer, which adds no special tokens.
    pub(crate) fn inner(&self) -> &tokenizers::Tokenizer {
        &self.inner
    }

    /// The file or text that it was made from, for messages.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// BERT's normaliser; None if text is prepared in another way.
    fn bert_normalizer(&self) -> Option<BertNormalizer> {
        match self.inner.get_normalizer() {
            Some(NormalizerWrapper::BertNormalizer(normalizer)) => Some(*normalizer),
            _ => None,
        }
    }

    /// The normaliser, if vocabulary and normaliser decide all ids by BERT's rules, as transformers' BERT
    /// classes believe of every tokenizer.
    pub(crate) fn normalizer_of_bert(&self) -> Option<BertNormalizer> {
        let ModelWrapper::WordPiece(model) = self.inner.get_model() else { return None };
        let is_bert = model.unk_token == "[UNK]"
            && model.continuing_subword_prefix == "##"
            && model.max_input_chars_per_word == MAX_CHARACTERS_PER_WORD
            && matches!(self.inner.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)))
            && SPECIAL.iter().all(|token| model.token_to_id(token).is_some())
            && self
                .inner
                .get_added_tokens_decoder()
                .values()
                .all(|token| SPECIAL.contains(&token.content.as_str()));
        self.bert_normalizer().filter(|normalizer| is_bert && normalizer.clean_text)
    }

    /// The text of an id (`##ing`), or None past the vocabulary.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }
}

/// BERT's normaliser for uncased text.
pub(crate) fn uncased() -> BertNormalizer {
    BertNormalizer::new(true, true, None, true)
}

fn unreadable(origin: &str) -> Error {
    Error::new(
        ErrorKind::Data,
        format!("{origin} is not a tokenizer"),
        "give a tokenizer.json as the tokenizers library writes it, or a vocab.txt with one token per line",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &str) -> Vec<String> {
        list.split_whitespace().map(String::from).collect()
    }

    fn small() -> Tokenizer {
        let tokens = words("[PAD] [UNK] [CLS] [SEP] [MASK] the cat play ##ed ##ing . [ ] mask cafe");
        Tokenizer::from_vocabulary(&tokens, "a test").unwrap()
    }

    #[test]
    fn words_split_into_their_longest_pieces() {
        let tokenizer = small();
        assert_eq!(tokenizer.encode("The cat played.").unwrap(), [5, 6, 7, 8, 10]);
        assert_eq!(tokenizer.encode("PLAYING Café").unwrap(), [7, 9, 14]);
        assert_eq!(tokenizer.encode("the dog").unwrap(), [5, 1]);
        assert_eq!(tokenizer.encode("").unwrap(), [0u32; 0]);
        assert_eq!(tokenizer.encode(&"play".repeat(26)).unwrap(), [1]);
        assert_eq!(tokenizer.special(), SpecialIds { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 });
        assert_eq!(tokenizer.vocab_size(), 15);
        assert_eq!((tokenizer.token(9).as_deref(), tokenizer.token(15)), (Some("##ing"), None));
    }

    #[test]
    fn damaged_files_are_refused() {
        let json = String::from_utf8(small().to_json().unwrap()).unwrap();
        let error_of = |from: &str, to: &str| {
            assert!(json.contains(from), "{json}");
            Tokenizer::from_json(json.replace(from, to).as_bytes(), "a.json").unwrap_err().message
        };
        let message = error_of("\"cafe\":14", "\"cafe\":1000000000");
        assert_eq!(
            message,
            "a.json is not a tokenizer: its 15 tokens have ids up to 1000000000, of \"cafe\""
        );
        assert!(
            error_of("\"cafe\":14", "\"cafe\":14 14").contains("is not a tokenizer: expected `,` or `}`")
        );
        let message = error_of("\"decoder\":null", "\"decoder\":{\"type\": 1}");
        assert!(message.starts_with("a.json is not a tokenizer: "), "{message}");
    }

    /// Stripped accents, letters whose lower case has another length, and composed letters.
    #[test]
    fn offsets_are_those_of_the_original_text() {
        let text = "The  CAFÉ (cafe\u{301}) \u{130} played";
        let (ids, ranges) = small().encode_with_offsets(text).unwrap();
        assert_eq!(ids, small().encode(text).unwrap());
        let shown: Vec<&str> = ranges.iter().map(|&(start, end)| &text[start..end]).collect();
        assert_eq!(shown, ["The", "CAFÉ", "(", "cafe\u{301}", ")", "\u{130}", "play", "ed"]);
    }

    /// White space of every kind, control characters within words, accents, single letters, long words.
    #[test]
    fn the_word_cache_gives_the_ids_of_the_whole_text() {
        let (tokenizer, other) = (
            small(),
            Tokenizer::from_vocabulary(
                &words("[PAD] [UNK] [CLS] [SEP] [MASK] cat the ##s p ##l ##a ##y"),
                "another",
            )
            .unwrap(),
        );
        let pieces = [
            "the",
            "The",
            "CAT",
            "cats",
            "play",
            "played.",
            "CAFÉ",
            "cafe\u{301}",
            "\u{301}",
            "[MASK]",
            "猫the",
            "a\u{b}b",
            "the\u{c}",
            "\u{85}",
            "\u{a0}",
            "\u{3000}",
            "\u{2028}",
            "\u{200b}",
            "\u{fffd}",
            "\0",
            "İ",
            "ς",
            "...",
            "play\u{ad}ed",
        ];
        let gaps = [" ", "  ", "\n", "\t", "\r\n", "\u{a0}", "\u{b}", "", "\u{2003}"];
        let mut stream = crate::rng::Stream::new(1, crate::rng::Purpose::Test, 4, 0);
        for _ in 0..2000 {
            let mut text = String::new();
            for _ in 0..stream.below(8) {
                text += stream.choose(&pieces).unwrap();
                text += stream.choose(&gaps).unwrap();
            }
            for tokenizer in [&tokenizer, &other, &tokenizer.clone()] {
                assert!(tokenizer.word_cache.is_some());
                assert_eq!(
                    tokenizer.encode(&text).unwrap(),
                    tokenizer.encode_whole(&text).unwrap(),
                    "{text:?}"
                );
            }
        }
        let long = "play".repeat(30);
        assert_eq!(tokenizer.encode(&long).unwrap(), tokenizer.encode_whole(&long).unwrap());
    }

    #[test]
    fn a_tokenizer_that_looks_beyond_spaces_has_no_word_cache() {
        let mut inner = small().inner;
        inner.with_pre_tokenizer(Some(tokenizers::pre_tokenizers::metaspace::Metaspace::default()));
        assert!(Tokenizer::finish(inner, "spaces").unwrap().word_cache.is_none());
        let mut inner = small().inner;
        inner.add_tokens([tokenizers::AddedToken::from("the cat", false)]).unwrap();
        assert!(Tokenizer::finish(inner, "added").unwrap().word_cache.is_none());
    }

    #[test]
    fn a_special_token_in_the_text_is_read_as_text() {
        assert_eq!(small().encode("the [MASK] cat").unwrap(), [5, 11, 13, 12, 6]);
    }

    #[test]
    fn json_is_read_without_its_truncation_and_padding() {
        let mut inner = small().inner;
        let plain = Tokenizer::from_json(inner.to_string(false).unwrap().as_bytes(), "plain").unwrap();
        let truncation = tokenizers::TruncationParams { max_length: 2, ..Default::default() };
        inner.with_truncation(Some(truncation)).unwrap();
        inner.with_padding(Some(tokenizers::PaddingParams {
            strategy: tokenizers::PaddingStrategy::Fixed(9),
            ..Default::default()
        }));
        let json = inner.to_string(true).unwrap();
        let tokenizer = Tokenizer::from_json(json.as_bytes(), "padded").unwrap();
        assert_eq!(tokenizer.encode("the cat played.").unwrap(), [5, 6, 7, 8, 10]);
        assert_eq!(tokenizer.hash(), plain.hash());
        assert_eq!(tokenizer.hash(), small().hash());
    }

    #[test]
    fn only_what_changes_ids_makes_tokenizers_differ() {
        let tokens = words("[PAD] [UNK] [CLS] [SEP] [MASK] the cat");
        let with = |tokens: &[String]| Tokenizer::from_vocabulary(tokens, "a").unwrap();
        let plain = with(&tokens);
        let changed = |change: &dyn Fn(&mut tokenizers::Tokenizer)| {
            let mut inner = plain.inner.clone();
            change(&mut inner);
            let other = Tokenizer::from_json(inner.to_string(false).unwrap().as_bytes(), "b").unwrap();
            assert_ne!(other.hash(), plain.hash());
            other.reads_like(&plain).unwrap()
        };
        let add = |inner: &mut tokenizers::Tokenizer, special| {
            inner.add_tokens([tokenizers::AddedToken::from("the", special)]).unwrap();
        };
        assert!(plain.reads_like(&with(&tokens)).unwrap());
        assert!(!plain.reads_like(&with(&words("[PAD] [UNK] [CLS] [SEP] [MASK] cat the"))).unwrap());
        assert!(changed(&|inner| {
            inner.with_decoder(Some(tokenizers::decoders::wordpiece::WordPiece::default()));
        }));
        assert!(!changed(&|inner| add(inner, false)));
        assert!(!changed(&|inner| {
            inner.with_normalizer(Some(BertNormalizer::new(true, true, None, false))).unwrap();
        }));
    }

    #[test]
    fn other_vocabularies_have_other_hashes() {
        let other = Tokenizer::from_vocabulary(&words("[PAD] [UNK] [CLS] [SEP] [MASK] the"), "b").unwrap();
        assert_ne!(small().hash(), other.hash());
    }

    /// The library reads the file: whatever it makes of a damaged one, it must not panic.
    #[test]
    fn a_damaged_tokenizer_is_an_error_or_another_tokenizer() {
        let json = small().inner.to_string(false).unwrap().into_bytes();
        let mut stream = crate::rng::Stream::new(2, crate::rng::Purpose::Test, 5, 0);
        let mut n_read = 0;
        for _ in 0..1000 {
            let mut bytes = json.clone();
            for _ in 0..=stream.below(3) {
                let at = stream.below(bytes.len());
                match stream.below(3) {
                    0 => bytes[at] = b"0\"{}[],:-9anu"[stream.below(13)],
                    1 => drop(bytes.remove(at)),
                    _ => {
                        drop(bytes.splice(at..at, json.iter().copied().skip(at).take(9).collect::<Vec<u8>>()))
                    }
                }
            }
            if let Ok(tokenizer) = Tokenizer::from_json(&bytes, "damaged") {
                n_read += 1;
                let _ = tokenizer.encode("The [MASK] played at a cafe.");
                let _ = tokenizer.encode_with_offsets("The [MASK] played at a cafe.");
            }
        }
        assert!((10..990).contains(&n_read), "{n_read}");
    }

    #[test]
    fn blank_lines_at_the_end_of_a_vocabulary_are_no_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocab.txt");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Tokenizer::from_file(&path).unwrap()
        };
        let plain = read("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n");
        for ending in ["", "\n", "\n\n", "\r\n \n\n\n"] {
            let other = read(&format!("\u{feff}[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe{ending}"));
            assert_eq!((other.vocab_size(), other.hash()), (6, plain.hash()), "{ending:?}");
        }
        let gap = read("[PAD]\n[UNK]\n[CLS]\n\n\n[SEP]\n[MASK]\nthe");
        assert_eq!((gap.vocab_size(), gap.encode("the").unwrap()), (8, vec![7]));
    }

    #[test]
    fn mistakes_name_the_file() {
        let missing = Tokenizer::from_file(Path::new("/nowhere/vocab.txt")).unwrap_err();
        insta::assert_snapshot!(missing, @r"
        cannot read the tokenizer /nowhere/vocab.txt: No such file or directory (os error 2)
        hint: give the path of a tokenizer.json or a vocab.txt, from the folder where the command runs
        ");
        let no_mask = Tokenizer::from_vocabulary(&words("[PAD] [UNK] [CLS] [SEP] the"), "v.txt").unwrap_err();
        insta::assert_snapshot!(no_mask, @r"
        the tokenizer v.txt has no token [MASK]
        hint: use a WordPiece tokenizer of the BERT family, such as google-bert/bert-base-uncased
        ");
        let twice = Tokenizer::from_vocabulary(&words("[PAD] the the"), "v.txt").unwrap_err();
        assert!(twice.message.contains("the token \"the\" occurs twice"), "{twice}");
        let broken = Tokenizer::from_json(b"{\"model\": 3}", "t.json").unwrap_err();
        assert!(broken.message.starts_with("t.json is not a tokenizer: "), "{broken}");
    }
}
