//! A minimal pair: a good and a bad sentence that differ in one respect.

/// A good and a bad sentence. A scorer is right if it prefers the good one (Warstadt et al. 2020, BLiMP).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinimalPair {
    /// The rule that the bad sentence breaks, as the set names it.
    pub paradigm: String,
    /// The group of paradigms that is reported together.
    pub phenomenon: String,
    /// The sentence that follows the rule.
    pub good: String,
    /// The sentence that breaks it.
    pub bad: String,
}
