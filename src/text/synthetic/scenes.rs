//! Draws events of a topic, with people of the world or of the topic's jobs.

use crate::rng::Stream;

use super::grammar::{Event, Head, Phrase, Tense, Time};
use super::lexicon::{
    INTRANSITIVE_VERBS, Number, PEOPLE_ADJECTIVES, SOCIAL_VERBS, is_mass, noun_in, pick, plural, present,
};
use super::topics::{Kind, TOPICS, Topic};
use super::world::{PEOPLE, Person, people_of};

const PAST_TIMES: [&str; 5] = ["yesterday", "last night", "last week", "last month", "this morning"];
const PRESENT_TIMES: [&str; 4] = ["every day", "every morning", "every week", "in summer"];
const PERFECT_TIMES: [&str; 2] = ["today", "this week"];
const PROGRESSIVE_TIMES: [&str; 2] = ["now", "at the moment"];
const FUTURE_TIMES: [&str; 4] = ["tomorrow", "next week", "next month", "this evening"];
/// Prepositions between a person and a thing that is near them.
pub const NEAR: [&str; 4] = ["near", "behind", "with", "beside"];
/// What people may like.
pub const FOODS: [&str; 5] = ["bread", "soup", "cheese", "pies", "cakes"];

/// Most words of an event, so that a sentence has at most 16.
const MAX_WORDS: usize = 15;

/// Draws a topic.
pub fn any_topic(stream: &mut Stream) -> &'static Topic {
    &TOPICS[stream.below(TOPICS.len())]
}

/// Draws another topic.
pub fn other_topic(stream: &mut Stream, topic: &Topic) -> &'static Topic {
    let others: Vec<&'static Topic> = TOPICS.iter().filter(|other| other.name != topic.name).collect();
    pick(stream, &others)
}

/// Draws a person whose job belongs to the topic or, one time in five, any person.
pub fn any_person(stream: &mut Stream, topic: &Topic) -> &'static Person {
    let here = people_of(topic);
    if stream.chance(0.8) { pick(stream, &here) } else { &PEOPLE[stream.below(PEOPLE.len())] }
}

/// Draws one of the topic's kinds.
pub fn any_kind(stream: &mut Stream, topic: &'static Topic) -> &'static Kind {
    &topic.kinds[stream.below(topic.kinds.len())]
}

fn any_number(stream: &mut Stream) -> Number {
    if stream.chance(0.6) { Number::One } else { Number::Many }
}

fn any_determiner(stream: &mut Stream, number: Number) -> &'static str {
    match number {
        Number::One => pick(stream, &["the", "the", "a", "this", "that", "one", "every"]),
        Number::Many => pick(stream, &["the", "the", "these", "those", "some", "many", "two"]),
    }
}

/// Draws a person by job: `the old baker near the mills`, `two nurses`.
pub fn worker(stream: &mut Stream, topic: &Topic) -> Phrase {
    let number = any_number(stream);
    let mut phrase = Phrase::noun(pick(stream, topic.jobs), number);
    phrase.determiner = any_determiner(stream, number);
    if stream.chance(0.4) {
        phrase.adjective = Some(pick(stream, &PEOPLE_ADJECTIVES));
    }
    match stream.below(10) {
        0 | 1 => {
            let kind = &topic.kinds[stream.below(topic.kinds.len())];
            let noun = noun_in(pick(stream, kind.nouns), any_number(stream));
            phrase.after = format!("{} the {noun}", pick(stream, &NEAR));
        }
        2 => phrase.after = format!("from the {}", super::world::HOMES[stream.below(9)].noun),
        3 => phrase.after = format!("who {} {}", present("like", number), pick(stream, &FOODS)),
        _ => {}
    }
    phrase
}

/// Draws a thing of a kind: `a fresh cake`, `the potatoes`.
pub fn thing(stream: &mut Stream, kind: &Kind) -> Phrase {
    let noun = pick(stream, kind.nouns);
    let number = if is_mass(noun) { Number::One } else { any_number(stream) };
    let mut phrase = Phrase::noun(noun, number);
    phrase.determiner = match noun {
        _ if is_mass(noun) => pick(stream, &["the", "some"]),
        _ => any_determiner(stream, number),
    };
    if stream.chance(0.4) {
        phrase.adjective = Some(pick(stream, kind.adjectives));
    }
    phrase
}

