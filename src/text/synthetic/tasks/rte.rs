//! RTE, entailment: does the second sentence follow from the first (label 0) or not (label 1)?
//!
//! These follow: the event without its modifiers, in other words, or with the kind of a thing instead of the
//! thing; and each of two facts. These do not: a changed part, a negation, subject and object exchanged, a
//! false fact.

use crate::text::synthetic::draws::Draws;

use super::change::{Slot, changed_any};
use super::example::TaskExample;
use crate::text::synthetic::facts::{Fact, OF_PEOPLE};
use crate::text::synthetic::grammar::{Event, Head, Phrase, sentence};
use crate::text::synthetic::lexicon::Number;
use crate::text::synthetic::scenes::{any_topic, anyone, social_event, thing_event};
use crate::text::synthetic::topics::{Topic, kind_of};
use crate::text::synthetic::world::PEOPLE;

pub fn draw(stream: &mut Draws) -> TaskExample {
    let entailed = stream.chance(0.5);
    if stream.chance(0.4) { facts(stream, entailed) } else { events(stream, entailed) }
}

fn pair(premise: String, hypothesis: String, entailed: bool) -> TaskExample {
    TaskExample::pair(premise, hypothesis, if entailed { 0.0 } else { 1.0 })
}

/// `anna works as a baker, and she lives in the village` → `anna's home is in the village`.
fn facts(stream: &mut Draws, entailed: bool) -> TaskExample {
    let person = &PEOPLE[stream.below(PEOPLE.len())];
    let mut relations = OF_PEOPLE;
    stream.shuffle(&mut relations);
    let [first, second, ..] = relations.map(|relation| Fact::of_person(person, relation));
    let premise = format!("{}, and {}.", first.statement(stream, false), second.statement(stream, true));
    let fact = if stream.chance(0.5) { first } else { second };
    let claim = if entailed { fact } else { fact.falsified(stream) };
    pair(premise, claim.statement(stream, false) + ".", entailed)
}

fn events(stream: &mut Draws, entailed: bool) -> TaskExample {
    let topic = any_topic(stream);
    loop {
        let subject = anyone(stream, topic);
        let social = stream.chance(0.25);
        let premise =
            if social { social_event(stream, topic, subject) } else { thing_event(stream, topic, subject) };
        // With `not` or `every`, leaving out a modifier would not give a sentence that follows.
        let premise = Event {
            subject: referring(premise.subject),
            object: premise.object.map(referring),
            negated: false,
            ..premise
        };
        let core = premise.core();
        let claim =
            if entailed { follows(stream, &core) } else { does_not_follow(stream, topic, &core, social) };
        if claim.words() != premise.words() {
            return pair(sentence(&premise.words()), sentence(&claim.words()), entailed);
        }
    }
}

/// The phrase with a determiner that refers to a certain person or thing.
fn referring(phrase: Phrase) -> Phrase {
    match phrase.determiner {
        "every" | "many" => Phrase { determiner: "the", ..phrase },
        _ => phrase,
    }
}

fn follows(stream: &mut Draws, core: &Event) -> Event {
    if stream.chance(0.3)
        && let Some(object) = core.object.as_ref().and_then(kind_phrase)
    {
        return Event { object: Some(object), ..core.clone() };
    }
    core.paraphrase(stream)
}

/// The kind of a thing: `a vessel` for a pot. None for plurals and for kinds that are mass nouns.
fn kind_phrase(object: &Phrase) -> Option<Phrase> {
    let Head::Noun(noun) = object.head else { return None };
    let kind = kind_of(noun)?;
    let counted = !["food", "furniture"].contains(&kind.name);
    (counted && object.number == Number::One)
        .then(|| Phrase { determiner: "a", ..Phrase::noun(kind.name, Number::One) })
}

fn does_not_follow(stream: &mut Draws, topic: &'static Topic, core: &Event, social: bool) -> Event {
    let other = match stream.below(10) {
        0 | 1 => Event { negated: true, ..core.clone() },
        2..=4 if social => core.swapped(),
        _ => changed_any(stream, topic, core, &[Slot::Subject, Slot::Verb, Slot::Object]),
    };
    other.core().paraphrase(stream)
}
