//! Sentences of every tense and voice, and questions.

use super::*;
use crate::text::synthetic::world::PEOPLE;

fn event(tense: Tense, negated: bool, passive: bool) -> Event {
    let mut subject = Phrase::noun("baker", Number::Many);
    subject.after = "near the mill".to_string();
    let object = Phrase { determiner: "a", adjective: Some("old"), ..Phrase::noun("axe", Number::One) };
    let time = Some(Time { text: "last night", first: true });
    let place = Some(&Place { preposition: "in", noun: "kitchen" });
    Event { subject, verb: "carry", object: Some(object), place, time, tense, negated, passive }
}

#[test]
fn every_tense_and_voice() {
    let tenses = [Tense::Present, Tense::Past, Tense::Perfect, Tense::Progressive, Tense::Future];
    let mut lines = Vec::new();
    for tense in tenses {
        for passive in [false, true] {
            let event = Event { place: None, time: None, ..event(tense, false, passive) };
            lines.push(event.text());
            lines.push(Event { negated: true, ..event }.text());
        }
    }
    insta::assert_snapshot!(lines.join("\n"), @"
    the bakers near the mill carry an old axe
    the bakers near the mill do not carry an old axe
    an old axe is carried by the bakers near the mill
    an old axe is not carried by the bakers near the mill
    the bakers near the mill carried an old axe
    the bakers near the mill did not carry an old axe
    an old axe was carried by the bakers near the mill
    an old axe was not carried by the bakers near the mill
    the bakers near the mill have carried an old axe
    the bakers near the mill have not carried an old axe
    an old axe has been carried by the bakers near the mill
    an old axe has not been carried by the bakers near the mill
    the bakers near the mill are carrying an old axe
    the bakers near the mill are not carrying an old axe
    an old axe is being carried by the bakers near the mill
    an old axe is not being carried by the bakers near the mill
    the bakers near the mill will carry an old axe
    the bakers near the mill will not carry an old axe
    an old axe will be carried by the bakers near the mill
    an old axe will not be carried by the bakers near the mill
    ");
}

#[test]
fn questions_have_their_answers() {
    let mut event = event(Tense::Past, false, false);
    event.subject = Phrase::person(&PEOPLE[0]);
    let ask = |asked| event.question(asked).map(|(question, answer)| format!("{question} {answer}"));
    let lines: Vec<String> =
        [Asked::Subject, Asked::Object, Asked::Place].into_iter().filter_map(ask).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    who carried an old axe in the kitchen? anna
    what did anna carry in the kitchen? an old axe
    where did anna carry an old axe? the kitchen
    ");
}