/// Draws a person, named or by job.
pub fn anyone(stream: &mut Stream, topic: &Topic) -> Phrase {
    if stream.chance(0.45) { Phrase::person(any_person(stream, topic)) } else { worker(stream, topic) }
}

fn any_tense(stream: &mut Stream) -> Tense {
    match stream.below(20) {
        0..=7 => Tense::Past,
        8..=13 => Tense::Present,
        14 | 15 => Tense::Perfect,
        16 | 17 => Tense::Progressive,
        _ => Tense::Future,
    }
}

/// Draws a time that goes with a tense.
pub fn time_for(stream: &mut Stream, tense: Tense) -> Time {
    let text = match tense {
        Tense::Past => pick(stream, &PAST_TIMES),
        Tense::Present => pick(stream, &PRESENT_TIMES),
        Tense::Perfect => pick(stream, &PERFECT_TIMES),
        Tense::Progressive => pick(stream, &PROGRESSIVE_TIMES),
        Tense::Future => pick(stream, &FUTURE_TIMES),
    };
    Time { text, first: stream.chance(0.4) }
}

/// Draws an event of the topic with the subject `subject`. Its object is a thing (most often), a person, or
/// none.
pub fn event(stream: &mut Stream, topic: &'static Topic, subject: Phrase) -> Event {
    match stream.below(10) {
        0 | 1 => social_event(stream, topic, subject),
        2 => {
            let verb = pick(stream, &INTRANSITIVE_VERBS);
            with_tense_place_and_time(stream, topic, subject, verb, None)
        }
        _ => thing_event(stream, topic, subject),
    }
}

/// Draws an event with a thing as object.
pub fn thing_event(stream: &mut Stream, topic: &'static Topic, subject: Phrase) -> Event {
    let kind = any_kind(stream, topic);
    let (verb, object) = (pick(stream, kind.verbs), thing(stream, kind));
    with_tense_place_and_time(stream, topic, subject, verb, Some(object))
}

/// Draws an event with another person as object.
pub fn social_event(stream: &mut Stream, topic: &'static Topic, subject: Phrase) -> Event {
    let verb = pick(stream, &SOCIAL_VERBS);
    let object = loop {
        let object = anyone(stream, topic);
        if may_meet(&subject, &object) {
            break object;
        }
    };
    with_tense_place_and_time(stream, topic, subject, verb, Some(object))
}

/// Whether two phrases certainly refer to different people.
fn may_meet(subject: &Phrase, object: &Phrase) -> bool {
    match (subject.head, object.head) {
        (Head::Pronoun(gender), Head::Person(person)) => person.gender != gender,
        (one, other) => one != other,
    }
}

fn with_tense_place_and_time(
    stream: &mut Stream,
    topic: &'static Topic,
    subject: Phrase,
    verb: &'static str,
    object: Option<Phrase>,
) -> Event {
    let tense = any_tense(stream);
    let place = if stream.chance(0.6) || object.is_none() {
        topic.places.get(stream.below(topic.places.len()))
    } else {
        None
    };
    let time = if stream.chance(0.5) || place.is_none() { Some(time_for(stream, tense)) } else { None };
    let negated = stream.chance(0.08);
    let mut event = Event { subject, verb, object, place, time, tense, negated, passive: false };
    if matches!(event.object, Some(ref object) if !object.determiner.is_empty()) {
        event.passive = stream.chance(0.12);
    }
    event.within(MAX_WORDS)
}

/// Draws a plural of each of the topic's two kinds: `boats`, `sacks`.
pub fn company(stream: &mut Stream, topic: &Topic) -> (String, String) {
    let [one, other] = &topic.kinds;
    let mut many = |kind: &Kind| loop {
        let noun = pick(stream, kind.nouns);
        if !is_mass(noun) {
            break plural(noun);
        }
    };
    (many(one), many(other))
}
