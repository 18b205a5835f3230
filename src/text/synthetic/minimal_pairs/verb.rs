//! The verb's tense goes with the time, and its form with its auxiliary.

use crate::rng::Stream;

use super::{Contrast, Couple};
use crate::text::synthetic::grammar::{Event, Tense, Time};
use crate::text::synthetic::lexicon::pick;
use crate::text::synthetic::scenes::{any_topic, anyone, event, thing_event};

/// A past time, and a time of another tense with as many words; English allows neither with the other tense.
const TIMES: [(&str, Tense, &str); 8] = [
    ("yesterday", Tense::Future, "tomorrow"),
    ("last week", Tense::Future, "next week"),
    ("last month", Tense::Future, "next month"),
    ("yesterday", Tense::Progressive, "now"),
    ("last night", Tense::Future, "next week"),
    ("last week", Tense::Future, "next month"),
    ("last month", Tense::Future, "next week"),
    ("last night", Tense::Future, "next month"),
];

/// `anna washed the pot yesterday | tomorrow`, `anna will wash the pot tomorrow | yesterday`.
pub fn tense_and_time(stream: &mut Stream) -> Option<Couple> {
    let topic = any_topic(stream);
    let subject = anyone(stream, topic);
    let event = event(stream, topic, subject);
    let (past, other_tense, other) = pick(stream, &TIMES);
    let first = stream.chance(0.4);
    let told = |tense, text| Event { tense, time: Some(Time { text, first }), ..event.clone() }.words();
    Some([
        Contrast::of(&told(Tense::Past, past), &told(Tense::Past, other))?,
        Contrast::of(&told(other_tense, other), &told(other_tense, past))?,
    ])
}

/// `anna has carried | carrying the pot`, `anna is carrying | carried the pot`.
pub fn form_after_auxiliary(stream: &mut Stream) -> Option<Couple> {
    let topic = any_topic(stream);
    let subject = anyone(stream, topic);
    let event = Event { time: None, passive: false, ..thing_event(stream, topic, subject) };
    let mut tenses = [Tense::Perfect, Tense::Progressive, Tense::Future];
    tenses.rotate_left(stream.below(3));
    let [one, other] = [tenses[0], tenses[1]].map(|tense| Event { tense, ..event.clone() });
    let contrast = |right: &Event, wrong: &Event| {
        let (words, form) = (right.words(), right.main_verb());
        let mut broken = words.clone();
        let at = broken.iter().position(|word| *word == form)?;
        *broken.get_mut(at)? = wrong.main_verb();
        Contrast::of(&words, &broken)
    };
    Some([contrast(&one, &other)?, contrast(&other, &one)?])
}
