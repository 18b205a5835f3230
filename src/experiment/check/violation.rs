//! What a check reports: the value that is wrong, the values that it disagrees with, and the remedy.

use crate::experiment::document::value_path::ValuePath;

/// A disagreement between values of a trial.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation {
    /// The path of the value that the message names.
    pub at: ValuePath,
    /// The paths of the values that it disagrees with.
    pub with: Vec<ValuePath>,
    /// What is wrong, to be read after `path = value: `.
    pub what: String,
    /// The remedy.
    pub hint: String,
}

impl Violation {
    /// The same violation by one entry of the list at its path.
    pub fn at_entry(self, index: usize) -> Self {
        Self { at: self.at.index(index), ..self }
    }
}

/// A violation by the value at `at`, which disagrees with the values at `with`.
pub(crate) fn violation(at: &str, with: &[&str], what: String, hint: impl Into<String>) -> Violation {
    let with = with.iter().map(|path| ValuePath::expand(path)).collect();
    Violation { at: ValuePath::expand(at), with, what, hint: hint.into() }
}
