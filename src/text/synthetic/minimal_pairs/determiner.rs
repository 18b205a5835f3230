//! Determiner and noun agree in number: `this baker`, `these bakers`. No other word shows the number.

use crate::rng::Stream;

use super::{Contrast, Couple};
use crate::text::synthetic::grammar::{Event, Head, Phrase, Tense};
use crate::text::synthetic::lexicon::{Number, is_mass, pick};
use crate::text::synthetic::scenes::{any_topic, event, time_for, worker};

/// A determiner of singular nouns, and the one of plural nouns that is swapped with it.
const DETERMINERS: [(&str, &str); 4] =
    [("this", "these"), ("that", "those"), ("one", "two"), ("every", "many")];

/// `these | this bakers washed the pot`.
pub fn before_a_noun(stream: &mut Stream) -> Option<Couple> {
    couple(stream, false)
}

/// `these | this old bakers washed the pot`.
pub fn before_an_adjective(stream: &mut Stream) -> Option<Couple> {
    couple(stream, true)
}

fn couple(stream: &mut Stream, with_adjective: bool) -> Option<Couple> {
    let topic = any_topic(stream);
    let subject = worker(stream, topic);
    let event = event(stream, topic, subject);
    let tense = pick(stream, &[Tense::Past, Tense::Future]);
    let time = event.time.map(|_| time_for(stream, tense));
    let event = Event { tense, time, passive: false, ..event };
    let of_object = stream.chance(0.5);
    let phrase = if of_object { event.object.clone()? } else { event.subject.clone() };
    let Head::Noun(noun) = phrase.head else { return None };
    if is_mass(noun) || phrase.adjective.is_some() != with_adjective {
        return None;
    }
    let (singular, plural) = pick(stream, &DETERMINERS);
    let told = |number, determiner| {
        let phrase = Phrase { number, determiner, after: String::new(), ..phrase.clone() };
        match of_object {
            true => Event { object: Some(phrase), ..event.clone() }.words(),
            false => Event { subject: phrase, ..event.clone() }.words(),
        }
    };
    Some([
        Contrast::of(&told(Number::One, singular), &told(Number::One, plural))?,
        Contrast::of(&told(Number::Many, plural), &told(Number::Many, singular))?,
    ])
}
