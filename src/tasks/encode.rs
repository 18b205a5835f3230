//! From an example's texts to the tokens that a model reads: [CLS] A [SEP], or [CLS] A [SEP] B [SEP].

use rayon::prelude::*;

use super::glue::Example;
use crate::error::Result;
use crate::text::Tokenizer;

/// A tokenised example.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// Its number in the task's own count.
    pub idx: i64,
    /// Token ids with [CLS] and [SEP].
    pub ids: Vec<u32>,
    /// Segment of each token.
    pub types: Vec<u32>,
    /// Class index or score.
    pub label: f32,
}

/// Tokenises examples to at most `longest` tokens each, in parallel and in order.
pub fn encode(examples: &[Example], tokenizer: &Tokenizer, longest: usize) -> Result<Vec<Encoded>> {
    examples.par_iter().map(|example| one(example, tokenizer, longest)).collect()
}

/// The pairs in the other order (google-research/electra, `double_unordered`); single texts as they are.
pub fn swapped(examples: &[Example]) -> Vec<Example> {
    let swap = |example: &Example| match &example.text_b {
        Some(second) => {
            Example { text_a: second.clone(), text_b: Some(example.text_a.clone()), ..example.clone() }
        }
        None => example.clone(),
    };
    examples.iter().map(swap).collect()
}

fn one(example: &Example, tokenizer: &Tokenizer, longest: usize) -> Result<Encoded> {
    let mut first = tokenizer.encode(&example.text_a)?;
    let mut second = match &example.text_b {
        Some(text) => tokenizer.encode(text)?,
        None => Vec::new(),
    };
    let special = if example.text_b.is_some() { 3 } else { 2 };
    truncate(&mut first, &mut second, longest.saturating_sub(special));
    let ends = tokenizer.special();
    let mut ids = vec![ends.cls];
    ids.extend(first);
    ids.push(ends.sep);
    let mut types = vec![0; ids.len()];
    if example.text_b.is_some() {
        ids.extend(second);
        ids.push(ends.sep);
        types.resize(ids.len(), 1);
    }
    Ok(Encoded { idx: example.idx, ids, types, label: example.label })
}

/// Drops tokens from the end of the longer segment, of B where both are as long (google-research/electra,
/// `_truncate_seq_pair`).
fn truncate(first: &mut Vec<u32>, second: &mut Vec<u32>, longest: usize) {
    while first.len() + second.len() > longest {
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
    fn pairs_change_places_and_keep_their_label() {
        let pair = Example { idx: 3, text_a: "a".into(), text_b: Some("b".into()), label: 1.0 };
        let single = Example { idx: 4, text_b: None, ..pair.clone() };
        let other = Example { text_a: "b".into(), text_b: Some("a".into()), ..pair.clone() };
        assert_eq!(swapped(&[pair, single.clone()]), [other, single]);
    }

    #[test]
    fn the_longer_segment_loses_tokens_and_ties_go_to_b() {
        let cut = |a: usize, b: usize, longest: usize| {
            let (mut a, mut b) = (vec![1; a], vec![2; b]);
            truncate(&mut a, &mut b, longest);
            (a.len(), b.len())
        };
        assert_eq!(cut(5, 3, 8), (5, 3));
        assert_eq!(cut(5, 3, 6), (3, 3));
        assert_eq!(cut(5, 3, 5), (3, 2));
        assert_eq!(cut(2, 9, 5), (2, 3));
        assert_eq!(cut(9, 0, 5), (5, 0));
    }
}
