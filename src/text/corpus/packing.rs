//! Packing a document's lines into training examples, as ELECTRA's builder does.
//!
//! Lines are collected until they fill the target length, then dealt to a first and a second segment:
//! `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`. What does not fit is thrown away; no example crosses a document's
//! end. (google-research/electra, build_pretraining_dataset.py; paper §3.1.)
//!
//! One difference: the released code carries the drawn target length, and an unseeded generator, from one
//! document into the next. Here both begin anew with each document, so that a document's examples depend on its
//! index alone and documents can be packed in any order on any number of threads. The share of random-length
//! examples is a little lower for that: a document's first example always aims at the full length.
//! Must never: see text. Next: `corpus.rs` stores the examples.

use crate::rng::{Purpose, Stream};
use crate::text::tokenizer::SpecialIds;

/// Share of the examples with one segment.
const SINGLE_SEGMENT: f64 = 0.1;
/// Share of the examples that aim at a random length.
const RANDOM_LENGTH: f64 = 0.05;
/// Shortest random length.
const SHORTEST: usize = 5;

/// One training example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Token ids with [CLS] and [SEP]; at most the packing length.
    pub ids: Vec<u32>,
    /// Tokens of type 0: [CLS], the first segment and its [SEP]. The others are of type 1.
    pub n_first: usize,
}

/// Packs the tokenised lines of document `index` into examples of at most `max_length` tokens.
pub fn pack_document(
    lines: Vec<Vec<u32>>,
    max_length: usize,
    special: SpecialIds,
    index: u64,
) -> Vec<Packed> {
    let mut stream = Stream::new(0, Purpose::Packing, 0, index);
    pack(lines, max_length, special, || stream.uniform())
}

/// The builder itself; `draw` gives uniform numbers in [0, 1), in the order in which the rules ask for them.
fn pack(
    lines: Vec<Vec<u32>>,
    max_length: usize,
    special: SpecialIds,
    mut draw: impl FnMut() -> f64,
) -> Vec<Packed> {
    let mut examples = Vec::new();
    let mut waiting: Vec<Vec<u32>> = Vec::new();
    let mut n_waiting = 0;
    let mut target = max_length;
    for line in lines {
        n_waiting += line.len();
        waiting.push(line);
        if n_waiting >= target {
            examples.push(example(&waiting, target, max_length, special, &mut draw));
            waiting.clear();
            n_waiting = 0;
            target = next_target(max_length, &mut draw);
        }
    }
    if n_waiting > 0 {
        examples.push(example(&waiting, target, max_length, special, &mut draw));
    }
    examples
}

/// Deals lines to the two segments and joins them.
fn example(
    lines: &[Vec<u32>],
    target: usize,
    max_length: usize,
    special: SpecialIds,
    draw: &mut impl FnMut() -> f64,
) -> Packed {
    let single = draw() < SINGLE_SEGMENT;
    let first_target = if single { usize::MAX } else { target.saturating_sub(3) / 2 };
    let mut first: Vec<u32> = Vec::new();
    let mut second: Vec<u32> = Vec::new();
    for line in lines {
        let fits = first.is_empty() || first.len() + line.len() < first_target;
        // A line that would overfill the first segment goes there half of the time, while nothing follows it.
        if fits || (second.is_empty() && first.len() < first_target && draw() < 0.5) {
            first.extend_from_slice(line);
        } else {
            second.extend_from_slice(line);
        }
    }
    first.truncate(max_length.saturating_sub(2));
    second.truncate(max_length.saturating_sub(first.len() + 3));

    let mut ids = Vec::with_capacity(first.len() + second.len() + 3);
    ids.push(special.cls);
    ids.append(&mut first);
    ids.push(special.sep);
    let n_first = ids.len();
    if !second.is_empty() {
        ids.append(&mut second);
        ids.push(special.sep);
    }
    Packed { ids, n_first }
}

