//! Properties of the whole language: its words, agreement, consistent facts.

use std::collections::{BTreeMap, BTreeSet};

use super::lexicon::{Number, is_mass, noun_in, participle, past, third};
use super::topics::TOPICS;
use super::world::PEOPLE;
use super::*;
use crate::experiment::TaskName;

/// Splits lower-case ASCII text as BERT's tokenizer does: at spaces, and around punctuation.
pub(super) fn split_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let mut letters = String::new();
        for letter in word.chars() {
            if letter.is_ascii_alphanumeric() {
                letters.push(letter);
            } else {
                words.extend((!letters.is_empty()).then(|| std::mem::take(&mut letters)));
                words.push(letter.to_string());
            }
        }
        words.extend((!letters.is_empty()).then_some(letters));
    }
    words
}

/// WordPiece: the longest matching pieces first; `None` if a part of the word matches no piece.
fn pieces(word: &str, vocabulary: &BTreeSet<String>) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < word.len() {
        let candidates = (start + 1..=word.len()).rev().map(|end| {
            let piece = word[start..end].to_string();
            (if start == 0 { piece } else { format!("##{piece}") }, end)
        });
        let (piece, end) = candidates.into_iter().find(|(piece, _)| vocabulary.contains(piece))?;
        found.push(piece);
        start = end;
    }
    Some(found)
}

/// Every text of the language that a model may see.
fn all_texts() -> Vec<String> {
    let mut texts: Vec<String> = (0..6000).flat_map(|index| document(0, index)).collect();
    for task in TaskName::IN_THE_LANGUAGE {
        for split in [TaskSplit::Train, TaskSplit::Validation] {
            let frame = task_frame(task, split, 400, 0).unwrap();
            for column in frame.columns().iter().filter(|column| column.str().is_ok()) {
                texts.extend(column.str().unwrap().iter().flatten().map(str::to_string));
            }
        }
    }
    texts
}

