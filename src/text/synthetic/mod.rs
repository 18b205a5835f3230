//! The built-in miniature language: documents, a vocabulary and evaluation tasks with no download.
//!
//! A seeded grammar writes English-like text about a small fixed world. It suits replaced-token detection:
//! several words fit every position, and the rest of the text (agreement, the topic, earlier sentences, facts
//! of the world) decides which one. Numbers measured on it show that the program works, not how well a model
//! knows English, so reports mark them as synthetic.
//!
//! Where to look: `world` and `facts` for the facts, `topics`, `lexicon` and `sentiment` for words, `scenes`
//! and `grammar` for events and their sentences, `document` for documents, `tasks` for the evaluation tasks,
//! `minimal_pairs` for pairs of a good and a bad sentence. Must never: read a file, or draw from anything but
//! [`crate::rng`] streams of the language's seed.

mod derivation;
mod document;
mod draws;
mod facts;
mod grammar;
mod lexicon;
mod minimal_pairs;
mod place;
mod scenes;
mod sentiment;
mod statement;
mod tasks;
#[cfg(test)]
mod tests;
mod topics;
mod vocabulary;
mod world;

pub use derivation::Derivation;
pub use document::document;
pub use draws::Choice;
pub use minimal_pairs::minimal_pairs;
pub use tasks::{TaskSplit, squad_frame, task_frame};
pub use vocabulary::vocabulary;
