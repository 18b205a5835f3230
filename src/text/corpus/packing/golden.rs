//! Compares packing with another implementation of the same rules, by `tests/golden/packing.json`.
//!
//! Each document is packed on its own with random numbers from the file. `scripts/golden_packing.py` makes
//! the file.

use serde::Deserialize;

use super::{PackedExample, SpecialIds, pack};

const SPECIAL: SpecialIds = SpecialIds { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };
/// The first token of a document; the others count up from it.
const FIRST_TOKEN: u32 = 10;

#[derive(Deserialize)]
struct PackingGolden {
    /// Uniform numbers × 2⁵³.
    draws: Vec<u64>,
    cases: Vec<PackingCase>,
}

#[derive(Deserialize)]
struct PackingCase {
    name: String,
    max_length: usize,
    lengths: Vec<usize>,
    first_draw: usize,
    n_draws: usize,
    examples: Vec<GoldenExample>,
}

#[derive(Deserialize)]
struct GoldenExample {
    ids: Vec<u32>,
    types: Vec<u8>,
}

fn lines(lengths: &[usize]) -> Vec<Vec<u32>> {
    let mut next = FIRST_TOKEN..;
    lengths.iter().map(|&n| next.by_ref().take(n).collect()).collect()
}

#[test]
fn every_document_packs_as_the_other_implementation_packs_it() {
    let golden: PackingGolden =
        serde_json::from_str(include_str!("../../../../tests/golden/packing.json")).unwrap();
    assert!(golden.draws.len() > 500 && golden.cases.len() > 20);
    for case in &golden.cases {
        let mut draws = golden.draws.iter().cycle().skip(case.first_draw);
        let mut n_draws = 0;
        let found = pack(lines(&case.lengths), case.max_length, SPECIAL, || {
            n_draws += 1;
            *draws.next().unwrap() as f64 / (1u64 << 53) as f64
        });
        let expected: Vec<PackedExample> = case
            .examples
            .iter()
            .map(|example| PackedExample {
                input_ids: example.ids.clone(),
                first_segment_len: example.types.iter().filter(|&&segment| segment == 0).count(),
            })
            .collect();
        let case_name = format!("{}, at most {}", case.name, case.max_length);
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "example {index} of {case_name}");
        }
        assert_eq!((found.len(), n_draws), (expected.len(), case.n_draws), "{case_name}");
    }
}
