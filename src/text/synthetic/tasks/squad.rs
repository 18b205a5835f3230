//! SQuAD 2.0: a context of facts and events, and a question about one of them, or a question that the context
//! does not answer.

use crate::text::synthetic::draws::Draws;

use super::change::{Slot, changed_any};
use crate::text::synthetic::facts::{Fact, OF_PEOPLE};
use crate::text::synthetic::lexicon::pick;
use crate::text::synthetic::scenes::{any_person, any_topic};
use crate::text::synthetic::statement::{Statement, told_event};
use crate::text::synthetic::topics::Topic;

/// Share of questions that the context does not answer.
const UNANSWERABLE: f64 = 1.0 / 3.0;

/// A question about a context.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadingExample {
    /// The topic.
    pub title: &'static str,
    /// Four to seven sentences.
    pub context: String,
    /// The question.
    pub question: String,
    /// The answer and where it starts, in characters of the context; `None` if there is no answer.
    pub answer: Option<(String, i32)>,
}

pub fn draw(stream: &mut Draws) -> ReadingExample {
    let topic = any_topic(stream);
    loop {
        let statements = draw_statements(stream, topic);
        let asked = stream.below(statements.len());
        let Some((context, sentence_start)) = write(stream, &statements, asked) else { continue };
        let Some(statement) = statements.get(asked) else { continue };
        if stream.chance(UNANSWERABLE) {
            let Some(question) = unanswerable(stream, topic, statement, &statements) else { continue };
            return ReadingExample { title: topic.name, context, question, answer: None };
        }
        let question = statement.question(stream);
        let found = context.get(sentence_start..).and_then(|rest| find_words(rest, &question.answer));
        if let Some(found) = found {
            let start = context.get(..sentence_start + found).map_or(0, |before| before.chars().count());
            let answer = Some((question.answer, start as i32));
            return ReadingExample { title: topic.name, context, question: question.text, answer };
        }
    }
}

/// Draws 4 to 7 statements, no two of which answer the same question.
fn draw_statements(stream: &mut Draws, topic: &'static Topic) -> Vec<Statement> {
    let n_statements = 4 + stream.below(4);
    let people = [any_person(stream, topic), any_person(stream, topic)];
    let mut statements: Vec<Statement> = Vec::with_capacity(n_statements);
    while statements.len() < n_statements {
        let statement = if stream.chance(0.6) {
            Statement::Fact(Fact::of_person(pick(stream, &people), pick(stream, &OF_PEOPLE)))
        } else {
            Statement::Event(told_event(stream, topic))
        };
        if !statements.iter().any(|other| other.competes_with(&statement)) {
            statements.push(statement);
        }
    }
    statements
}

/// Writes the context; also returns where, in bytes, the sentence of statement `asked` starts in it.
fn write(stream: &mut Draws, statements: &[Statement], asked: usize) -> Option<(String, usize)> {
    let mut context = String::new();
    let mut start = None;
    let mut named = None;
    for (index, statement) in statements.iter().enumerate() {
        if !context.is_empty() {
            context.push(' ');
        }
        if index == asked {
            start = Some(context.len());
        }
        // A pronoun refers to the person of the sentence before.
        let pronoun =
            matches!(statement, Statement::Fact(_)) && named.is_some() && statement.person() == named;
        context.push_str(&statement.text(stream, pronoun));
        context.push('.');
        named = statement.person();
    }
    start.map(|start| (context, start))
}

/// The byte where `words` occur in a text as whole words.
fn find_words(text: &str, words: &str) -> Option<usize> {
    let is_end = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    text.match_indices(words).map(|(at, _)| at).find(|&at| {
        let (before, after) = text.split_at(at);
        let next = after.get(words.len()..).and_then(|rest| rest.chars().next());
        is_end(before.chars().next_back()) && is_end(next)
    })
}

/// A question like those of the context, but one that it does not answer.
fn unanswerable(
    stream: &mut Draws,
    topic: &'static Topic,
    statement: &Statement,
    context: &[Statement],
) -> Option<String> {
    let other = match statement {
        Statement::Fact(_) => {
            let person = statement.person()?;
            Statement::Fact(Fact::of_person(person, pick(stream, &OF_PEOPLE)))
        }
        Statement::Event(event) => {
            Statement::Event(changed_any(stream, topic, event, &[Slot::Verb, Slot::Object]))
        }
    };
    let is_answered =
        context.iter().any(|one| one.competes_with(&other) && matches!(one, Statement::Fact(_)));
    (!is_answered).then(|| other.question(stream).text)
}