/// The length that the next example aims at, decided after an example is made.
fn next_target(max_length: usize, draw: &mut impl FnMut() -> f64) -> usize {
    if draw() >= RANDOM_LENGTH || max_length <= SHORTEST {
        return max_length;
    }
    let choices = max_length - SHORTEST + 1;
    SHORTEST + ((draw() * choices as f64) as usize).min(choices - 1)
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: SpecialIds = SpecialIds { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };

    /// Lines of the given lengths; line i holds the ids 100i, 100i + 1, …
    fn lines(lengths: &[usize]) -> Vec<Vec<u32>> {
        lengths
            .iter()
            .enumerate()
            .map(|(i, &n)| (0..n as u32).map(|k| 100 * i as u32 + k).collect())
            .collect()
    }

    /// Packs with scripted draws, all of which must be used.
    fn scripted(lengths: &[usize], max_length: usize, draws: &[f64]) -> Vec<(Vec<u32>, usize)> {
        let mut rest = draws.iter();
        let packed = pack(lines(lengths), max_length, SPECIAL, || *rest.next().expect("one draw more"));
        assert_eq!(rest.len(), 0, "draws were left over");
        packed.into_iter().map(|example| (example.ids, example.n_first)).collect()
    }

    #[test]
    fn two_segments() {
        // Target 16, so the first segment aims at 6: line 0 (4) goes there; line 1 would make 7 and loses the
        // coin (0.5 is not below 0.5); line 2 (1) comes back, 5 < 6; line 3 (8) meets a second segment, no coin.
        // 3 + 8 = 11 fits 16 - 5 - 3 = 8: trimmed. Then no random length (0.05 is not below 0.05).
        assert_eq!(
            scripted(&[4, 3, 1, 8], 16, &[0.1, 0.5, 0.05]),
            [(vec![2, 0, 1, 2, 3, 200, 3, 100, 101, 102, 300, 301, 302, 303, 304, 3], 7)]
        );
    }

    #[test]
    fn the_coin_may_overfill_the_first_segment() {
        // 4 + 3 is not below 6, the coin (0.49) takes it; line 2 then finds the first segment full: no coin.
        assert_eq!(
            scripted(&[4, 3, 2], 16, &[0.9, 0.49]),
            [(vec![2, 0, 1, 2, 3, 100, 101, 102, 3, 200, 201, 3], 9)]
        );
    }

    #[test]
    fn one_segment_takes_all_and_is_trimmed() {
        // 0.09 makes a single segment; 12 ids are cut to 10 - 2.
        assert_eq!(scripted(&[6, 6], 10, &[0.09, 0.9]), [(vec![2, 0, 1, 2, 3, 4, 5, 100, 101, 3], 10)]);
    }

    #[test]
    fn a_long_first_line_leaves_no_room_for_a_second() {
        // Lines 0 (9) and 1 (4): the first aims at 3, is over it, so line 1 goes second: 10 - 8 - 3 < 0, dropped.
        assert_eq!(scripted(&[9, 4], 10, &[0.9, 0.9]), [(vec![2, 0, 1, 2, 3, 4, 5, 6, 7, 3], 10)]);
    }

    #[test]
    fn random_length_is_drawn_after_the_example() {
        // Example 1: line 0 (10). Then 0.04 asks for a random length: 5 + floor(0.5 × 6) = 8; line 1 (8)
        // reaches it. Then the full length again: line 2 (9) alone does not reach 10, so the end flushes it.
        let examples = scripted(&[10, 8, 9], 10, &[0.9, 0.04, 0.5, 0.9, 0.9, 0.9]);
        assert_eq!(examples.iter().map(|(ids, _)| ids.len()).collect::<Vec<_>>(), [10, 10, 10]);
        assert_eq!(examples[1].0[1], 100);
        assert_eq!(scripted(&[10, 5, 9], 10, &[0.9, 0.0, 0.0, 0.9, 0.9, 0.9])[1].0.len(), 7);
        assert_eq!(scripted(&[10, 9, 9], 10, &[0.9, 0.0, 0.999, 0.9, 0.5]).len(), 2);
    }

    #[test]
    fn nothing_makes_nothing() {
        assert_eq!(scripted(&[], 16, &[]), []);
        assert_eq!(scripted(&[0, 0], 16, &[]), []);
    }

    #[test]
    fn shares_and_lengths_over_many_documents() {
        let (mut n, mut single, mut short) = (0, 0, 0);
        for index in 0..400 {
            let packed = pack_document(lines(&[9; 80]), 64, SPECIAL, index);
            for example in packed {
                assert!((5..=64).contains(&example.ids.len()) && example.n_first <= example.ids.len());
                assert_eq!((example.ids.first(), example.ids.last()), (Some(&2), Some(&3)));
                n += 1;
                single += usize::from(example.n_first == example.ids.len());
                short += usize::from(example.ids.len() < 50);
            }
        }
        let (single, short) = (single as f64 / n as f64, short as f64 / n as f64);
        assert!((0.08..0.14).contains(&single) && (0.03..0.15).contains(&short), "{single} {short}");
    }

    #[test]
    fn a_documents_examples_depend_on_its_index_only() {
        let pack = |index| pack_document(lines(&[7; 60]), 32, SPECIAL, index);
        assert_eq!(pack(3), pack(3));
        assert_ne!(pack(3), pack(4));
    }
}
