//! Statements that can be asked about: a fact of the world or an event.

use super::draws::Draws;

use super::facts::{Fact, Relation, Subject};
use super::grammar::{Asked, Event, Head};
use super::lexicon::pick;
use super::scenes::{anyone, thing_event};
use super::topics::Topic;
use super::world::Person;

/// A fact or an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A fact of the world.
    Fact(Fact),
    /// An event; active and not negated.
    Event(Event),
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionAndAnswer {
    /// The question, with its question mark.
    pub text: String,
    /// The answer in the words of the statement's sentence.
    pub answer: String,
}

impl Statement {
    /// Draws a fact of the world (six in ten) or an event of the topic.
    pub fn draw(stream: &mut Draws, topic: &'static Topic) -> Self {
        match stream.below(10) {
            0..=4 => Self::Fact(Fact::any_of_people(stream)),
            5 if stream.chance(0.5) => Self::Fact(Fact::any_of_animals(stream)),
            5 => Self::Fact(Fact::any_of_things(stream, topic)),
            _ => Self::Event(told_event(stream, topic)),
        }
    }

    /// The sentence without the period; with `pronoun`, a fact names its person by a pronoun.
    pub fn text(&self, stream: &mut Draws, pronoun: bool) -> String {
        match self {
            Self::Fact(fact) => fact.statement(stream, pronoun),
            Self::Event(event) => event.text(),
        }
    }

    /// A question that the sentence answers.
    pub fn question(&self, stream: &mut Draws) -> QuestionAndAnswer {
        match self {
            Self::Fact(fact) => {
                QuestionAndAnswer { text: fact.question(stream), answer: fact.value.to_string() }
            }
            Self::Event(event) => {
                let asked = pick(stream, &[Asked::Subject, Asked::Object, Asked::Place]);
                let asked = event.question(asked).or_else(|| event.question(Asked::Subject));
                asked.map_or_else(
                    || QuestionAndAnswer { text: "what happened?".to_string(), answer: event.text() },
                    |(text, answer)| QuestionAndAnswer { text, answer },
                )
            }
        }
    }

    /// The named person of the statement, if there is one.
    pub fn person(&self) -> Option<&'static Person> {
        match self {
            Self::Fact(Fact { subject: Subject::Person(person), .. }) => Some(person),
            Self::Event(Event { subject, .. }) => match subject.head {
                Head::Person(person) => Some(person),
                _ => None,
            },
            Self::Fact(_) => None,
        }
    }

    /// Whether two statements could answer the same question.
    pub fn competes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fact(one), Self::Fact(two)) => one.subject == two.subject && about_same(one, two),
            (Self::Event(one), Self::Event(two)) => one.verb == two.verb,
            _ => false,
        }
    }
}

/// Whether two facts are about the same thing: a pet and its colour count as one, an owned thing and its
/// colour too.
fn about_same(one: &Fact, two: &Fact) -> bool {
    let group = |relation| match relation {
        Relation::Item | Relation::ItemColour => Relation::Item,
        Relation::Pet | Relation::PetColour => Relation::Pet,
        other => other,
    };
    group(one.relation) == group(two.relation)
}

/// Draws an active event that is not negated, so that it can be asked about.
pub fn told_event(stream: &mut Draws, topic: &'static Topic) -> Event {
    let subject = anyone(stream, topic);
    Event { negated: false, passive: false, ..thing_event(stream, topic, subject) }
}
