//! A WordPiece vocabulary made of the training text itself, cached by what it was made of.
//!
//! The library's trainer merges the commonest pairs of pieces; we give it the letters. It numbers letters that it meets
//! inside words in an order that changes from run to run, and pairs that occur equally often are merged in the order of those
//! numbers. So every letter, also with `##` before it, is handed over as a special token, whose order is ours; and the finished
//! vocabulary is sorted.
//! Must never: read held-out text. Next: `tokenizer.rs`.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use rayon::prelude::*;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, Model, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, Trainer,
};

use super::files::SPECIAL;
use super::uncased;
use crate::disk::{create_folder, folder_of, write_whole};
use crate::error::{Error, ErrorKind, Result};
use crate::hub::DataEnv;
use crate::records::Sink;
use crate::text::corpus::source::Source;

/// Changes with everything that changes a vocabulary.
const VERSION: u32 = 1;
/// Letters that are kept, the commonest; a word with another one is [UNK].
const LETTERS: usize = 400;
/// Before what continues a word.
const CONTINUES: &str = "##";

/// At most `size` tokens of the first `documents` documents of the training text, special tokens first, the others sorted.
/// Uncased, BERT's normaliser and word boundaries. The same text gives the same tokens.
///
/// # Errors
/// The text cannot be read or has no words; `size` has no room for its letters; the cache cannot be written.
pub fn own_vocabulary(
    source: &Source,
    size: usize,
    documents: u64,
    env: &DataEnv,
    sink: &dyn Sink,
) -> Result<Vec<String>> {
    let path = cache_path(source, size, documents, env);
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Ok(text.lines().map(String::from).collect());
    }
    sink.phase(&format!("making a vocabulary of {size} tokens of {}", source.name));
    let counts = count_words(source, documents)?;
    let tokens = train(&counts, size).map_err(|why| why.of(&source.name))?;
    create_folder(folder_of(&path))?;
    write_whole(&path, format!("{}\n", tokens.join("\n")).as_bytes())?;
    Ok(tokens)
}

fn cache_path(source: &Source, size: usize, documents: u64, env: &DataEnv) -> PathBuf {
    let key = format!("{VERSION}\n{size}\n{documents}\n{}", source.identity);
    let name = &blake3::hash(key.as_bytes()).to_hex()[..24];
    env.cache.join("vocabularies").join(format!("{name}.txt"))
}

/// How often each word occurs.
type Counts = HashMap<String, u64>;

