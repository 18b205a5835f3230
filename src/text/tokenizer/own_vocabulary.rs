//! A WordPiece vocabulary made from the training text, cached by the hash of its source.
//!
//! The library's trainer merges the most frequent pairs of pieces. It numbers the letters inside words in an
//! order that changes from run to run, and merges pairs of equal frequency in the order of those numbers. So
//! every letter, with and without `##` before it, is passed as a special token, which fixes the order; and
//! the finished vocabulary is sorted. Must never: read held-out text. Next: `wordpiece.rs`.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use rayon::prelude::*;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, Model, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, Trainer,
};

use super::files::SPECIAL;
use super::wordpiece::uncased;
use crate::disk::{create_folder, folder_of, write_whole};
use crate::error::{Error, ErrorKind, Result};
use crate::hub::DataEnv;
use crate::records::Sink;
use crate::text::corpus::source::TextSource;

/// Increased with every change that changes a vocabulary.
const VERSION: u32 = 1;
/// The number of letters that are kept, the most frequent ones; a word with another letter is `[UNK]`.
const LETTERS: usize = 400;
/// Time between two looks at the request to stop.
const CHECK_EVERY: Duration = Duration::from_millis(50);
/// The prefix of a piece that continues a word.
const CONTINUATION: &str = "##";

/// A vocabulary of at most `size` tokens from the first `documents` documents of the training text: special
/// tokens first, the others sorted. Words are normalised and split as in BERT's uncased tokenizer. The same
/// text gives the same tokens.
///
/// # Errors
/// The text cannot be read or has no words; `size` is too small for its letters; the cache cannot be written.
pub fn own_vocabulary(
    source: &TextSource,
    size: usize,
    documents: u64,
    env: &DataEnv,
    sink: &dyn Sink,
) -> Result<Vec<String>> {
    let path = cache_path(source, size, documents, env);
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Ok(text.lines().map(String::from).collect());
    }
    sink.phase(&format!("making a vocabulary of {size} tokens from {}", source.name));
    let counts = count_words(source, documents, sink)?;
    let tokens =
        train_unless_stopped(counts, size, sink)?.map_err(|error| error.with_source(&source.name))?;
    create_folder(folder_of(&path))?;
    write_whole(&path, format!("{}\n", tokens.join("\n")).as_bytes())?;
    Ok(tokens)
}

fn cache_path(source: &TextSource, size: usize, documents: u64, env: &DataEnv) -> PathBuf {
    let key = format!("{VERSION}\n{size}\n{documents}\n{}", source.identity);
    let name = &blake3::hash(key.as_bytes()).to_hex()[..24];
    env.cache.join("vocabularies").join(format!("{name}.txt"))
}

/// How often each word occurs.
type Counts = HashMap<String, u64>;

/// Counts the words of the first documents, normalised.
fn count_words(source: &TextSource, documents: u64, sink: &dyn Sink) -> Result<Counts> {
    let mut counts = Counts::new();
    let mut left = usize::try_from(documents).unwrap_or(usize::MAX);
    source.documents.read(&mut |mut chunk| {
        chunk.truncate(left);
        left -= chunk.len();
        let of_chunk = chunk.par_iter().flatten().try_fold(Counts::new, |mut counts, line| {
            sink.check_stop()?;
            for word in words(line)? {
                *counts.entry(word).or_default() += 1;
            }
            Ok::<Counts, Error>(counts)
        });
        for (word, count) in of_chunk.try_reduce(Counts::new, |one, other| Ok(merged(one, other)))? {
            *counts.entry(word).or_default() += count;
        }
        Ok(())
    })?;
    Ok(counts)
}

fn merged(one: Counts, other: Counts) -> Counts {
    let (mut larger, smaller) = if one.len() < other.len() { (other, one) } else { (one, other) };
    for (word, count) in smaller {
        *larger.entry(word).or_default() += count;
    }
    larger
}

