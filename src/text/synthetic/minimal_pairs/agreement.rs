//! Subject and verb agree in number. The subject's determiner is `the`, so that only its noun tells the number.

use crate::rng::Stream;

use super::{Contrast, Couple};
use crate::text::synthetic::grammar::{Asked, Event, Head, Phrase, Tense};
use crate::text::synthetic::lexicon::{Number, is_mass, noun_in, pick, present};
use crate::text::synthetic::scenes::{
    FOODS, NEAR, any_kind, any_topic, event, thing_event, time_for, worker,
};

const NUMBERS: [Number; 2] = [Number::One, Number::Many];

/// `the …` in a number, with these words after the noun.
fn the(phrase: &Phrase, number: Number, after: String) -> Phrase {
    Phrase { number, determiner: "the", after, ..phrase.clone() }
}

/// The event with the verb of the right and of the wrong number; None if its verb shows no number.
fn contrast(event: &Event, number: Number) -> Option<Contrast> {
    Contrast::of(&event.words(), &event.words_agreeing(Some(number.flipped())))
}

/// A contrast for each number.
fn couple(contrast: impl Fn(Number) -> Option<Contrast>) -> Option<Couple> {
    let [one, many] = NUMBERS.map(contrast);
    Some([one?, many?])
}

/// `the bakers are | is washing the pot`, `the pot was | were washed by anna`.
pub fn plain(stream: &mut Stream) -> Option<Couple> {
    let topic = any_topic(stream);
    let agent = worker(stream, topic).bare();
    let event = event(stream, topic, agent);
    couple(|number| match &event.object {
        Some(object) if event.passive => {
            let Head::Noun(noun) = object.head else { return None };
            let object = (!is_mass(noun)).then(|| the(object, number, String::new()))?;
            contrast(&Event { object: Some(object), ..event.clone() }, number)
        }
        _ => {
            let subject = the(&event.subject, number, String::new());
            contrast(&Event { subject, ..event.clone() }, number)
        }
    })
}

/// `the baker near the mills sleeps | sleep`: the noun next to the verb has the other number.
pub fn across_a_distractor(stream: &mut Stream) -> Option<Couple> {
    let topic = any_topic(stream);
    let subject = worker(stream, topic).bare();
    let event = Event { time: None, passive: false, ..event(stream, topic, subject) };
    let kind = any_kind(stream, topic);
    let (near, noun) = (pick(stream, &NEAR), pick(stream, kind.nouns));
    if is_mass(noun) {
        return None;
    }
    couple(|number| {
        let after = format!("{near} the {}", noun_in(noun, number.flipped()));
        let subject = the(&event.subject, number, after);
        contrast(&Event { subject, ..event.clone() }, number)
    })
}

/// `the baker who likes | like soup washed the pot`: the main verb shows no number.
pub fn in_a_relative_clause(stream: &mut Stream) -> Option<Couple> {
    let topic = any_topic(stream);
    let subject = worker(stream, topic).bare();
    let event = event(stream, topic, subject);
    let tense = pick(stream, &[Tense::Past, Tense::Future]);
    let time = event.time.map(|_| time_for(stream, tense));
    let event = Event { tense, time, passive: false, ..event };
    let food = pick(stream, &FOODS);
    let told = |number, verb_number| {
        let after = format!("who {} {food}", present("like", verb_number));
        Event { subject: the(&event.subject, number, after), ..event.clone() }.words()
    };
    couple(|number| Contrast::of(&told(number, number), &told(number, number.flipped())))
}

/// `where does | do the baker wash the pot?`
pub fn in_a_question(stream: &mut Stream) -> Option<Couple> {
    let topic = any_topic(stream);
    let subject = worker(stream, topic).bare();
    let event = Event { negated: false, passive: false, ..thing_event(stream, topic, subject) };
    let asked = pick(stream, &[Asked::Object, Asked::Place]);
    let [one, many] = NUMBERS.map(|number| {
        let subject = the(&event.subject, number, String::new());
        let (question, _) = Event { subject, ..event.clone() }.question(asked)?;
        Some(question.split(' ').map(str::to_string).collect::<Vec<String>>())
    });
    let (one, many) = (one?, many?);
    // The auxiliary verb follows the question word.
    let with_auxiliary_of = |question: &[String], other: &[String]| {
        let mut words = question.to_vec();
        *words.get_mut(1)? = other.get(1)?.clone();
        (words != question).then(|| Contrast { good: question.join(" "), bad: words.join(" ") })
    };
    Some([with_auxiliary_of(&one, &many)?, with_auxiliary_of(&many, &one)?])
}
