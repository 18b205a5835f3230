//! Changes an event into another one, for the tasks on pairs.

use crate::text::synthetic::draws::Draws;

use crate::text::synthetic::grammar::{Event, Head, Phrase};
use crate::text::synthetic::lexicon::{SOCIAL_VERBS, pick, synonym};
use crate::text::synthetic::scenes::{any_kind, anyone, other_topic, thing, time_for};
use crate::text::synthetic::topics::{TOPICS, Topic};

/// A part of an event that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Who acts.
    Subject,
    /// The action.
    Verb,
    /// To whom or what.
    Object,
    /// Where.
    Place,
    /// When.
    Time,
}

/// Whether two words are equal or synonyms.
fn same(one: &str, other: &str) -> bool {
    one == other || synonym(one) == Some(other)
}

/// Whether two phrases may name the same person or thing.
fn same_head(one: &Phrase, other: &Phrase) -> bool {
    match (one.head, other.head) {
        (Head::Noun(one), Head::Noun(other)) => same(one, other),
        (one, other) => one == other,
    }
}

/// Draws another value for one slot of the event, from the same topic or, half of the time, from another one.
/// A slot that the event does not have is not changed.
pub fn changed(stream: &mut Draws, topic: &'static Topic, event: &Event, slot: Slot) -> Event {
    let topic = if stream.chance(0.5) { topic } else { other_topic(stream, topic) };
    let mut other = event.clone();
    match slot {
        Slot::Subject => other.subject = other_phrase(stream, &event.subject, |stream| anyone(stream, topic)),
        Slot::Verb => other.verb = other_verb(stream, topic, event.verb),
        Slot::Object => {
            other.object = event.object.as_ref().map(|object| {
                if is_person(object) {
                    other_phrase(stream, object, |stream| anyone(stream, topic))
                } else {
                    let changed = other_phrase(stream, object, |stream| {
                        let kind = any_kind(stream, topic);
                        thing(stream, kind)
                    });
                    Phrase { number: changed.number, ..changed }
                }
            });
        }
        Slot::Place => {
            other.place = event.place.and_then(|place| {
                let places: Vec<_> = topic.places.iter().filter(|other| other.noun != place.noun).collect();
                places.get(stream.below(places.len())).copied()
            });
        }
        Slot::Time => {
            other.time = event.time.map(|time| {
                loop {
                    let changed = time_for(stream, event.tense);
                    if changed.text != time.text {
                        break changed;
                    }
                }
            });
        }
    }
    other
}

/// The event with one of the slots changed.
pub fn changed_any(stream: &mut Draws, topic: &'static Topic, event: &Event, slots: &[Slot]) -> Event {
    let slot = pick(stream, slots);
    changed(stream, topic, event, slot)
}

fn other_phrase(stream: &mut Draws, old: &Phrase, draw: impl Fn(&mut Draws) -> Phrase) -> Phrase {
    loop {
        let phrase = draw(stream);
        if !same_head(&phrase, old) {
            return phrase;
        }
    }
}

fn other_verb(stream: &mut Draws, topic: &'static Topic, old: &str) -> &'static str {
    loop {
        let verb = if SOCIAL_VERBS.contains(&old) {
            pick(stream, &SOCIAL_VERBS)
        } else {
            let kind = any_kind(stream, topic);
            pick(stream, kind.verbs)
        };
        if !same(verb, old) {
            return verb;
        }
    }
}

/// Whether a phrase is a person, named or by job.
pub fn is_person(phrase: &Phrase) -> bool {
    match phrase.head {
        Head::Noun(noun) => TOPICS.iter().any(|topic| topic.jobs.contains(&noun)),
        Head::Person(_) | Head::Pronoun(_) => true,
    }
}
