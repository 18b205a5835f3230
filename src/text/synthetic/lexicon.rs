//! Words: their inflections, synonyms, and the function words.
//!
//! A word is stored as its base form (`&'static str`); these functions make the other forms. Topic words are
//! in [`super::topics`], sentiment words in [`super::sentiment`], names and facts in [`super::world`]. Must
//! never: draw a random number except in [`pick`].

use super::draws::Draws;

/// Grammatical number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Singular.
    One,
    /// Plural.
    Many,
}

impl Number {
    /// The other number.
    pub fn flipped(self) -> Self {
        match self {
            Self::One => Self::Many,
            Self::Many => Self::One,
        }
    }
}

/// Draws an entry of a table, the first ones more often: as in natural text, a few words of every class are
/// frequent and many are rare. The first of n has the probability 1/√n, the last about 1/2n. The tables of
/// the language are never empty; the tests read them all.
#[track_caller]
pub fn pick<T: Copy>(stream: &mut Draws, table: &[T]) -> T {
    table[stream.first_more_often(table.len())]
}

/// Past tense and participle of the verbs that do not take `-ed`.
pub const IRREGULAR_VERBS: [(&str, &str, &str); 23] = [
    ("build", "built", "built"),
    ("buy", "bought", "bought"),
    ("cut", "cut", "cut"),
    ("eat", "ate", "eaten"),
    ("feed", "fed", "fed"),
    ("find", "found", "found"),
    ("grow", "grew", "grown"),
    ("hear", "heard", "heard"),
    ("hide", "hid", "hidden"),
    ("hold", "held", "held"),
    ("hurt", "hurt", "hurt"),
    ("lead", "led", "led"),
    ("lose", "lost", "lost"),
    ("make", "made", "made"),
    ("meet", "met", "met"),
    ("read", "read", "read"),
    ("see", "saw", "seen"),
    ("sell", "sold", "sold"),
    ("sing", "sang", "sung"),
    ("sleep", "slept", "slept"),
    ("teach", "taught", "taught"),
    ("throw", "threw", "thrown"),
    ("write", "wrote", "written"),
];

/// Irregular plurals.
pub const IRREGULAR_NOUNS: [(&str, &str); 6] = [
    ("goose", "geese"),
    ("mouse", "mice"),
    ("shelf", "shelves"),
    ("wolf", "wolves"),
    ("fisherman", "fishermen"),
    ("seaman", "seamen"),
];

/// Mass nouns: no plural, no `a`.
pub const MASS_NOUNS: [&str; 11] =
    ["bread", "soup", "cheese", "broth", "grass", "hay", "honey", "meat", "corn", "rice", "milk"];

/// Pairs of words with the same meaning in this language.
pub const SYNONYMS: [(&str, &str); 34] = [
    ("assist", "help"),
    ("ballad", "song"),
    ("big", "large"),
    ("boat", "ship"),
    ("bowl", "dish"),
    ("broth", "soup"),
    ("build", "construct"),
    ("carry", "haul"),
    ("chair", "seat"),
    ("chef", "cook"),
    ("clever", "smart"),
    ("difficult", "hard"),
    ("discover", "find"),
    ("drop", "spill"),
    ("fast", "quick"),
    ("gather", "collect"),
    ("grip", "hold"),
    ("guard", "protect"),
    ("hunter", "trapper"),
    ("little", "small"),
    ("lively", "merry"),
    ("make", "prepare"),
    ("melody", "tune"),
    ("mend", "repair"),
    ("novel", "book"),
    ("observe", "watch"),
    ("perform", "play"),
    ("polite", "courteous"),
    ("purchase", "buy"),
    ("quiet", "silent"),
    ("sack", "pouch"),
    ("sailor", "seaman"),
    ("story", "tale"),
    ("strong", "sturdy"),
];

/// Adjectives for people.
pub const PEOPLE_ADJECTIVES: [&str; 10] =
    ["young", "old", "tall", "clever", "smart", "busy", "tired", "polite", "courteous", "brave"];

/// Verbs whose subject and object are people.
pub const SOCIAL_VERBS: [&str; 10] =
    ["help", "assist", "thank", "call", "visit", "meet", "greet", "warn", "invite", "answer"];

/// Verbs without an object.
pub const INTRANSITIVE_VERBS: [&str; 10] =
    ["sleep", "wait", "rest", "laugh", "work", "walk", "dance", "smile", "shout", "cough"];

/// Verbs with a reflexive pronoun (`hurt herself`).
pub const REFLEXIVE_VERBS: [&str; 6] = ["hurt", "see", "ask", "teach", "blame", "wash"];

/// Function words, and the words of fixed phrases.
pub const FUNCTION_WORDS: [&str; 97] = [
    "a",
    "about",
    "all",
    "an",
    "and",
    "animal",
    "are",
    "at",
    "be",
    "because",
    "been",
    "behind",
    "being",
    "beside",
    "bigger",
    "by",
    "called",
    "day",
    "did",
    "do",
    "does",
    "evening",
    "every",
    "everybody",
    "felt",
    "for",
    "from",
    "has",
    "have",
    "he",
    "her",
    "herself",
    "him",
    "himself",
    "his",
    "i",
    "in",
    "is",
    "it",
    "knows",
    "last",
    "like",
    "likes",
    "made",
    "many",
    "means",
    "moment",
    "month",
    "morning",
    "near",
    "next",
    "night",
    "no",
    "not",
    "now",
    "on",
    "one",
    "other",
    "people",
    "quite",
    "said",
    "say",
    "she",
    "smaller",
    "so",
    "some",
    "summer",
    "than",
    "that",
    "the",
    "themselves",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "thought",
    "to",
    "today",
    "together",
    "tomorrow",
    "true",
    "two",
    "was",
    "we",
    "week",
    "were",
    "what",
    "when",
    "where",
    "while",
    "who",
    "will",
    "with",
    "words",
    "yesterday",
];

