//! Pronouns have the gender and the number of the person that they refer to.

use crate::rng::Stream;

use super::{Contrast, Couple};
use crate::text::synthetic::facts::{Fact, Relation};
use crate::text::synthetic::lexicon::{Number, REFLEXIVE_VERBS, article, past, pick};
use crate::text::synthetic::scenes::{any_topic, worker};
use crate::text::synthetic::topics::Topic;
use crate::text::synthetic::world::{Gender, PEOPLE, Person};

/// Draws a person of this gender.
fn person(stream: &mut Stream, gender: Gender) -> &'static Person {
    let of_gender: Vec<&'static Person> = PEOPLE.iter().filter(|person| person.gender == gender).collect();
    of_gender[stream.below(of_gender.len())]
}

fn place(stream: &mut Stream, topic: &Topic) -> String {
    topic.places[stream.below(topic.places.len())].phrase()
}

/// `anna hurt herself | himself at the inn`.
pub fn reflexive_gender(stream: &mut Stream) -> Option<Couple> {
    let topic = any_topic(stream);
    let (verb, place) = (past(pick(stream, &REFLEXIVE_VERBS)), place(stream, topic));
    let mut contrast = |gender: Gender| {
        let name = person(stream, gender).name;
        let told = |gender: Gender| format!("{name} {verb} {} {place}", gender.reflexive());
        Contrast::of_text(&told(gender), &told(gender.flipped()))
    };
    Some([contrast(Gender::Female)?, contrast(Gender::Male)?])
}

/// `anna hurt herself | themselves at the inn`, `the bakers hurt themselves | herself at the inn`.
pub fn reflexive_number(stream: &mut Stream) -> Option<Couple> {
    let topic = any_topic(stream);
    let (verb, place) = (past(pick(stream, &REFLEXIVE_VERBS)), place(stream, topic));
    let gender = pick(stream, &[Gender::Female, Gender::Male]);
    let one = person(stream, gender);
    let mut many = worker(stream, topic).bare();
    (many.determiner, many.number) = ("the", Number::Many);
    let contrast = |subject: &str, right: &str, wrong: &str| {
        let told = |reflexive: &str| format!("{subject} {verb} {reflexive} {place}");
        Contrast::of_text(&told(right), &told(wrong))
    };
    let (singular, plural) = (gender.reflexive(), "themselves");
    Some([contrast(one.name, singular, plural)?, contrast(&many.text(), plural, singular)?])
}

/// `anna has a dog, so she | he has an animal`, `anna works as a baker, and her | his home is in the village`.
pub fn pronoun_gender(stream: &mut Stream) -> Option<Couple> {
    let (woman, man) = (person(stream, Gender::Female), person(stream, Gender::Male));
    let frame = stream.below(3);
    let draws = stream.clone();
    let contrast = |person: &'static Person| {
        let told = |gender| told(frame, person, gender, &mut draws.clone());
        Contrast::of_text(&told(person.gender), &told(person.gender.flipped()))
    };
    Some([contrast(woman)?, contrast(man)?])
}

/// Facts of a person, who is named first and then referred to by a pronoun of this gender.
fn told(frame: usize, person: &'static Person, gender: Gender, stream: &mut Stream) -> String {
    let name = person.name;
    match frame {
        0 => {
            let job = Fact::of_person(person, Relation::Job).statement(stream, false);
            let home = Fact::of_person(person, Relation::Home).statement(stream, true);
            let pronoun = if home.starts_with(person.gender.subject()) {
                gender.subject()
            } else {
                gender.possessive()
            };
            let rest = home.split_once(' ').map_or("", |(_, rest)| rest);
            format!("{job}, and {pronoun} {rest}")
        }
        1 => {
            let pet = person.pet.0;
            format!("{name} has {} {pet}, so {} has an animal", article(pet), gender.subject())
        }
        _ => {
            let (item, colour) = person.item;
            format!("{name} has painted {} {item} {colour}", gender.possessive())
        }
    }
}