/// The words of the first documents, normalised.
fn count_words(source: &Source, documents: u64) -> Result<Counts> {
    let mut counts = Counts::new();
    let mut left = usize::try_from(documents).unwrap_or(usize::MAX);
    source.documents.read(&mut |mut chunk| {
        chunk.truncate(left);
        left -= chunk.len();
        let of_chunk = chunk.par_iter().flatten().try_fold(Counts::new, |mut counts, line| {
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

/// As BERT's tokenizer cuts a line.
fn words(line: &str) -> Result<Vec<String>> {
    let unreadable = |error: tokenizers::Error| {
        let what = "the text cannot be cut into words";
        Error::new(ErrorKind::Data, what, "give another tokenizer, such as {kind: hub}").because(error)
    };
    let mut line = NormalizedString::from(line);
    uncased().normalize(&mut line).map_err(unreadable)?;
    let mut line = PreTokenizedString::from(line);
    BertPreTokenizer.pre_tokenize(&mut line).map_err(unreadable)?;
    let splits = line.get_splits(OffsetReferential::Normalized, OffsetType::None);
    Ok(splits.into_iter().map(|(word, ..)| word.to_string()).collect())
}

/// Why there is no vocabulary.
#[derive(Debug)]
enum Lacking {
    Words,
    /// The size that was asked for, and the one that would do.
    Room {
        size: usize,
        needed: usize,
    },
    Trainer(tokenizers::Error),
}

impl Lacking {
    fn of(self, source: &str) -> Error {
        match self {
            Self::Words => Error::new(
                ErrorKind::Data,
                format!("the text of {source} has no words to make a vocabulary of"),
                "check that the files are not empty and that the column holds text",
            ),
            Self::Room { size, needed } => Error::new(
                ErrorKind::Data,
                format!("base.data.tokenizer.size = {size} has no room for the letters of {source}"),
                format!("use at least {needed}"),
            ),
            Self::Trainer(error) => Error::new(
                ErrorKind::Data,
                format!("no vocabulary could be made of {source}"),
                "give another tokenizer, such as {kind: hub}",
            )
            .because(error),
        }
    }
}

fn train(counts: &Counts, size: usize) -> std::result::Result<Vec<String>, Lacking> {
    let letters = commonest_letters(counts);
    let continuing = |word: &String| word.chars().skip(1).collect::<Vec<char>>();
    let inside: BTreeSet<char> =
        counts.keys().flat_map(continuing).filter(|letter| letters.contains(letter)).collect();
    let mut first: Vec<String> = SPECIAL.map(String::from).to_vec();
    first.extend(letters.iter().map(char::to_string));
    first.extend(inside.iter().map(|letter| format!("{CONTINUES}{letter}")));
    if letters.is_empty() {
        return Err(Lacking::Words);
    }
    if first.len() > size {
        return Err(Lacking::Room { size, needed: first.len() });
    }
    let mut trainer = WordPieceTrainer::builder()
        .vocab_size(size)
        .special_tokens(first.iter().map(|token| AddedToken::from(token, true)).collect())
        .initial_alphabet(letters.iter().copied().collect())
        .limit_alphabet(letters.len())
        .show_progress(false)
        .build();
    let repeated = counts.iter().flat_map(|(word, &count)| std::iter::repeat_n(word, count as usize));
    trainer.feed(repeated, |word| Ok(vec![word.to_string()])).map_err(Lacking::Trainer)?;
    let mut model = WordPiece::default();
    trainer.train(&mut model).map_err(Lacking::Trainer)?;
    let mut made: Vec<String> = model.get_vocab().into_keys().collect();
    made.retain(|token| !SPECIAL.contains(&token.as_str()));
    made.sort_unstable();
    Ok(SPECIAL.into_iter().map(String::from).chain(made).collect())
}

/// Equally common ones by code point.
fn commonest_letters(counts: &Counts) -> BTreeSet<char> {
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

    fn of(text: &str, size: usize) -> std::result::Result<Vec<String>, Lacking> {
        let mut counts = Counts::new();
        for word in words(text).unwrap() {
            *counts.entry(word).or_default() += 1;
        }
        train(&counts, size)
    }

    #[test]
    fn common_words_become_one_token() {
        let text =
            "Playing played PLAYS, play; play playing low lower lowest low low low low low low café cafe";
        let tokens = of(text, 60).unwrap();
        assert_eq!(tokens[..5], SPECIAL);
        assert!(tokens[5..].is_sorted() && tokens.len() <= 60, "{tokens:?}");
        let tokenizer = Tokenizer::from_vocabulary(&tokens, "a test").unwrap();
        let pieces = |text| -> Vec<String> {
            let ids = tokenizer.encode(text).unwrap();
            ids.into_iter().map(|id| tokenizer.token(id).unwrap()).collect()
        };
        assert_eq!(pieces("play low"), ["play", "low"]);
        // Other words can be spelt, of letters where they were seen: at the beginning or inside.
        assert_eq!(pieces("elwo").concat().replace("##", ""), "elwo");
        assert_eq!(pieces("quiz"), ["[UNK]"]);
    }

    /// Many pairs occur equally often here, and the library's tables have another order every time.
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
        let first = of(&text, 160).unwrap();
        for _ in 0..5 {
            assert_eq!(of(&text, 160).unwrap(), first);
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
    fn too_little_room_and_no_words_are_errors() {
        let error = |text, size| of(text, size).unwrap_err().of("texts/*.txt");
        insta::assert_snapshot!(error("some letters", 10), @r#"
        base.data.tokenizer.size = 10 has no room for the letters of texts/*.txt
        hint: use at least 18
        "#);
        insta::assert_snapshot!(error(" ", 100), @r"
        the text of texts/*.txt has no words to make a vocabulary of
        hint: check that the files are not empty and that the column holds text
        ");
    }
}