fn ends_in_consonant_y(word: &str) -> bool {
    let mut letters = word.chars().rev();
    letters.next() == Some('y') && letters.next().is_some_and(|letter| !is_vowel(letter))
}

fn is_vowel(letter: char) -> bool {
    "aeiou".contains(letter)
}

/// Whether the last consonant doubles before an ending: words with one vowel and one consonant after it
/// (`stop`).
fn doubles(word: &str) -> bool {
    let vowels = word.chars().filter(|&letter| is_vowel(letter)).count();
    let mut letters = word.chars().rev();
    let last = letters.next().unwrap_or_default();
    vowels == 1 && !is_vowel(last) && !"wxyh".contains(last) && letters.next().is_some_and(is_vowel)
}

fn with_ending(word: &str, ending: &str) -> String {
    let stem = word.strip_suffix('e').unwrap_or(word);
    match ending {
        _ if doubles(word) => {
            let last = word.chars().next_back().unwrap_or_default();
            format!("{word}{last}{ending}")
        }
        "ed" if ends_in_consonant_y(word) => format!("{}ied", word.trim_end_matches('y')),
        _ => format!("{stem}{ending}"),
    }
}

/// The word with the ending `-s`, of nouns and of verbs.
fn with_s(word: &str) -> String {
    if ends_in_consonant_y(word) {
        format!("{}ies", word.trim_end_matches('y'))
    } else if ["s", "x", "z", "ch", "sh", "to"].iter().any(|end| word.ends_with(end)) {
        format!("{word}es")
    } else {
        format!("{word}s")
    }
}

/// Plural of a noun.
pub fn plural(noun: &str) -> String {
    match IRREGULAR_NOUNS.iter().find(|(one, _)| *one == noun) {
        Some((_, many)) => (*many).to_string(),
        None => with_s(noun),
    }
}

/// The noun in a number; mass nouns have one form.
pub fn noun_in(noun: &str, number: Number) -> String {
    match number {
        Number::Many if !is_mass(noun) => plural(noun),
        _ => noun.to_string(),
    }
}

/// Third person singular of a verb.
pub fn third(verb: &str) -> String {
    if verb == "have" { "has".to_string() } else { with_s(verb) }
}

/// Present tense of a verb, by the number of its subject.
pub fn present(verb: &str, number: Number) -> String {
    match number {
        Number::One => third(verb),
        Number::Many => verb.to_string(),
    }
}

/// Past tense of a verb.
pub fn past(verb: &str) -> String {
    match IRREGULAR_VERBS.iter().find(|(base, _, _)| *base == verb) {
        Some((_, past, _)) => (*past).to_string(),
        None => with_ending(verb, "ed"),
    }
}

/// Past participle of a verb.
pub fn participle(verb: &str) -> String {
    match IRREGULAR_VERBS.iter().find(|(base, _, _)| *base == verb) {
        Some((_, _, participle)) => (*participle).to_string(),
        None => with_ending(verb, "ed"),
    }
}

/// The `-ing` form of a verb.
pub fn gerund(verb: &str) -> String {
    match verb {
        "see" => "seeing".to_string(),
        _ => with_ending(verb, "ing"),
    }
}

/// Whether a noun is a mass noun.
pub fn is_mass(noun: &str) -> bool {
    MASS_NOUNS.contains(&noun)
}

/// The synonym of a word, if it has one.
pub fn synonym(word: &str) -> Option<&'static str> {
    SYNONYMS.iter().find_map(|&(one, other)| match word {
        _ if word == one => Some(other),
        _ if word == other => Some(one),
        _ => None,
    })
}

/// `a` or `an`, by the next word.
pub fn article(next: &str) -> &'static str {
    if next.starts_with(is_vowel) { "an" } else { "a" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflections_follow_english() {
        let verbs = ["carry", "stop", "use", "play", "watch", "open", "sew", "see", "dry", "wrap", "fill"];
        let lines: Vec<String> = verbs
            .iter()
            .map(|verb| [third(verb), past(verb), participle(verb), gerund(verb)].join(" "))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        carries carried carried carrying
        stops stopped stopped stopping
        uses used used using
        plays played played playing
        watches watched watched watching
        opens opened opened opening
        sews sewed sewed sewing
        sees saw seen seeing
        dries dried dried drying
        wraps wrapped wrapped wrapping
        fills filled filled filling
        ");
        let nouns = ["potato", "piano", "box", "waltz", "melody", "toy", "wolf", "seaman", "dish", "bread"];
        let lines: Vec<String> = nouns.iter().map(|noun| noun_in(noun, Number::Many)).collect();
        insta::assert_snapshot!(lines.join(" "), @"potatoes pianos boxes waltzes melodies toys wolves seamen dishes bread");
    }

    #[test]
    fn synonyms_go_both_ways_and_each_word_has_one() {
        for (index, (one, other)) in SYNONYMS.iter().enumerate() {
            assert_eq!((synonym(one), synonym(other)), (Some(*other), Some(*one)), "pair {index}");
        }
    }
}
