//! STS-B, similarity: the second sentence changes some parts of the first event; the score is the weight of
//! the others.

use crate::text::synthetic::draws::Draws;

use super::change::{Slot, changed};
use super::example::TaskExample;
use crate::text::synthetic::grammar::sentence;
use crate::text::synthetic::scenes::{any_topic, anyone, thing_event, time_for};

/// The weight of each part of an event; the sum is 5.
const WEIGHTS: [(Slot, f32); 5] =
    [(Slot::Subject, 1.25), (Slot::Verb, 1.0), (Slot::Object, 1.5), (Slot::Place, 0.75), (Slot::Time, 0.5)];

pub fn draw(stream: &mut Draws) -> TaskExample {
    let topic = any_topic(stream);
    let subject = anyone(stream, topic);
    let mut first = thing_event(stream, topic, subject);
    first.negated = false;
    first.place = topic.places.get(stream.below(topic.places.len()));
    first.time = Some(time_for(stream, first.tense));
    let mut slots = WEIGHTS;
    stream.shuffle(&mut slots);
    let n_changed = stream.below(slots.len() + 1);
    let mut score = 5.0;
    let mut other = first.clone();
    for (slot, weight) in slots.into_iter().take(n_changed) {
        other = changed(stream, topic, &other, slot);
        score -= weight;
    }
    let other = other.paraphrase(stream);
    TaskExample::pair(sentence(&first.words()), sentence(&other.words()), score)
}
