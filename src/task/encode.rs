//! From an example's texts to the tokens that a model reads: [CLS] A [SEP], or [CLS] A [SEP] B [SEP].

use rayon::prelude::*;

use crate::data::{Example, Tokenizer};
use crate::fault::Result;

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
