//! Verbs select the kind of their object, and people act on things.

use crate::rng::Stream;

use super::{Contrast, Couple};
use crate::text::synthetic::grammar::{Event, Phrase};
use crate::text::synthetic::lexicon::{Number, is_mass, pick};
use crate::text::synthetic::scenes::{any_topic, anyone, thing_event};
use crate::text::synthetic::topics::Kind;

/// `anna ate the soup | plate`, `anna dried the plate | soup`: both kinds belong to the topic.
pub fn verb_and_object(stream: &mut Stream) -> Option<Couple> {
    let topic = any_topic(stream);
    let [one, other] = &topic.kinds;
    let subject = anyone(stream, topic);
    let event = thing_event(stream, topic, subject);
    let number = pick(stream, &[Number::One, Number::Many]);
    let mut draw = |kind: &Kind, other: &Kind| {
        let only: Vec<&'static str> =
            kind.verbs.iter().copied().filter(|verb| !other.verbs.contains(verb)).collect();
        (pick(stream, &only), pick(stream, kind.nouns))
    };
    let ((verb, noun), (other_verb, other_noun)) = (draw(one, other), draw(other, one));
    let number = if is_mass(noun) || is_mass(other_noun) { Number::One } else { number };
    let told = |verb, noun| {
        let object = Some(Phrase::noun(noun, number));
        Event { verb, object, ..event.clone() }.words()
    };
    Some([
        Contrast::of(&told(verb, noun), &told(verb, other_noun))?,
        Contrast::of(&told(other_verb, other_noun), &told(other_verb, noun))?,
    ])
}

/// `anna washed the pot | the pot washed anna`, and in the passive voice. Both sentences have the same words;
/// in the first the person comes first in the good sentence, in the second in the bad one. Animals are left
/// out, since they can act too.
pub fn agent_and_patient(stream: &mut Stream) -> Option<Couple> {
    let topic = any_topic(stream);
    let mut subject = anyone(stream, topic).bare();
    let event = thing_event(stream, topic, subject.clone());
    let mut object = event.object.clone()?;
    let of_animals = topic.kinds.iter().any(|kind| kind.name == "animal" && kind.verbs.contains(&event.verb));
    if of_animals {
        return None;
    }
    object.determiner = "the";
    if subject.determiner.is_empty() {
        (subject.number, object.number) = (Number::One, Number::One);
    } else {
        (subject.number, subject.determiner) = (object.number, "the");
    }
    let [active, passive] = [false, true].map(|passive| {
        let event =
            Event { subject: subject.clone(), object: Some(object.clone()), passive, ..event.clone() };
        Contrast::of(&event.words(), &event.swapped().words())
    });
    Some([active?, passive?])
}
