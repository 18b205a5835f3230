//! The random choices of the grammar: drawn from a stream, or replayed from the record of another document.
//!
//! A record gives every choice an address: the line of the document, the place in the code, and how often the
//! place was reached in that line. So one choice of a document can be changed while the others stay
//! ([`super::derivation`]). Must never: draw other numbers when a record is kept than without one.

use std::panic::Location;

use crate::rng::{Purpose, Stream};

/// The distribution of a choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Each of n outcomes equally likely.
    Equal(usize),
    /// The first of n outcomes more often, as [`super::lexicon::pick`] draws them.
    FirstMoreOften(usize),
    /// Outcome 1 with this probability, otherwise 0.
    Chance(f64),
}

impl Distribution {
    /// Number of outcomes.
    pub fn n_outcomes(self) -> usize {
        match self {
            Self::Equal(n) | Self::FirstMoreOften(n) => n.max(1),
            Self::Chance(_) => 2,
        }
    }

    /// Probability of an outcome.
    pub fn probability(self, outcome: usize) -> f64 {
        match self {
            Self::Equal(n) => 1.0 / n.max(1) as f64,
            Self::FirstMoreOften(n) => {
                let root = |outcome: usize| (outcome as f64 / n as f64).sqrt();
                root(outcome + 1) - root(outcome)
            }
            Self::Chance(probability) if outcome == 1 => probability,
            Self::Chance(probability) => 1.0 - probability,
        }
    }

    /// Draws an outcome.
    pub fn draw(self, stream: &mut Stream) -> usize {
        match self {
            Self::Equal(n) => stream.below(n),
            Self::FirstMoreOften(n) => {
                let share = stream.uniform();
                ((share * share * n as f64) as usize).min(n.saturating_sub(1))
            }
            Self::Chance(probability) => usize::from(stream.chance(probability)),
        }
    }
}

/// Where a choice is made.
#[derive(Clone, Copy, Debug)]
struct Address {
    line: usize,
    place: &'static Location<'static>,
    nth: usize,
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        (self.line, self.nth) == (other.line, other.nth) && is_same_place(self.place, other.place)
    }
}

/// The same as equality, with the names of the files compared last: chains compare places very often.
fn is_same_place(one: &Location, other: &Location) -> bool {
    (one.line(), one.column()) == (other.line(), other.column()) && one.file() == other.file()
}

/// A choice that was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    address: Address,
    /// What it was drawn from.
    pub distribution: Distribution,
    /// What was drawn.
    pub outcome: usize,
}

impl Choice {
    /// The number of the line that was being written, 0 also for what is drawn before the first.
    pub fn line(&self) -> usize {
        self.address.line
    }
}

/// The choices of a document, as they are made.
#[derive(Clone, Debug, Default)]
struct Record {
    made: Vec<Choice>,
    line: usize,
    /// The choices to repeat.
    earlier: Vec<Choice>,
    /// The choice in `earlier` that is expected next.
    next: usize,
    n_repeated: usize,
}

impl Record {
    fn choose(&mut self, distribution: Distribution, place: &'static Location, stream: &mut Stream) -> usize {
        let before = self.made.iter().rev().take_while(|choice| choice.address.line == self.line);
        let nth = before.filter(|choice| is_same_place(choice.address.place, place)).count();
        let address = Address { line: self.line, place, nth };
        let is_same = |choice: &Choice| choice.address == address && choice.distribution == distribution;
        let expected = self.earlier.get(self.next).is_some_and(is_same).then_some(self.next);
        let outcome = match expected.or_else(|| self.earlier.iter().position(is_same)) {
            Some(at) => {
                self.next = at + 1;
                self.n_repeated += 1;
                self.earlier[at].outcome
            }
            None => distribution.draw(stream),
        };
        self.made.push(Choice { address, distribution, outcome });
        outcome
    }
}

/// Makes the choices of the grammar.
#[derive(Clone, Debug)]
pub struct Draws {
    stream: Stream,
    record: Option<Box<Record>>,
}

impl Draws {
    /// Draws from the stream at this address, without a record.
    pub fn new(seed: u64, purpose: Purpose, step: u64, index: u64) -> Self {
        Self { stream: Stream::new(seed, purpose, step, index), record: None }
    }

    /// Repeats the choices of a record where they have the same address and distribution, draws the others,
    /// and keeps a record.
    pub fn repeating(earlier: Vec<Choice>, stream: Stream) -> Self {
        Self { stream, record: Some(Box::new(Record { earlier, ..Record::default() })) }
    }

    /// The choices that were made, and how many of them were repeated.
    pub fn into_choices(self) -> (Vec<Choice>, usize) {
        self.record.map_or((Vec::new(), 0), |record| (record.made, record.n_repeated))
    }

    /// Says that line `line` of the document is written next.
    pub fn begin_line(&mut self, line: usize) {
        if let Some(record) = &mut self.record {
            record.line = line;
        }
    }

    fn choose_outcome(&mut self, distribution: Distribution, place: &'static Location) -> usize {
        match &mut self.record {
            Some(record) => record.choose(distribution, place, &mut self.stream),
            None => distribution.draw(&mut self.stream),
        }
    }

    /// One of the numbers below `bound`, all equally likely. A `bound` of 0 gives 0.
    #[track_caller]
    pub fn below(&mut self, bound: usize) -> usize {
        self.choose_outcome(Distribution::Equal(bound), Location::caller())
    }

    /// True with this probability.
    #[track_caller]
    pub fn chance(&mut self, probability: f64) -> bool {
        self.choose_outcome(Distribution::Chance(probability), Location::caller()) == 1
    }

    /// One of the numbers below `n`, the first ones more often.
    #[track_caller]
    pub fn first_more_often(&mut self, n: usize) -> usize {
        self.choose_outcome(Distribution::FirstMoreOften(n), Location::caller())
    }

    /// One of the items; None if there are none.
    #[track_caller]
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// Puts the items in a random order. Not recorded.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.stream.shuffle(items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_as_frequent_as_their_probabilities() {
        let mut stream = Stream::new(0, Purpose::Test, 0, 0);
        for distribution in [
            Distribution::Equal(7),
            Distribution::FirstMoreOften(5),
            Distribution::FirstMoreOften(1),
            Distribution::Chance(0.3),
        ] {
            let n = distribution.n_outcomes();
            let mut shares = vec![0.0; n];
            for _ in 0..20_000 {
                shares[distribution.draw(&mut stream)] += 1.0 / 20_000.0;
            }
            let expected: Vec<f64> = (0..n).map(|outcome| distribution.probability(outcome)).collect();
            assert!((expected.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (share, expected) in shares.iter().zip(expected) {
                assert!((share - expected).abs() < 0.015, "{distribution:?}: {share} {expected}");
            }
        }
    }
}
