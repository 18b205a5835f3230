//! Packing a document's lines into training examples, as ELECTRA's builder does.
//!
//! Lines are collected until they reach the target length, then distributed over a first and a second
//! segment: `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`. Tokens that do not fit are dropped; no example
//! crosses the end of a document. (google-research/electra, build_pretraining_dataset.py; ELECTRA §3.1.)
//!
//! One difference: the released code carries the target length, and an unseeded random generator, from one
//! document to the next. Here both start again with each document, so that its examples depend on its index
//! alone, and documents can be packed in any order by any number of threads. The share of random-length
//! examples is therefore a little lower: the first example of a document always has the full target length.
//! Must never: see text. Next: `build.rs` stores the examples.

use crate::rng::{Purpose, Stream};
use crate::text::tokenizer::SpecialIds;

/// Share of the examples with one segment.
const SINGLE_SEGMENT: f64 = 0.1;
/// Share of the examples with a random target length.
const RANDOM_LENGTH: f64 = 0.05;
/// Shortest random target length.
const SHORTEST: usize = 5;

/// One training example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedExample {
    /// Token ids with `[CLS]` and `[SEP]`; at most the packing length.
    pub input_ids: Vec<u32>,
    /// Tokens of type 0: `[CLS]`, the first segment and its `[SEP]`. The others are of type 1.
    pub first_segment_len: usize,
}

impl PackedExample {
    /// Its tokens without `[CLS]` and `[SEP]`.
    pub fn n_text_tokens(&self) -> usize {
        let n_special = if self.first_segment_len == self.input_ids.len() { 2 } else { 3 };
        self.input_ids.len().saturating_sub(n_special)
    }
}

/// Packs the tokenised lines of document `index` into examples of at most `max_length` tokens.
pub fn pack_document(
    lines: Vec<Vec<u32>>,
    max_length: usize,
    special: SpecialIds,
    index: u64,
) -> Vec<PackedExample> {
    let mut stream = Stream::new(0, Purpose::Packing, 0, index);
    pack(lines, max_length, special, || stream.uniform())
}

/// The builder; `draw` returns uniform numbers in [0, 1), in the order in which the rules need them.
fn pack(
    lines: Vec<Vec<u32>>,
    max_length: usize,
    special: SpecialIds,
    mut draw: impl FnMut() -> f64,
) -> Vec<PackedExample> {
    let mut examples = Vec::new();
    let mut pending: Vec<Vec<u32>> = Vec::new();
    let mut n_pending = 0;
    let mut target = max_length;
    for line in lines {
        n_pending += line.len();
        pending.push(line);
        if n_pending >= target {
            examples.push(example(&pending, target, max_length, special, &mut draw));
            pending.clear();
            n_pending = 0;
            target = next_target(max_length, &mut draw);
        }
    }
    if n_pending > 0 {
        examples.push(example(&pending, target, max_length, special, &mut draw));
    }
    examples
}

/// Distributes lines over the two segments and joins them.
fn example(
    lines: &[Vec<u32>],
    target: usize,
    max_length: usize,
    special: SpecialIds,
    draw: &mut impl FnMut() -> f64,
) -> PackedExample {
    let single = draw() < SINGLE_SEGMENT;
    let first_target = if single { usize::MAX } else { target.saturating_sub(3) / 2 };
    let mut first: Vec<u32> = Vec::new();
    let mut second: Vec<u32> = Vec::new();
    for line in lines {
        let fits = first.is_empty() || first.len() + line.len() < first_target;
        // A line that would overfill the first segment still goes there half of the time, if the second is
        // empty.
        if fits || (second.is_empty() && first.len() < first_target && draw() < 0.5) {
            first.extend_from_slice(line);
        } else {
            second.extend_from_slice(line);
        }
    }
    first.truncate(max_length.saturating_sub(2));
    second.truncate(max_length.saturating_sub(first.len() + 3));

    let mut input_ids = Vec::with_capacity(first.len() + second.len() + 3);
    input_ids.push(special.cls);
    input_ids.append(&mut first);
    input_ids.push(special.sep);
    let first_segment_len = input_ids.len();
    if !second.is_empty() {
        input_ids.append(&mut second);
        input_ids.push(special.sep);
    }
    PackedExample { input_ids, first_segment_len }
}

