//! SST-2, sentiment: opinions of good and bad mood, one in four of them negated.

use crate::text::synthetic::draws::Draws;

use super::example::TaskExample;
use crate::text::synthetic::lexicon::pick;
use crate::text::synthetic::scenes::{any_person, any_topic, worker};
use crate::text::synthetic::sentiment::{Mood, opinion};
use crate::text::synthetic::topics::Topic;

/// Share of opinions that use a negated word of the other mood.
const NEGATED: f64 = 0.25;

pub fn draw(stream: &mut Draws) -> TaskExample {
    let topic = any_topic(stream);
    let mood = if stream.chance(0.5) { Mood::Good } else { Mood::Bad };
    let mut text = one_opinion(stream, mood, topic);
    if stream.chance(0.15) {
        let more = one_opinion(stream, mood, topic);
        text = format!("{text}, and {more}");
    }
    TaskExample::single(text + ".", mood == Mood::Good)
}

fn one_opinion(stream: &mut Draws, mood: Mood, topic: &Topic) -> String {
    let who = match stream.below(4) {
        0 => any_person(stream, topic).name.to_string(),
        1 => worker(stream, topic).bare().text(),
        _ => pick(stream, &["i", "we", "everybody", "she", "he"]).to_string(),
    };
    let negated = stream.chance(NEGATED);
    opinion(stream, mood, topic, &who, negated)
}
