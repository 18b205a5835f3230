//! Exact match and token F1 of a predicted answer, as the official SQuAD 2.0 script computes them.
//!
//! Next: `python_text.rs` defines words, `squad.rs` scores a data set.

use std::collections::BTreeMap;

use super::python_text::{is_space, is_word};

const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// Normalises an answer: lower case, no ASCII punctuation, no articles, one space between words. Quotes and
/// dashes beyond ASCII are kept. Punctuation is removed first, so `a.` is an article and `the-cat` is not.
pub fn normalize_answer(text: &str) -> String {
    let bare: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let without_articles = drop_articles(&bare);
    let words: Vec<&str> = without_articles.split(is_space).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Replaces every article that is a whole word by a space.
fn drop_articles(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = split_where(rest, |c| !is_word(c));
        kept.push_str(if ARTICLES.contains(&word) { " " } else { word });
        let (between, after) = split_where(after, is_word);
        kept.push_str(between);
        rest = after;
    }
    kept
}

/// Splits before the first character that matches.
fn split_where(text: &str, matches: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(matches).unwrap_or(text.len()))
}

/// Whether two answers are equal after normalisation.
pub fn exact_match(gold: &str, prediction: &str) -> bool {
    normalize_answer(gold) == normalize_answer(prediction)
}

/// F1 of the words of the prediction: precision and recall count the words that both have, repeated words as
/// often as both have them. If either has no words, the result is 1 if both have none, and 0 otherwise.
pub fn token_f1(gold: &str, prediction: &str) -> f64 {
    let (gold, prediction) = (normalize_answer(gold), normalize_answer(prediction));
    if gold.is_empty() || prediction.is_empty() {
        return f64::from(u8::from(gold == prediction));
    }
    let mut unmatched: BTreeMap<&str, usize> = BTreeMap::new();
    for word in gold.split(' ') {
        *unmatched.entry(word).or_default() += 1;
    }
    let mut n_same = 0;
    for word in prediction.split(' ') {
        if let Some(n) = unmatched.get_mut(word).filter(|n| **n > 0) {
            *n -= 1;
            n_same += 1;
        }
    }
    if n_same == 0 {
        return 0.0;
    }
    // In the script's order of operations, because the best threshold depends on the last bit of these sums.
    let share = |text: &str| f64::from(n_same) / text.split(' ').count() as f64;
    let (precision, recall) = (share(&prediction), share(&gold));
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_are_removed_only_as_whole_words() {
        assert_eq!(normalize_answer("The cat, an  A-list  theatre, a.\n"), "cat alist theatre");
        assert_eq!(normalize_answer("“The” a\u{301}"), "“ ” \u{301}");
        assert_eq!(normalize_answer("the"), "");
    }

    #[test]
    fn repeated_words_count_as_often_as_both_have_them() {
        assert_eq!(token_f1("b b c", "b b b"), 2.0 / 3.0);
        assert_eq!(token_f1("the", ""), 1.0);
        assert_eq!(token_f1("cat", "the"), 0.0);
        assert_eq!(token_f1("cat", "dog"), 0.0);
        assert!(exact_match("The cat.", "cat") && !exact_match("cat", ""));
    }
}
