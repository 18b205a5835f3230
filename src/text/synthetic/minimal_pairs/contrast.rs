//! A good and a bad sentence, and the couple of two of them.

use crate::text::synthetic::grammar::sentence;

/// Most words of a sentence, as in the documents.
pub const MAX_WORDS: usize = 16;

/// A good and a bad sentence.
pub struct Contrast {
    /// Follows the rule.
    pub good: String,
    /// Breaks it.
    pub bad: String,
}

impl Contrast {
    /// Of words without the period; None if the two are equal or too long.
    pub fn of(good: &[String], bad: &[String]) -> Option<Self> {
        (good != bad && good.len().max(bad.len()) <= MAX_WORDS)
            .then(|| Self { good: sentence(good), bad: sentence(bad) })
    }

    /// Of two sentences without the period; None if they are equal or too long.
    pub fn of_text(good: &str, bad: &str) -> Option<Self> {
        let words = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
        Self::of(&words(good), &words(bad))
    }
}

/// Two contrasts with the same swapped words, once in each direction.
pub type Couple = [Contrast; 2];
