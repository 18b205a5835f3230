//! Sentences of praise and blame. A document has one mood, so that words of the same mood occur together.

use super::draws::Draws;

use super::lexicon::{article, is_mass, past, pick};
use super::topics::Topic;

/// The mood of an opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Praise.
    Good,
    /// Blame.
    Bad,
}

/// Words of one mood.
pub struct MoodWords {
    /// `the soup was …`.
    pub adjectives: &'static [&'static str],
    /// `anna …ed the soup`.
    pub verbs: &'static [&'static str],
    /// `the party was a …`.
    pub nouns: &'static [&'static str],
    /// `…, the boat was found`.
    pub openers: &'static [&'static str],
    /// How people feel.
    pub feelings: &'static [&'static str],
}

/// The words of praise.
pub static GOOD: MoodWords = MoodWords {
    adjectives: &[
        "good",
        "wonderful",
        "lovely",
        "great",
        "delightful",
        "charming",
        "excellent",
        "superb",
        "brilliant",
        "pleasant",
        "splendid",
        "perfect",
        "amazing",
        "beautiful",
        "fantastic",
        "enjoyable",
        "impressive",
        "nice",
    ],
    verbs: &["love", "enjoy", "admire", "praise", "adore"],
    nouns: &["delight", "joy", "success", "pleasure", "triumph"],
    openers: &["luckily", "happily", "fortunately"],
    feelings: &["happy", "glad", "proud", "cheerful"],
};

/// The words of blame.
pub static BAD: MoodWords = MoodWords {
    adjectives: &[
        "bad",
        "awful",
        "terrible",
        "horrible",
        "dreadful",
        "boring",
        "dull",
        "ugly",
        "poor",
        "nasty",
        "disgusting",
        "annoying",
        "weak",
        "silly",
        "miserable",
        "unpleasant",
        "painful",
        "hopeless",
    ],
    verbs: &["hate", "dislike", "fear", "despise", "mock"],
    nouns: &["disaster", "failure", "mess", "shame", "pity"],
    openers: &["sadly", "unfortunately", "unluckily"],
    feelings: &["unhappy", "sad", "ashamed", "upset"],
};

/// Things that are praised or blamed in every topic.
pub const OCCASIONS: [&str; 10] =
    ["meal", "concert", "lesson", "trip", "visit", "party", "show", "game", "holiday", "talk"];

/// Adverbs of degree.
pub const DEGREES: [&str; 5] = ["very", "really", "quite", "truly", "so"];

impl Mood {
    /// The mood's words.
    pub fn words(self) -> &'static MoodWords {
        match self {
            Self::Good => &GOOD,
            Self::Bad => &BAD,
        }
    }

    /// The other mood.
    pub fn flipped(self) -> Self {
        match self {
            Self::Good => Self::Bad,
            Self::Bad => Self::Good,
        }
    }
}

/// Draws a sentence of the mood, without the period. `who` is the person who judges (a name or a pronoun).
/// With `negated`, the words are those of the other mood, negated by `not`.
pub fn opinion(stream: &mut Draws, mood: Mood, topic: &Topic, who: &str, negated: bool) -> String {
    let words = mood.words();
    let thing = subject_matter(stream, topic);
    let degree = pick(stream, &DEGREES);
    let one = pick(stream, words.adjectives);
    let others: Vec<&str> = words.adjectives.iter().copied().filter(|other| *other != one).collect();
    let two = pick(stream, &others);
    let verb = pick(stream, words.verbs);
    let noun = pick(stream, words.nouns);
    if negated {
        let other = mood.flipped().words();
        let (far, verb, noun) =
            (pick(stream, other.adjectives), pick(stream, other.verbs), pick(stream, other.nouns));
        return match stream.below(4) {
            0 => format!("the {thing} was not {far} at all"),
            1 => format!("{who} did not {verb} the {thing}"),
            2 => format!("{who} said that the {thing} was no {noun}"),
            _ => format!("{who} thought that the {thing} was not {far}"),
        };
    }
    match stream.below(8) {
        0 => format!("the {thing} was {degree} {one} and {two}"),
        1 => format!("{who} {} the {one} {thing}", past(verb)),
        2 => format!("{who} thought that the {thing} was {degree} {one}"),
        3 => format!("the {thing} was {} {noun} for everybody", article(noun)),
        4 => format!("it was {} {one} and {two} {thing}", article(one)),
        5 => format!("{who} felt {degree} {} about the {thing}", pick(stream, words.feelings)),
        6 => format!("everybody {} the {thing} because it was {one}", past(verb)),
        _ => format!("{who} called the {thing} {one} and {two}"),
    }
}

/// Draws an occasion, or a thing of the topic that is not a mass noun.
fn subject_matter(stream: &mut Draws, topic: &Topic) -> &'static str {
    let thing = match topic.kinds.get(stream.below(topic.kinds.len())) {
        Some(kind) if stream.chance(0.5) => pick(stream, kind.nouns),
        _ => pick(stream, &OCCASIONS),
    };
    if is_mass(thing) { pick(stream, &OCCASIONS) } else { thing }
}