/// Splits a line into words as BERT's tokenizer does.
fn words(line: &str) -> Result<Vec<String>> {
    let unreadable = |error: tokenizers::Error| {
        let what = "cannot split the text into words";
        Error::new(ErrorKind::Data, what, "set base.data.tokenizer to another one, such as { kind: hub }")
            .because(error)
    };
    let mut line = NormalizedString::from(line);
    uncased().normalize(&mut line).map_err(unreadable)?;
    let mut line = PreTokenizedString::from(line);
    BertPreTokenizer.pre_tokenize(&mut line).map_err(unreadable)?;
    let splits = line.get_splits(OffsetReferential::Normalized, OffsetType::None);
    Ok(splits.into_iter().map(|(word, ..)| word.to_string()).collect())
}

/// Why no vocabulary could be made.
#[derive(Debug)]
enum VocabularyError {
    NoWords,
    /// The requested size, and the smallest that is enough.
    TooSmall {
        size: usize,
        needed: usize,
    },
    Trainer(tokenizers::Error),
}

impl VocabularyError {
    fn with_source(self, source: &str) -> Error {
        match self {
            Self::NoWords => Error::new(
                ErrorKind::Data,
                format!("the text of {source} has no words to make a vocabulary from"),
                "check that the files are not empty and that the column holds text",
            ),
            Self::TooSmall { size, needed } => Error::new(
                ErrorKind::Data,
                format!("base.data.tokenizer.size = {size} is too small for the letters of {source}"),
                format!("use at least {needed}"),
            ),
            Self::Trainer(error) => Error::new(
                ErrorKind::Data,
                format!("cannot make a vocabulary from {source}"),
                "set base.data.tokenizer to another one, such as { kind: hub }",
            )
            .because(error),
        }
    }
}

/// Trains on a thread of its own, which the library gives no way to stop: where the run is asked to stop, the
/// process ends without waiting for it.
fn train_unless_stopped(
    counts: Counts,
    size: usize,
    sink: &dyn Sink,
) -> Result<std::result::Result<Vec<String>, VocabularyError>> {
    let (sender, receiver) = mpsc::channel();
    let work = move || {
        // The receiver is gone where the run was stopped.
        let _ = sender.send(train(&counts, size));
    };
    let spawned = std::thread::Builder::new().name("vocabulary".into()).spawn(work);
    spawned.map_err(|error| {
        let what = "cannot start a thread to make a vocabulary";
        Error::new(ErrorKind::Device, what, "end other programs of yours, or raise `ulimit -u`")
            .because(error)
    })?;
    loop {
        match receiver.recv_timeout(CHECK_EVERY) {
            Ok(trained) => return Ok(trained),
            Err(mpsc::RecvTimeoutError::Timeout) => sink.check_stop()?,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Error::internal("the trainer of the vocabulary panicked"));
            }
        }
    }
}

fn train(counts: &Counts, size: usize) -> std::result::Result<Vec<String>, VocabularyError> {
    let letters = most_frequent_letters(counts);
    let continuing = |word: &String| word.chars().skip(1).collect::<Vec<char>>();
    let inside: BTreeSet<char> =
        counts.keys().flat_map(continuing).filter(|letter| letters.contains(letter)).collect();
    let mut initial: Vec<String> = SPECIAL.map(String::from).to_vec();
    initial.extend(letters.iter().map(char::to_string));
    initial.extend(inside.iter().map(|letter| format!("{CONTINUATION}{letter}")));
    if letters.is_empty() {
        return Err(VocabularyError::NoWords);
    }
    if initial.len() > size {
        return Err(VocabularyError::TooSmall { size, needed: initial.len() });
    }
    let mut trainer = WordPieceTrainer::builder()
        .vocab_size(size)
        .special_tokens(initial.iter().map(|token| AddedToken::from(token, true)).collect())
        .initial_alphabet(letters.iter().copied().collect())
        .limit_alphabet(letters.len())
        .show_progress(false)
        .build();
    let repeated = counts.iter().flat_map(|(word, &count)| std::iter::repeat_n(word, count as usize));
    trainer.feed(repeated, |word| Ok(vec![word.to_string()])).map_err(VocabularyError::Trainer)?;
    let mut model = WordPiece::default();
    trainer.train(&mut model).map_err(VocabularyError::Trainer)?;
    let mut tokens: Vec<String> = model.get_vocab().into_keys().collect();
    tokens.retain(|token| !SPECIAL.contains(&token.as_str()));
    tokens.sort_unstable();
    Ok(SPECIAL.into_iter().map(String::from).chain(tokens).collect())
}

