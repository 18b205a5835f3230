//! Tokenises the texts of an example to `[CLS]` A `[SEP]`, or `[CLS]` A `[SEP]` B `[SEP]`.

use rayon::prelude::*;

use super::glue::GlueExample;
use crate::error::Result;
use crate::text::Tokenizer;

/// A tokenised example.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedExample {
    /// Its number in the task's own numbering.
    pub idx: i64,
    /// Token ids with `[CLS]` and `[SEP]`.
    pub input_ids: Vec<u32>,
    /// Segment of each token.
    pub token_type_ids: Vec<u32>,
    /// Class index or score.
    pub label: f32,
    /// Whether tokens were dropped so that it fits.
    pub is_cut: bool,
}

/// Tokenises examples to at most `max_length` tokens each, in parallel and in order.
pub fn encode(
    examples: &[GlueExample],
    tokenizer: &Tokenizer,
    max_length: usize,
) -> Result<Vec<EncodedExample>> {
    examples.par_iter().map(|example| encode_one(example, tokenizer, max_length)).collect()
}

/// Exchanges the texts of pairs (google-research/electra, `double_unordered`); single texts are not changed.
pub fn swapped(examples: &[GlueExample]) -> Vec<GlueExample> {
    let swap = |example: &GlueExample| match &example.text_b {
        Some(second) => {
            GlueExample { text_a: second.clone(), text_b: Some(example.text_a.clone()), ..example.clone() }
        }
        None => example.clone(),
    };
    examples.iter().map(swap).collect()
}

fn encode_one(example: &GlueExample, tokenizer: &Tokenizer, max_length: usize) -> Result<EncodedExample> {
    let mut first = tokenizer.encode(&example.text_a)?;
    let mut second = match &example.text_b {
        Some(text) => tokenizer.encode(text)?,
        None => Vec::new(),
    };
    let n_special = if example.text_b.is_some() { 3 } else { 2 };
    let n_tokens = first.len() + second.len();
    truncate(&mut first, &mut second, max_length.saturating_sub(n_special));
    let is_cut = first.len() + second.len() < n_tokens;
    let special = tokenizer.special();
    let mut input_ids = vec![special.cls];
    input_ids.extend(first);
    input_ids.push(special.sep);
    let mut token_type_ids = vec![0; input_ids.len()];
    if example.text_b.is_some() {
        input_ids.extend(second);
        input_ids.push(special.sep);
        token_type_ids.resize(input_ids.len(), 1);
    }
    Ok(EncodedExample { idx: example.idx, input_ids, token_type_ids, label: example.label, is_cut })
}

/// Drops tokens from the end of the longer segment, or of B if both have the same length
/// (google-research/electra, `_truncate_seq_pair`).
fn truncate(first: &mut Vec<u32>, second: &mut Vec<u32>, max_length: usize) {
    while first.len() + second.len() > max_length {
        if first.len() > second.len() {
            first.pop()
        } else {
            second.pop()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_exchanged_and_keep_their_label() {
        let pair = GlueExample { idx: 3, text_a: "a".into(), text_b: Some("b".into()), label: 1.0 };
        let single = GlueExample { idx: 4, text_b: None, ..pair.clone() };
        let other = GlueExample { text_a: "b".into(), text_b: Some("a".into()), ..pair.clone() };
        assert_eq!(swapped(&[pair, single.clone()]), [other, single]);
    }

    #[test]
    fn examples_know_whether_they_were_cut() {
        let vocabulary = crate::text::synthetic::vocabulary();
        let tokenizer = Tokenizer::from_vocabulary(&vocabulary, "the language").unwrap();
        let text = || "anna has a dog.".to_string();
        let single = GlueExample { idx: 0, text_a: text(), text_b: None, label: 0.0 };
        let pair = GlueExample { text_b: Some(text()), ..single.clone() };
        // 5 tokens and 2 special ones; 10 and 3.
        for (example, length) in [(single, 7), (pair, 13)] {
            for (max_length, is_cut) in [(length, false), (length + 1, false), (length - 1, true)] {
                let encoded = encode(std::slice::from_ref(&example), &tokenizer, max_length).unwrap();
                assert_eq!(encoded[0].is_cut, is_cut, "{max_length}");
                assert_eq!(encoded[0].input_ids.len(), length.min(max_length));
            }
        }
    }

    #[test]
    fn the_longer_segment_loses_tokens_or_b_if_both_are_equal() {
        let lengths = |a: usize, b: usize, max_length: usize| {
            let (mut a, mut b) = (vec![1; a], vec![2; b]);
            truncate(&mut a, &mut b, max_length);
            (a.len(), b.len())
        };
        assert_eq!(lengths(5, 3, 8), (5, 3));
        assert_eq!(lengths(5, 3, 6), (3, 3));
        assert_eq!(lengths(5, 3, 5), (3, 2));
        assert_eq!(lengths(2, 9, 5), (2, 3));
        assert_eq!(lengths(9, 0, 5), (5, 0));
    }
}