#[test]
fn every_word_has_at_most_three_pieces_and_every_token_is_used() {
    let tokens = vocabulary();
    let known: BTreeSet<String> = tokens.iter().cloned().collect();
    assert_eq!(known.len(), tokens.len(), "a token occurs twice");
    let words: BTreeSet<String> = all_texts().iter().flat_map(|text| split_words(text)).collect();
    let mut used = BTreeSet::new();
    for word in &words {
        let pieces = pieces(word, &known).unwrap_or_else(|| panic!("{word} is unknown"));
        // The longest is black ##smith ##s.
        assert!(pieces.len() <= 3, "{word} has the pieces {pieces:?}");
        used.extend(pieces);
    }
    let unused: Vec<&String> = tokens
        .iter()
        .filter(|token| token.trim_start_matches('#').len() > 1 && !token.starts_with('['))
        .collect();
    let unused: Vec<&&String> = unused.iter().filter(|token| !used.contains(**token)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn the_vocabulary_does_not_change() {
    let tokens = vocabulary();
    let hash = blake3::hash(tokens.join("\n").as_bytes()).to_hex();
    insta::assert_snapshot!(format!("{} {}", tokens.len(), &hash[..16]), @"899 1f656ffcb84944c5");
    assert_eq!(tokens[..5], ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]);
}

#[test]
fn documents_do_not_change_and_depend_on_seed_and_index_alone() {
    insta::assert_snapshot!(document(0, 3).join("\n"), @"
        rosa works as a teacher, and she lives in the village.
        every day, rosa reads some long letters.
        in other words, rosa reads some long letters every day.
        the meal was quite horrible and dreadful.
        unluckily, she has written the long novels at the school.
        the meal was truly bad and silly.
        the colour of rosa's mouse is white.
        what does rosa own?
        rosa has bought a kite.
        there were many novels and puzzles in the classroom.
        those young teachers will lose the balls in the bookshop.
        this means that those young teachers will lose the balls in the bookshop.
        ");
    let later: Vec<_> = (0..50).rev().map(|index| document(7, index)).collect();
    let earlier: Vec<_> = (0..50).map(|index| document(7, index)).collect();
    assert!(later.iter().rev().eq(&earlier));
    assert_ne!(document(0, 0), document(1, 0));
    assert_ne!(document(0, 0), document(0, 1));
}

#[test]
fn documents_and_sentences_have_their_lengths() {
    let mut lengths = BTreeMap::new();
    for index in 0..4000 {
        let lines = document(0, index);
        assert!((4..=12).contains(&lines.len()), "document {index} has {} sentences", lines.len());
        for line in lines {
            let words = line.split_whitespace().count();
            assert!((4..=16).contains(&words), "{line}");
            assert!(line.ends_with(['.', '?']) && line == line.to_lowercase(), "{line}");
            assert!(!line.contains("  ") && !line.contains(['{', '}']), "{line}");
            *lengths.entry(words).or_insert(0) += 1;
        }
    }
    assert!(lengths.len() > 10, "sentences of few lengths: {lengths:?}");
}

/// The number of every word form that can only be a finite verb.
fn verb_numbers() -> BTreeMap<String, Number> {
    let mut numbers = BTreeMap::new();
    let things = TOPICS.iter().flat_map(|topic| &topic.kinds).flat_map(|kind| kind.verbs);
    for verb in things.chain(&super::lexicon::SOCIAL_VERBS).chain(&super::lexicon::INTRANSITIVE_VERBS) {
        if past(verb) != **verb && participle(verb) != **verb {
            numbers.insert(verb.to_string(), Number::Many);
        }
        numbers.insert(third(verb), Number::One);
    }
    for (one, many) in [("is", "are"), ("was", "were"), ("has", "have"), ("does", "do")] {
        numbers.insert(one.to_string(), Number::One);
        numbers.insert(many.to_string(), Number::Many);
    }
    numbers
}

fn noun_numbers() -> BTreeMap<String, Number> {
    let mut numbers = BTreeMap::new();
    let jobs = TOPICS.iter().flat_map(|topic| topic.jobs);
    for noun in jobs.chain(TOPICS.iter().flat_map(|topic| &topic.kinds).flat_map(|kind| kind.nouns)) {
        numbers.insert(noun.to_string(), Number::One);
        if !is_mass(noun) {
            numbers.insert(noun_in(noun, Number::Many), Number::Many);
        }
    }
    numbers
}

/// Whether subject and verb of a sentence agree; `None` if their number cannot be seen.
pub(super) fn agrees(line: &str) -> Option<bool> {
    let clause = line.trim_end_matches('.').rsplit(", ").next()?;
    let clause = clause.strip_prefix("this means that ").unwrap_or(clause);
    let words: Vec<&str> = clause.split(' ').collect();
    let verbs = verb_numbers();
    let (number, next) =
        if words[0] == "he" || words[0] == "she" || PEOPLE.iter().any(|person| person.name == words[0]) {
            (Number::One, 1)
        } else {
            let nouns = noun_numbers();
            let at = words.iter().take(3).position(|word| nouns.contains_key(*word))?;
            let many = match words[0] {
                "a" | "an" | "this" | "that" | "one" | "every" => Some(Number::One),
                "these" | "those" | "many" | "two" => Some(Number::Many),
                "the" | "some" => None,
                _ => return None,
            };
            let number = nouns[words[at]];
            if many.is_some_and(|many| many != number) {
                return Some(false);
            }
            (number, at + 1)
        };
    let next = match *words.get(next)? {
        "near" | "behind" | "with" | "beside" | "from" => next + 3,
        "who" if verbs.get(*words.get(next + 1)?).is_some_and(|verb| *verb != number) => return Some(false),
        "who" => next + 3,
        _ => next,
    };
    verbs.get(*words.get(next)?).map(|verb| *verb == number)
}

#[test]
fn verbs_agree_with_their_subjects() {
    assert_eq!(agrees("the bakers near the mill sleeps."), Some(false));
    assert_eq!(agrees("these baker sleeps."), Some(false));
    assert_eq!(agrees("anna have washed the pot."), Some(false));
    let mut n_checked = 0;
    for index in 0..1500 {
        for line in document(3, index) {
            if let Some(agrees) = agrees(&line) {
                assert!(agrees, "{line}");
                n_checked += 1;
            }
        }
    }
    assert!(n_checked > 3000, "only {n_checked} sentences show a number");
}

#[test]
fn pronouns_have_the_gender_of_the_person_in_focus() {
    let gender_of = |word: &str| PEOPLE.iter().find(|person| person.name == word).map(|person| person.gender);
    let mut n_checked = 0;
    for index in 0..2000 {
        let mut named = BTreeSet::new();
        for line in document(4, index) {
            for word in split_words(&line) {
                named.extend(gender_of(&word).map(|gender| gender.subject()));
                if word == "he" || word == "she" {
                    assert!(named.contains(word.as_str()), "no person for the pronoun in: {line}");
                    n_checked += 1;
                }
            }
        }
    }
    assert!(n_checked > 1000);
}

#[test]
fn facts_never_contradict_each_other() {
    let wordings = [
        ("job", " works as a ", ""),
        ("job", " became a ", " long ago"),
        ("job", " is a ", " by trade"),
        ("home", " lives in the ", ""),
        ("home", "'s home is in the ", ""),
        ("food", " likes to eat ", ""),
        ("food", "'s favourite food is ", ""),
        ("pet", " keeps a ", " as a pet"),
        ("habitat", " live in the ", ""),
        ("diet", " like to eat ", ""),
    ];
    let mut values: BTreeMap<(String, &str), BTreeSet<String>> = BTreeMap::new();
    for index in 0..1000 {
        for line in document(5, index) {
            if line.contains(", who ") {
                continue;
            }
            for (relation, middle, end) in wordings {
                let line = line.trim_end_matches('.').split(", and ").next().unwrap_or_default();
                let Some((subject, value)) = line.split_once(middle) else { continue };
                let subject = subject.rsplit(' ').next().unwrap_or_default();
                let value = value.strip_suffix(end).unwrap_or(value);
                if value.contains(' ') || ["he", "she"].contains(&subject) {
                    continue;
                }
                values.entry((subject.to_string(), relation)).or_default().insert(value.to_string());
            }
        }
    }
    assert!(values.len() > 100, "only {} facts", values.len());
    for (fact, told) in &values {
        assert_eq!(told.len(), 1, "{fact:?} has the values {told:?}");
    }
}

#[test]
fn documents_stay_on_their_topic() {
    let things = |topic: &super::topics::Topic| -> BTreeSet<&str> {
        topic.kinds.iter().flat_map(|kind| kind.nouns).copied().collect()
    };
    let (mut of_topic, mut of_others) = (0, 0);
    for index in 0..300 {
        let text = document(6, index).join(" ");
        let words = split_words(&text);
        let counts = TOPICS.iter().map(|topic| {
            let things = things(topic);
            words.iter().filter(|word| things.contains(word.as_str())).count()
        });
        let counts: Vec<usize> = counts.collect();
        let most = counts.iter().max().copied().unwrap_or_default();
        of_topic += most;
        of_others += counts.iter().sum::<usize>() - most;
    }
    assert!(of_topic > 2 * of_others, "{of_topic} against {of_others}");
}
