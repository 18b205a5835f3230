//! How a document of the language came about: its sentences with every choice behind them.
//!
//! It gives the probability of other documents that agree with a part of this one, so that the best possible
//! prediction of hidden words can be estimated (`text/ceiling.rs`).

use super::document::write;
use super::draws::{Choice, Draws};
use crate::rng::{Purpose, Stream};

/// A document with its choices.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivation {
    /// Its sentences.
    pub lines: Vec<String>,
    /// Its choices, in the order in which they were made.
    pub choices: Vec<Choice>,
}

/// A document in which one choice was changed.
pub struct Changed {
    /// The document.
    pub derivation: Derivation,
    /// Whether it makes the same choices, with other outcomes; if not, some were drawn anew.
    pub has_same_choices: bool,
}

impl Derivation {
    /// Of document `index` of the language with this seed; its sentences are those of
    /// [`document`](super::document).
    pub fn of_document(seed: u64, index: u64) -> Self {
        Self::repeating(Vec::new(), Stream::new(seed, Purpose::Language, 0, index)).0
    }

    fn repeating(earlier: Vec<Choice>, stream: Stream) -> (Self, usize) {
        let (lines, draws) = write(Draws::repeating(earlier, stream));
        let (choices, n_repeated) = draws.into_choices();
        (Self { lines, choices }, n_repeated)
    }

    /// The document with another outcome of choice number `at`. All other choices stay where they are made
    /// again from the same distribution; `stream` draws those that are new.
    pub fn with(&self, at: usize, outcome: usize, stream: Stream) -> Changed {
        let mut choices = self.choices.clone();
        if let Some(choice) = choices.get_mut(at) {
            choice.outcome = outcome;
        }
        let (derivation, n_repeated) = Self::repeating(choices, stream);
        let n = derivation.choices.len();
        Changed { has_same_choices: n == self.choices.len() && n_repeated == n, derivation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::synthetic::document;

    #[test]
    fn a_derivation_tells_its_document() {
        for index in 0..200 {
            let derivation = Derivation::of_document(3, index);
            assert_eq!(derivation.lines, document(3, index));
            let first = derivation.choices[0];
            let same = derivation.with(0, first.outcome, Stream::new(9, Purpose::Test, 0, 0));
            assert!(same.has_same_choices);
            assert_eq!(same.derivation, derivation, "document {index} repeats itself");
        }
    }

    /// Changing the last line's choices leaves the other lines alone.
    #[test]
    fn a_change_is_local_where_it_can_be() {
        let mut n_changed = 0;
        for index in 0..50 {
            let derivation = Derivation::of_document(3, index);
            let last = derivation.choices.iter().map(Choice::line).max().unwrap();
            for (at, choice) in
                derivation.choices.iter().enumerate().filter(|(_, choice)| choice.line() == last)
            {
                for outcome in 0..choice.distribution.n_outcomes().min(8) {
                    let stream = Stream::new(9, Purpose::Test, 0, 0);
                    let changed = derivation.with(at, outcome, stream).derivation;
                    assert_eq!(changed.lines[..last], derivation.lines[..last]);
                    n_changed += usize::from(changed.lines != derivation.lines);
                }
            }
        }
        assert!(n_changed > 500, "{n_changed}");
    }
}
