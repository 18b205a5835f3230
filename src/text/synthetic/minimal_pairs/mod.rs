//! Minimal pairs of the language: each bad sentence breaks one rule of its grammar or one fact of its world.
//!
//! Pairs come in couples. Where the first pair of a couple has the word A in its good and the word B in its
//! bad sentence, the second has B in the good and A in the bad one, in the same frame: `the baker near the
//! mills sleeps | sleep` and `the bakers near the mill sleep | sleeps`. So a scorer that adds up one number
//! per word, or counts words, is right in exactly one pair of a couple (or ties in both), and stands at 50 %
//! in every paradigm. The two pairs of a couple are therefore not independent: a standard error over pairs is
//! a little too large for scorers that prefer words.
//!
//! The sentences have a random stream of their own. Facts are few, so the sentences about them do occur in
//! the documents; the others hardly ever do. Must never: change the order of [`PARADIGMS`], which decides
//! the sentences.

mod agreement;
mod anaphora;
mod determiner;
mod fact;
mod selection;
#[cfg(test)]
mod tests;
mod verb;

use crate::rng::{Purpose, Stream};
use crate::text::minimal_pair::MinimalPair;

/// The first number of the pairs in the tasks' random streams; the tasks have smaller ones.
const FIRST_STEP: u64 = 1 << 16;

/// Most words of a sentence, as in the documents.
const MAX_WORDS: usize = 16;

/// A good and a bad sentence.
struct Contrast {
    good: String,
    bad: String,
}

impl Contrast {
    /// Of words without the period; None if the two are equal or too long.
    fn of(good: &[String], bad: &[String]) -> Option<Self> {
        (good != bad && good.len().max(bad.len()) <= MAX_WORDS)
            .then(|| Self { good: super::grammar::sentence(good), bad: super::grammar::sentence(bad) })
    }

    /// Of two sentences without the period; None if they are equal or too long.
    fn of_text(good: &str, bad: &str) -> Option<Self> {
        let words = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
        Self::of(&words(good), &words(bad))
    }
}

/// Two contrasts with the same swapped words, once in each direction.
type Couple = [Contrast; 2];

/// A rule, and how a couple of pairs about it is drawn; None if the draw does not show the rule.
struct Paradigm {
    name: &'static str,
    phenomenon: &'static str,
    draw: fn(&mut Stream) -> Option<Couple>,
}

const fn paradigm(
    phenomenon: &'static str,
    name: &'static str,
    draw: fn(&mut Stream) -> Option<Couple>,
) -> Paradigm {
    Paradigm { name, phenomenon, draw }
}

const PARADIGMS: [Paradigm; 15] = [
    paradigm("agreement", "agreement_plain", agreement::plain),
    paradigm("agreement", "agreement_distractor", agreement::across_a_distractor),
    paradigm("agreement", "agreement_relative_clause", agreement::in_a_relative_clause),
    paradigm("agreement", "agreement_question", agreement::in_a_question),
    paradigm("anaphora", "reflexive_gender", anaphora::reflexive_gender),
    paradigm("anaphora", "reflexive_number", anaphora::reflexive_number),
    paradigm("anaphora", "pronoun_gender", anaphora::pronoun_gender),
    paradigm("determiners", "determiner_noun", determiner::before_a_noun),
    paradigm("determiners", "determiner_adjective_noun", determiner::before_an_adjective),
    paradigm("verbs", "tense_time", verb::tense_and_time),
    paradigm("verbs", "verb_form", verb::form_after_auxiliary),
    paradigm("selection", "verb_object", selection::verb_and_object),
    paradigm("selection", "agent_patient", selection::agent_and_patient),
    paradigm("facts", "fact_person", fact::of_people),
    paradigm("facts", "fact_animal_thing", fact::of_animals_and_things),
];

/// The first `n` minimal pairs of the language with this seed, spread evenly over its paradigms: these follow
/// each other in turn, two pairs (a couple) at a time. For an odd `n`, one pair lacks its counterpart.
pub fn minimal_pairs(n: usize, seed: u64) -> Vec<MinimalPair> {
    let couples = (0..n.div_ceil(2)).flat_map(|index| {
        let (number, round) = (index % PARADIGMS.len(), index / PARADIGMS.len());
        couple(&PARADIGMS[number], number, round, seed)
    });
    couples.take(n).collect()
}

/// Couple `round` of a paradigm.
fn couple(paradigm: &Paradigm, number: usize, round: usize, seed: u64) -> [MinimalPair; 2] {
    let mut stream = Stream::new(seed, Purpose::LanguageTask, FIRST_STEP + number as u64, round as u64);
    loop {
        if let Some(couple) = (paradigm.draw)(&mut stream) {
            return couple.map(|Contrast { good, bad }| MinimalPair {
                paradigm: paradigm.name.into(),
                phenomenon: paradigm.phenomenon.into(),
                good,
                bad,
            });
        }
    }
}
