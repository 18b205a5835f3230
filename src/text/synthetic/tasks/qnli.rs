//! QNLI: does the sentence answer the question (label 0) or not (label 1)?

use crate::text::synthetic::draws::Draws;

use super::change::{Slot, changed};
use super::example::TaskExample;
use crate::text::synthetic::facts::{Fact, OF_PEOPLE};
use crate::text::synthetic::lexicon::pick;
use crate::text::synthetic::scenes::any_topic;
use crate::text::synthetic::statement::{Statement, told_event};
use crate::text::synthetic::topics::Topic;
use crate::text::synthetic::world::PEOPLE;

/// Share of events that the sentence tells in other words than the question.
const REWORDED: f64 = 0.4;

pub fn draw(stream: &mut Draws) -> TaskExample {
    let topic = any_topic(stream);
    let asked = Statement::draw(stream, topic);
    let question = asked.question(stream).text;
    let answered = stream.chance(0.5);
    let statement = if answered { asked } else { distractor(stream, topic, &asked) };
    let text = match &statement {
        Statement::Event(event) if stream.chance(REWORDED) => event.paraphrase(stream).text(),
        statement => statement.text(stream, false),
    };
    TaskExample::pair(question, format!("{text}."), if answered { 0.0 } else { 1.0 })
}

/// Draws a statement that does not answer: the same relation of another person, another fact of the same
/// person, or any statement.
fn distractor(stream: &mut Draws, topic: &'static Topic, asked: &Statement) -> Statement {
    loop {
        let other = match (asked, stream.below(3)) {
            (Statement::Fact(fact), 0) => {
                let person = &PEOPLE[stream.below(PEOPLE.len())];
                if OF_PEOPLE.contains(&fact.relation) {
                    Statement::Fact(Fact::of_person(person, fact.relation))
                } else {
                    Statement::Fact(Fact::any_of_animals(stream))
                }
            }
            (Statement::Event(event), 0) => Statement::Event(changed(stream, topic, event, Slot::Verb)),
            (_, 1) => match asked.person() {
                Some(person) => Statement::Fact(Fact::of_person(person, pick(stream, &OF_PEOPLE))),
                None => Statement::Event(told_event(stream, topic)),
            },
            _ => Statement::draw(stream, topic),
        };
        if !other.competes_with(asked) {
            return other;
        }
    }
}
