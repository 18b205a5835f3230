//! Tests of both masking rules: distributions, and small cases by hand.

use proptest::prelude::*;

use super::*;

/// `[PAD]` 0, `[UNK]` 1, `[CLS]` 2, `[SEP]` 3, `[MASK]` 4.
pub fn vocabulary(size: usize) -> Vocabulary {
    Vocabulary { size, mask: 4, never_masked: vec![0, 2, 3, 4], counts: Vec::new(), bigrams: None }
}

const ALL: MaskProbabilities = MaskProbabilities { mask: 1.0, random: 0.0 };
const BERT: MaskProbabilities = MaskProbabilities { mask: 0.8, random: 0.1 };

fn masker(masking: Masking, fraction: f64, seq_len: usize) -> Masker {
    Masker::new(masking, fraction, seq_len, &vocabulary(60), ALL)
}

fn sentence(n_words: usize) -> Batch {
    let mut ids = vec![2];
    ids.extend((0..n_words).map(|i| 5 + i as u32 % 50));
    ids.push(3);
    let mut batch = Batch::new();
    batch.push(&ids, &vec![0; ids.len()]);
    batch
}

/// Trap 18 of `tests/suite/traps.rs`: the number of slots is rounded half to even, and at least one.
#[test]
fn the_number_of_slots_by_hand() {
    for (tokens, expected) in [(3, 1), (10, 2), (30, 4), (50, 8), (70, 10), (90, 14), (128, 19), (512, 77)] {
        for masking in [Masking::Paper, Masking::ReleasedCode] {
            let masked = masker(masking, 0.15, 512).mask(&sentence(tokens - 2), 1, 1);
            assert_eq!(masked.positions.len(), expected, "{tokens} tokens, {masking:?}");
        }
    }
    // The released code's f32 arithmetic, its limit (19 for length 128, where 150 tokens would give 22), and
    // at least one slot.
    let released = |tokens: usize, fraction, seq_len| {
        masker(Masking::ReleasedCode, fraction, seq_len).mask(&sentence(tokens - 2), 1, 1).positions.len()
    };
    assert_eq!((released(190, 0.15, 512), released(350, 0.15, 512)), (29, 53));
    assert_eq!((released(150, 0.15, 128), released(512, 0.25, 512)), (19, 128));
    assert_eq!((released(8, 0.01, 8), released(4, 0.9, 8)), (1, 4));
}

#[test]
fn every_token_is_masked_equally_often_and_each_step_differs() {
    let batch = sentence(20);
    for masking in [Masking::Paper, Masking::ReleasedCode] {
        let masker = masker(masking, 0.15, 128);
        let mut counts = [0usize; 22];
        for step in 0..4000 {
            for position in masker.mask(&batch, 1, step).positions {
                counts[position as usize] += 1;
            }
        }
        // 3 of 20 tokens at each of 4,000 steps: 600 expected, standard deviation 23.
        assert!(counts[1..21].iter().all(|&count| (510..690).contains(&count)), "{counts:?}");
        assert_eq!((counts[0], counts[21]), (0, 0));
        assert_ne!(masker.mask(&batch, 1, 1), masker.mask(&batch, 1, 2));
        assert_ne!(masker.mask(&batch, 1, 1), masker.mask(&batch, 2, 1));
    }
}

/// Trap 16 of `tests/suite/traps.rs`: 19 draws among 126 candidates give 126·(1 - (125/126)^19) = 17.70
/// different positions, of which 7.1 % are drawn more than once. The paper's rule gives 19.
#[test]
fn draws_of_the_released_code_repeat_with_the_right_probability() {
    let batch = sentence(126);
    let distinct = |positions: &[u32]| positions.chunk_by(|a, b| a == b).count();
    let repeated =
        |positions: &[u32]| positions.chunk_by(|a, b| a == b).filter(|same| same.len() > 1).count();
    let (mut different, mut more_than_once) = (0, 0);
    let n = 4000;
    let (released, paper) = (masker(Masking::ReleasedCode, 0.15, 128), masker(Masking::Paper, 0.15, 128));
    for step in 0..n {
        let positions = released.mask(&batch, 1, step).positions;
        assert_eq!(positions.len(), 19);
        different += distinct(&positions);
        more_than_once += repeated(&positions);
        assert_eq!(distinct(&paper.mask(&batch, 1, step).positions), 19);
    }
    let mean = different as f64 / n as f64;
    let share = more_than_once as f64 / different as f64;
    // Standard errors: 0.017 and 0.001.
    assert!((mean - 17.70).abs() < 0.08, "{mean}");
    assert!((share - 0.071).abs() < 0.005, "{share}");
}

