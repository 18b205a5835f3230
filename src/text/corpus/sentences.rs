//! Splits paragraphs into sentences: by Unicode's rules (UAX #29), with rules for English abbreviations.
//!
//! Unicode ends a sentence after `.`, `?` or `!` with closing quotes and brackets and a space, but not where
//! a small letter or a digit goes on after a full stop. It knows no abbreviations. Here a sentence also goes
//! on
//!
//! - before a small letter, whatever the mark (`"Why?" he asked.`),
//! - after a title (`Dr. Smith`), an initial (`J. R. Smith`) and letters with full stops inside (`the U.S.
//!   Army`),
//! - after the abbreviations that come before a number, if one comes (`No. 5`, `Jan. 3`).
//!
//! Where it errs, two sentences mostly stay one; no text is lost or moved. Must never: change a character.
//! Next: `documents.rs`.

use unicode_segmentation::UnicodeSegmentation;

/// Abbreviations that are not the end of a sentence, without their full stop and in small letters.
const WITHIN_SENTENCES: [&str; 34] = [
    "adm", "approx", "bros", "ca", "capt", "cf", "cmdr", "col", "cpl", "dr", "ft", "gen", "gov", "hon", "lt",
    "maj", "messrs", "mlle", "mme", "mr", "mrs", "ms", "mt", "pres", "prof", "rep", "rev", "rt", "sen",
    "sgt", "st", "ste", "viz", "vs",
];

/// The same before a number.
const BEFORE_NUMBERS: [&str; 24] = [
    "apr", "art", "aug", "ch", "dec", "eq", "feb", "fig", "figs", "jan", "jul", "jun", "mar", "no", "nos",
    "nov", "oct", "op", "p", "pp", "sec", "sep", "sept", "vol",
];

/// The sentences of a line, in order and without spaces around them; none of them is empty.
pub fn sentences(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, part) in line.split_sentence_bound_indices() {
        let end = at + part.len();
        let (before, after) = (line.get(start..end).unwrap_or_default(), line.get(end..).unwrap_or_default());
        if after.is_empty() || is_end(before, after) {
            found.extend(Some(before.trim()).filter(|sentence| !sentence.is_empty()));
            start = end;
        }
    }
    found
}

/// Whether a sentence ends between two parts of a line, where Unicode ends one.
fn is_end(before: &str, after: &str) -> bool {
    let next = after.trim_start().chars().next();
    if next.is_some_and(char::is_lowercase) {
        return false;
    }
    let last = before.split_whitespace().next_back().unwrap_or_default();
    let is_open = |letter: char| !letter.is_alphanumeric() && letter != '.';
    let Some(word) = last.trim_start_matches(is_open).strip_suffix('.') else { return true };
    let lower = word.to_lowercase();
    let is_initial = word.chars().all(char::is_uppercase) && word.chars().count() == 1;
    let has_stops_inside =
        word.contains('.') && word.chars().all(|letter| letter.is_alphabetic() || letter == '.');
    let is_before_number = next.is_some_and(|next| next.is_ascii_digit() || next == '#');
    !(is_initial
        || has_stops_inside
        || WITHIN_SENTENCES.contains(&lower.as_str())
        || (is_before_number && BEFORE_NUMBERS.contains(&lower.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sentences_end_where_a_reader_ends_them() {
        let text = "Dr. J. R. Smith went to the U.S. Army in Jan. 1943. He said: \"Why?\" and left. \
                    It cost $3.50 (No. 5 on p. 12.) Was it e.g. a boat vs. a ship? Yes! \"So be it.\" The end";
        insta::assert_snapshot!(sentences(text).join("\n"), @r#"
        Dr. J. R. Smith went to the U.S. Army in Jan. 1943.
        He said: "Why?" and left.
        It cost $3.50 (No. 5 on p. 12.)
        Was it e.g. a boat vs. a ship?
        Yes!
        "So be it."
        The end
        "#);
    }

    #[test]
    fn lines_without_marks_are_one_sentence() {
        assert_eq!(sentences("no mark at all"), ["no mark at all"]);
        assert_eq!(sentences("a.b.c"), ["a.b.c"]);
        assert!(sentences("").is_empty() && sentences("   ").is_empty());
        assert_eq!(sentences("Ends. "), ["Ends."]);
        assert_eq!(sentences("It is vitamin no. Then it is not."), ["It is vitamin no.", "Then it is not."]);
    }

    fn without_spaces(text: &str) -> String {
        text.chars().filter(|letter| !letter.is_whitespace()).collect()
    }

    proptest! {
        /// Every character but spaces is in exactly one sentence, in its order.
        #[test]
        fn no_text_is_lost_or_moved(line in "([a-cA-C]{1,3}|Dr|U\\.S|No|5|é|中|。|[.?!…\"')( ]|\u{a0}|\u{2028}){0,40}") {
            let found = sentences(&line);
            prop_assert_eq!(without_spaces(&found.concat()), without_spaces(&line));
            prop_assert!(found.iter().all(|sentence| !sentence.is_empty() && sentence.trim() == *sentence));
        }

        #[test]
        fn any_text_is_kept(line in "\\PC{0,60}") {
            prop_assert_eq!(without_spaces(&sentences(&line).concat()), without_spaces(&line));
        }
    }
}
