//! A minimal pair: two sentences that differ in one respect, of which one is right.

/// Two sentences of which a language model should find the good one more probable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinimalPair {
    /// What the two differ in, in one word: `principle_A_c_command`.
    pub paradigm: String,
    /// The group of the paradigm: `binding`.
    pub phenomenon: String,
    /// The sentence that is right.
    pub good: String,
    /// The sentence that is wrong.
    pub bad: String,
}