/// The most frequent letters; letters of equal frequency in the order of their code points.
fn most_frequent_letters(counts: &Counts) -> BTreeSet<char> {
    let mut letters: HashMap<char, u64> = HashMap::new();
    for (word, count) in counts {
        for letter in word.chars() {
            *letters.entry(letter).or_default() += count;
        }
    }
    let mut letters: Vec<(char, u64)> = letters.into_iter().collect();
    letters.sort_unstable_by_key(|&(letter, count)| (std::cmp::Reverse(count), letter));
    letters.into_iter().take(LETTERS).map(|(letter, _)| letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::DataSpec;
    use crate::records::Silent;
    use crate::text::corpus::source::open_source;
    use crate::text::tokenizer::Tokenizer;

    fn vocabulary_of(text: &str, size: usize) -> std::result::Result<Vec<String>, VocabularyError> {
        let mut counts = Counts::new();
        for word in words(text).unwrap() {
            *counts.entry(word).or_default() += 1;
        }
        train(&counts, size)
    }

    #[test]
    fn frequent_words_become_one_token() {
        let text =
            "Playing played PLAYS, play; play playing low lower lowest low low low low low low café cafe";
        let tokens = vocabulary_of(text, 60).unwrap();
        assert_eq!(tokens[..5], SPECIAL);
        assert!(tokens[5..].is_sorted() && tokens.len() <= 60, "{tokens:?}");
        let tokenizer = Tokenizer::from_vocabulary(&tokens, "a test").unwrap();
        let pieces = |text| -> Vec<String> {
            let ids = tokenizer.encode(text).unwrap();
            ids.into_iter().map(|id| tokenizer.token(id).unwrap()).collect()
        };
        assert_eq!(pieces("play low"), ["play", "low"]);
        // Other words are spelt with letters, at the beginning or inside of a word as they occurred in the
        // text.
        assert_eq!(pieces("elwo").concat().replace("##", ""), "elwo");
        assert_eq!(pieces("quiz"), ["[UNK]"]);
    }

    /// Many pairs have the same frequency here, and the library's tables have another order every time.
    #[test]
    fn the_same_text_gives_the_same_tokens() {
        let text: String = (0..400)
            .map(|i| {
                format!(
                    "{} ",
                    "qwertyuiopasdfghjkl"
                        .repeat(3)
                        .chars()
                        .cycle()
                        .skip(i * 7 % 19)
                        .step_by(1 + i % 5)
                        .take(6)
                        .collect::<String>()
                )
            })
            .collect();
        let first = vocabulary_of(&text, 160).unwrap();
        for _ in 0..5 {
            assert_eq!(vocabulary_of(&text, 160).unwrap(), first);
        }
    }

    #[test]
    fn a_vocabulary_is_cached_by_its_text_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let env = DataEnv::at(folder.path());
        let source =
            |documents| open_source(&DataSpec::Language { documents, seed: 1 }, &env, &Silent).unwrap();
        let make = |size, documents| own_vocabulary(&source(50), size, documents, &env, &Silent).unwrap();
        let cached = || std::fs::read_dir(env.cache.join("vocabularies")).unwrap().count();
        let one = make(200, 40);
        assert_eq!((make(200, 40), cached()), (one.clone(), 1));
        assert_ne!(make(150, 40), one);
        assert_ne!(cache_path(&source(50), 200, 40, &env), cache_path(&source(51), 200, 40, &env));
        assert_eq!(cached(), 2);
    }

    #[test]
    fn a_small_size_and_an_empty_text_are_errors() {
        let error = |text, size| vocabulary_of(text, size).unwrap_err().with_source("texts/*.txt");
        insta::assert_snapshot!(error("some letters", 10), @r#"
        base.data.tokenizer.size = 10 is too small for the letters of texts/*.txt
        hint: use at least 18
        "#);
        insta::assert_snapshot!(error(" ", 100), @r"
        the text of texts/*.txt has no words to make a vocabulary from
        hint: check that the files are not empty and that the column holds text
        ");
    }
}
