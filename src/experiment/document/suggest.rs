//! "Did you mean": the nearest of the words that would have been right.
//!
//! Must never: guess wildly. A distant word gets no suggestion, because a wrong one misleads.

use strsim::osa_distance;

/// The nearest candidate, if at most a third of the letters of `word` must change (be inserted, deleted,
/// replaced or swapped with a neighbour) to make it.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = normal(word);
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(&word, &normal(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Ignores letter case, and `-` in place of `_`.
fn normal(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_get_a_suggestion_and_other_words_do_not() {
        let words = ["steps", "batch", "seq_len", "learning_rate", "warmup"];
        assert_eq!(nearest("warmpu", words), Some("warmup"));
        assert_eq!(nearest("Learning-Rate", words), Some("learning_rate"));
        assert_eq!(nearest("step", words), Some("steps"));
        assert_eq!(nearest("seqlen", words), Some("seq_len"));
        assert_eq!(nearest("bathc", words), Some("batch"), "two swapped letters are one change");
        assert_eq!(nearest("läarning_rate", words), Some("learning_rate"), "letters count, not bytes");
        assert_eq!(nearest("dropout", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest("x", ["a"]), None);
    }
}
