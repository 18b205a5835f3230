//! Places of the language.

/// A place, with the preposition that goes with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// `in`, `at`, `on` or `by`.
    pub preposition: &'static str,
    /// The noun, used with `the`.
    pub noun: &'static str,
}

impl Place {
    /// `in the kitchen`.
    pub fn phrase(&self) -> String {
        format!("{} the {}", self.preposition, self.noun)
    }
}

/// A place of a table.
pub const fn at(preposition: &'static str, noun: &'static str) -> Place {
    Place { preposition, noun }
}
