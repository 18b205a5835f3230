//! MRPC, paraphrase: the second sentence describes the same event (label 1) or, in similar words, another
//! one (label 0).

use crate::text::synthetic::draws::Draws;

use super::change::{Slot, changed_any};
use super::example::TaskExample;
use crate::text::synthetic::grammar::{Event, sentence};
use crate::text::synthetic::scenes::{any_topic, anyone, social_event, thing_event};

/// Share of pairs with the same meaning.
const EQUIVALENT: f64 = 0.6;

/// The slots that are changed for label 0.
const SLOTS: [Slot; 4] = [Slot::Subject, Slot::Verb, Slot::Object, Slot::Place];

/// A pair of sentences that differ in their words, and its label.
pub fn draw(stream: &mut Draws) -> TaskExample {
    let topic = any_topic(stream);
    let equivalent = stream.chance(EQUIVALENT);
    loop {
        let subject = anyone(stream, topic);
        let social = stream.chance(0.25);
        let first =
            if social { social_event(stream, topic, subject) } else { thing_event(stream, topic, subject) };
        let other = if equivalent {
            first.clone()
        } else if social && stream.chance(0.5) {
            first.swapped()
        } else if stream.chance(0.15) {
            Event { negated: !first.negated, ..first.clone() }
        } else {
            let one = changed_any(stream, topic, &first, &SLOTS);
            if stream.chance(0.6) { changed_any(stream, topic, &one, &SLOTS) } else { one }
        };
        let again = other.paraphrase(stream);
        if again.words() != first.words() && (equivalent || other != first) {
            let label = f32::from(u8::from(equivalent));
            return TaskExample::pair(sentence(&first.words()), sentence(&again.words()), label);
        }
    }
}
