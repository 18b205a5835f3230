//! "Did you mean": the nearest of the words that would have been right.
//!
//! Must never: guess wildly. A far word gets no suggestion, because a wrong one misleads.

/// The candidate that is at most a third of its letters away from `word`, the nearest first.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = normal(word);
    let limit = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &normal(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letter case and `-` for `_` are never the difference that matters.
fn normal(word: &str) -> Vec<char> {
    word.chars().flat_map(char::to_lowercase).map(|letter| if letter == '-' { '_' } else { letter }).collect()
}

/// Letters to insert, delete, change or swap with their neighbour (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let cost = usize::from(a != b);
            let mut best = (last[j] + cost).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        let words = ["steps", "batch", "seq_len", "learning_rate", "warmup"];
        assert_eq!(nearest("warmpu", words), Some("warmup"));
        assert_eq!(nearest("Learning-Rate", words), Some("learning_rate"));
        assert_eq!(nearest("step", words), Some("steps"));
        assert_eq!(nearest("seqlen", words), Some("seq_len"));
        assert_eq!(nearest("dropout", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest("x", ["a"]), None);
    }

    #[test]
    fn distances() {
        let of = |a: &str, b: &str| distance(&normal(a), &normal(b));
        assert_eq!(of("", "abc"), 3);
        assert_eq!(of("kitten", "sitting"), 3);
        assert_eq!(of("ab", "ba"), 1);
    }
}