/// The target length of the next example, drawn after an example is made.
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
        let packed = pack(lines(lengths), max_length, SPECIAL, || *rest.next().expect("too few draws"));
        assert_eq!(rest.len(), 0, "draws were left over");
        packed.into_iter().map(|example| (example.input_ids, example.first_segment_len)).collect()
    }

    #[test]
    fn two_segments() {
        // The target is 16, so the first segment's is 6. Line 0 (4 tokens) goes to the first segment. Line 1
        // would make it 7, and the draw 0.5 (not below 0.5) sends it to the second. Line 2 (1) goes to the
        // first: 5 < 6. Line 3 (8) goes to the second without a draw. The second's 3 + 8 = 11 tokens are cut
        // to 16 - 5 - 3 = 8. The draw 0.05 (not below 0.05) makes the next target the full length.
        assert_eq!(
            scripted(&[4, 3, 1, 8], 16, &[0.1, 0.5, 0.05]),
            [(vec![2, 0, 1, 2, 3, 200, 3, 100, 101, 102, 300, 301, 302, 303, 304, 3], 7)]
        );
    }

    #[test]
    fn a_draw_may_overfill_the_first_segment() {
        // 4 + 3 is not below 6, but the draw 0.49 adds line 1; the first segment is then full, so line 2
        // needs no draw.
        assert_eq!(
            scripted(&[4, 3, 2], 16, &[0.9, 0.49]),
            [(vec![2, 0, 1, 2, 3, 100, 101, 102, 3, 200, 201, 3], 9)]
        );
    }

    #[test]
    fn a_single_segment_takes_all_lines_and_is_cut() {
        // The draw 0.09 makes a single segment; 12 tokens are cut to 10 - 2.
        assert_eq!(scripted(&[6, 6], 10, &[0.09, 0.9]), [(vec![2, 0, 1, 2, 3, 4, 5, 100, 101, 3], 10)]);
    }

    #[test]
    fn a_long_first_line_leaves_no_room_for_a_second_segment() {
        // The first segment's target is 3, and line 0 (9) exceeds it. Line 1 (4) goes to the second and is
        // dropped, since 10 - 8 - 3 < 0.
        assert_eq!(scripted(&[9, 4], 10, &[0.9, 0.9]), [(vec![2, 0, 1, 2, 3, 4, 5, 6, 7, 3], 10)]);
    }

    #[test]
    fn random_length_is_drawn_after_the_example() {
        // Example 1 is line 0 (10). The draw 0.04 then makes the target random: 5 + floor(0.5 × 6) = 8, which
        // line 1 (8) reaches. The next target is the full length: line 2 (9) does not reach 10, and the
        // document ends.
        let examples = scripted(&[10, 8, 9], 10, &[0.9, 0.04, 0.5, 0.9, 0.9, 0.9]);
        assert_eq!(examples.iter().map(|(ids, _)| ids.len()).collect::<Vec<_>>(), [10, 10, 10]);
        assert_eq!(examples[1].0[1], 100);
        assert_eq!(scripted(&[10, 5, 9], 10, &[0.9, 0.0, 0.0, 0.9, 0.9, 0.9])[1].0.len(), 7);
        assert_eq!(scripted(&[10, 9, 9], 10, &[0.9, 0.0, 0.999, 0.9, 0.5]).len(), 2);
    }

    #[test]
    fn special_tokens_are_not_of_the_text() {
        let packed = |lengths: &[usize]| {
            let mut draws = [0.9, 0.9, 0.9].iter();
            pack(lines(lengths), 16, SPECIAL, || *draws.next().unwrap())
        };
        let counts = |lengths| packed(lengths).iter().map(PackedExample::n_text_tokens).collect::<Vec<_>>();
        assert_eq!(counts(&[4]), [4]);
        assert_eq!(counts(&[4, 6]), [10]);
        // Of 20 tokens, 16 - 3 fit.
        assert_eq!(counts(&[4, 16]), [13]);
    }

    #[test]
    fn empty_documents_give_no_examples() {
        assert_eq!(scripted(&[], 16, &[]), []);
        assert_eq!(scripted(&[0, 0], 16, &[]), []);
    }

    #[test]
    fn shares_and_lengths_over_many_documents() {
        let (mut n, mut single, mut short) = (0, 0, 0);
        for index in 0..400 {
            let packed = pack_document(lines(&[9; 80]), 64, SPECIAL, index);
            for example in packed {
                assert!(
                    (5..=64).contains(&example.input_ids.len())
                        && example.first_segment_len <= example.input_ids.len()
                );
                assert_eq!((example.input_ids.first(), example.input_ids.last()), (Some(&2), Some(&3)));
                n += 1;
                single += usize::from(example.first_segment_len == example.input_ids.len());
                short += usize::from(example.input_ids.len() < 50);
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
