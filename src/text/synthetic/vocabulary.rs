//! The language's WordPiece vocabulary: special tokens, punctuation, letters, pieces and words.
//!
//! It has all letters, with and without `##`, so that no ASCII text gives `[UNK]`. A word that is another
//! word with an ending (`carrying`, `potatoes`, `teacher`, `lighthouse`) is split into pieces.

use std::collections::BTreeSet;

use super::facts::template_words;
use super::lexicon::{
    FUNCTION_WORDS, INTRANSITIVE_VERBS, MASS_NOUNS, PEOPLE_ADJECTIVES, REFLEXIVE_VERBS, SOCIAL_VERBS, gerund,
    participle, past, plural, third,
};
use super::sentiment::{BAD, DEGREES, GOOD, OCCASIONS};
use super::topics::TOPICS;
use super::world::{ANIMALS, COLOURS, HABITATS, HOMES, MATERIALS, PEOPLE};

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const LETTERS: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

/// Endings and second halves of compounds.
const PIECES: [&str; 13] = [
    "##s", "##es", "##ed", "##ing", "##er", "##ers", "##r", "##rs", "##house", "##shop", "##room", "##side",
    "##smith",
];

/// Second halves of words that begin with `un`.
const AFTER_UN: [&str; 4] = ["##happy", "##pleasant", "##fortunately", "##luckily"];

/// Words of the tables that are split into pieces.
const DERIVED: [&str; 27] = [
    "baker",
    "bakers",
    "blacksmith",
    "blacksmiths",
    "bookshop",
    "classroom",
    "dancer",
    "dancers",
    "farmer",
    "farmers",
    "farmhouse",
    "gardener",
    "gardeners",
    "hunter",
    "hunters",
    "lighthouse",
    "painter",
    "painters",
    "seaside",
    "singer",
    "singers",
    "teacher",
    "teachers",
    "unfortunately",
    "unhappy",
    "unluckily",
    "unpleasant",
];

/// Words that occur only as the first piece of another word.
const STEMS: [&str; 5] = ["bake", "class", "light", "teach", "un"];

/// The vocabulary; the id of a token is its index.
pub fn vocabulary() -> Vec<String> {
    let mut tokens: Vec<String> = SPECIAL.map(str::to_string).to_vec();
    tokens.extend(PUNCTUATION.chars().map(String::from));
    tokens.extend(LETTERS.chars().map(String::from));
    tokens.extend(LETTERS.chars().map(|letter| format!("##{letter}")));
    let mut known: BTreeSet<String> = tokens.iter().cloned().collect();
    let pieces = PIECES.iter().chain(&AFTER_UN).map(|piece| piece.to_string());
    for token in pieces.chain(words()) {
        if known.insert(token.clone()) {
            tokens.push(token);
        }
    }
    tokens
}

/// Words that are one token, in alphabetical order.
fn words() -> BTreeSet<String> {
    let whole = whole_words();
    let left: Vec<String> = inflections().into_iter().filter(|word| !in_pieces(word, &whole)).collect();
    whole.into_iter().chain(left).collect()
}

/// Whether a word is another word of `whole` followed by a piece.
fn in_pieces(word: &str, whole: &BTreeSet<String>) -> bool {
    PIECES
        .iter()
        .filter_map(|piece| word.strip_suffix(piece.trim_start_matches('#')))
        .any(|stem| whole.contains(stem))
}

fn thing_verbs() -> impl Iterator<Item = &'static str> {
    TOPICS.iter().flat_map(|topic| &topic.kinds).flat_map(|kind| kind.verbs).copied()
}

fn other_verbs() -> impl Iterator<Item = &'static str> {
    SOCIAL_VERBS.into_iter().chain(INTRANSITIVE_VERBS)
}

/// Verbs that are used in the base form and the past tense only.
fn mood_verbs() -> impl Iterator<Item = &'static str> {
    GOOD.verbs.iter().chain(BAD.verbs).copied()
}

fn things() -> impl Iterator<Item = &'static str> {
    let of_topics = TOPICS.iter().flat_map(|topic| &topic.kinds).flat_map(|kind| kind.nouns);
    of_topics.copied().chain(ANIMALS.iter().map(|animal| animal.noun))
}

/// Inflected forms, which are one token only if they cannot be split into pieces.
fn inflections() -> BTreeSet<String> {
    let plurals = things().filter(|noun| !MASS_NOUNS.contains(noun)).map(plural);
    let classes = ANIMALS.iter().map(|animal| plural(animal.class));
    let gerunds = thing_verbs().chain(other_verbs()).map(gerund);
    let pasts = other_verbs().flat_map(|verb| [past(verb), participle(verb)]).chain(mood_verbs().map(past));
    gerunds.chain(pasts).chain(REFLEXIVE_VERBS.map(past)).chain(plurals).chain(classes).collect()
}

fn whole_words() -> BTreeSet<String> {
    let mut words: BTreeSet<String> = BTreeSet::new();
    let mut add = |word: &str| {
        if !DERIVED.contains(&word) {
            words.insert(word.to_string());
        }
    };
    for verb in thing_verbs() {
        [verb.to_string(), third(verb), past(verb), participle(verb)].iter().for_each(|form| add(form));
    }
    other_verbs().for_each(|verb| [verb.to_string(), third(verb)].iter().for_each(|form| add(form)));
    mood_verbs().for_each(&mut add);
    for topic in &TOPICS {
        topic.places.iter().for_each(|place| add(place.noun));
        for job in topic.jobs {
            add(job);
            add(&plural(job));
        }
        for kind in &topic.kinds {
            add(kind.name);
            kind.adjectives.iter().for_each(|adjective| add(adjective));
        }
    }
    things().chain(OCCASIONS).for_each(&mut add);
    for person in &PEOPLE {
        [person.name, person.food].into_iter().for_each(&mut add);
    }
    for animal in &ANIMALS {
        [animal.class, animal.food].into_iter().for_each(&mut add);
    }
    for words in [&GOOD, &BAD] {
        let lists = [words.adjectives, words.nouns, words.openers, words.feelings];
        lists.into_iter().flatten().for_each(|word| add(word));
    }
    HOMES.iter().chain(&HABITATS).for_each(|place| add(place.noun));
    MATERIALS.iter().for_each(|(_, material)| add(material));
    COLOURS.iter().chain(&DEGREES).chain(&PEOPLE_ADJECTIVES).for_each(|word| add(word));
    FUNCTION_WORDS.iter().chain(&STEMS).for_each(|word| add(word));
    template_words().into_iter().for_each(&mut add);
    words
}