/// Each draw writes `[MASK]` with probability 0.85, so a position that was drawn k times keeps its token with
/// probability 0.15^k. No other token is ever written.
#[test]
fn a_position_keeps_its_token_only_if_every_draw_keeps_it() {
    // 10 tokens give 9 draws among 8 candidates.
    let batch = sentence(8);
    let masker = masker(Masking::ReleasedCode, 0.89, 128);
    let mut kept = [0usize; 4];
    let mut drawn = [0usize; 4];
    for step in 0..20_000 {
        let masked = masker.mask(&batch, 1, step);
        for same in masked.positions.chunk_by(|a, b| a == b) {
            let (position, times) = (same[0] as usize, same.len().min(3));
            drawn[times] += 1;
            kept[times] += usize::from(masked.input_ids[position] == batch.input_ids[position]);
            assert!([4, batch.input_ids[position]].contains(&masked.input_ids[position]));
        }
    }
    let share = |times: usize| kept[times] as f64 / drawn[times] as f64;
    assert!((share(1) - 0.15).abs() < 0.01, "{}", share(1));
    assert!((share(2) - 0.0225).abs() < 0.005, "{}", share(2));
    assert!(share(3) < 0.006, "{}", share(3));
}

/// Trap 20 of `tests/suite/traps.rs`: only the paper's rule with BERT's probabilities writes random tokens.
/// Shares over 20,000 slots.
#[test]
fn bert_masks_80_10_10() {
    let mut batch = Batch::new();
    for _ in 0..200 {
        batch.push(&[7; 200], &[0; 200]);
    }
    let share = |masking, paper, wanted: &dyn Fn(u32) -> bool| {
        let masker = Masker::new(masking, 0.5, 200, &vocabulary(1000), paper);
        let masked = masker.mask(&batch, 1, 1);
        let slots = masked.positions.iter().map(|&position| masked.input_ids[position as usize]);
        slots.filter(|&id| wanted(id)).count() as f64 / masked.positions.len() as f64
    };
    let near = |share: f64, expected: f64| assert!((share - expected).abs() < 0.01, "{share} {expected}");
    near(share(Masking::Paper, BERT, &|id| id == 4), 0.8);
    near(share(Masking::Paper, BERT, &|id| id == 7), 0.1);
    assert_eq!(share(Masking::Paper, ALL, &|id| id == 4), 1.0);
    assert_eq!(share(Masking::ReleasedCode, BERT, &|id| id != 4 && id != 7), 0.0);
}

/// Trials with committed results must draw the same positions and tokens again.
#[test]
fn the_draws_of_the_papers_rule_never_change() {
    let mut batch = Batch::new();
    for n in [20u32, 9, 31] {
        let ids: Vec<u32> = [2].into_iter().chain((0..n).map(|i| 5 + i * 7)).chain([3]).collect();
        batch.push(&ids, &vec![0; ids.len()]);
    }
    let masked = Masker::new(Masking::Paper, 0.5, 128, &vocabulary(1000), BERT).mask(&batch, 9, 4);
    let expected = [
        1, 2, 3, 5, 6, 10, 11, 12, 14, 16, 17, 24, 25, 27, 29, 30, 31, 34, 37, 40, 41, 42, 44, 45, 46, 48,
        49, 51, 52, 56, 57, 59, 61,
    ];
    assert_eq!(masked.positions, expected);
    for &position in &masked.positions {
        let expected = if position == 37 { 26 } else { 4 };
        assert_eq!(masked.input_ids[position as usize], expected, "position {position}");
    }
}

#[test]
fn a_sequence_without_candidates_has_no_slots() {
    let mut batch = Batch::new();
    batch.push(&[2, 3], &[0, 0]);
    for masking in [Masking::Paper, Masking::ReleasedCode] {
        let masked = masker(masking, 0.15, 128).mask(&batch, 1, 1);
        assert_eq!((masked.positions.len(), masked.originals.len(), masked.input_ids), (0, 0, vec![2, 3]));
    }
}

proptest! {
    #[test]
    fn special_tokens_are_never_masked(
        ids in prop::collection::vec(0u32..9, 1..40),
        fraction in 0.01..0.9,
        released in any::<bool>(),
    ) {
        let mut batch = Batch::new();
        batch.push(&ids, &vec![0; ids.len()]);
        batch.push(&[2, 3], &[0, 0]);
        batch.push(&ids, &vec![0; ids.len()]);
        let masking = if released { Masking::ReleasedCode } else { Masking::Paper };
        let masked = Masker::new(masking, fraction, 64, &vocabulary(9), BERT).mask(&batch, 3, 1);
        prop_assert!(masked.positions.windows(2).all(|pair| pair[0] < pair[1] || released && pair[0] == pair[1]));
        for (&position, &original) in masked.positions.iter().zip(&masked.originals) {
            prop_assert!([1, 5, 6, 7, 8].contains(&original));
            prop_assert_eq!(batch.input_ids[position as usize], original);
        }
        for (position, (now, before)) in masked.input_ids.iter().zip(&batch.input_ids).enumerate() {
            prop_assert!(now == before || masked.positions.contains(&(position as u32)));
        }
    }
}
