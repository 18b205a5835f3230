//! The built-in miniature language: documents, a vocabulary and evaluation tasks with no download.
//!
//! A seeded grammar writes English-like text about a small fixed world. It has what replaced-token detection
//! needs: several words fit every slot, and the rest of the text (agreement, the topic, what was said before,
//! what is true of the world) decides which. Numbers measured on it say how the machinery behaves, not how good
//! a model of English is; whatever shows them calls them synthetic.
//!
//! Where to look: [`world`] and [`facts`] for what is true, [`topics`], [`lexicon`] and [`sentiment`] for words,
//! [`scenes`] and [`grammar`] for events and their sentences, [`document`](self::document()) for how they are
//! told, [`tasks`] for the evaluation tasks. Must never: read anything, or draw from anything but
//! [`crate::rng`] streams keyed by the language's seed.

mod document;
mod facts;
mod grammar;
mod lexicon;
mod scenes;
mod sentiment;
mod statement;
pub mod tasks;
#[cfg(test)]
mod tests;
mod topics;
mod vocabulary;
mod world;

pub use document::document;
pub use tasks::{TaskSplit, squad_frame, task_frame};
pub use vocabulary::vocabulary;

/// One paragraph about the language, for reports and documentation.
pub fn about() -> &'static str {
    "The built-in language is synthetic: a seeded grammar writes short English-like documents about a small fixed \
     world of 28 people, 18 animals and some 70 kinds of things in seven topics. Verbs agree with their subjects across \
     distracting phrases, pronouns with the person in focus, times with tenses; a document keeps its topic and its \
     mood; facts about people, animals and things never contradict each other; events are retold with synonyms \
     and in the passive, asked about and answered. Its evaluation tasks have the schemas of GLUE and SQuAD 2.0. \
     Scores on it compare configurations with each other; they say nothing about real English."
}
