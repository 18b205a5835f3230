//! A batch of token sequences, laid end to end without padding.
//!
//! Every consumer walks the sequences through `offsets`; no row of a tensor is ever spent on padding.
//! Must never: know where the sequences came from. Next: `corpus.rs` fills batches, `objective` masks them.

use std::sync::Arc;

/// Sequences of different lengths, one behind the other. T tokens in B sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Token ids, `[T]`.
    pub ids: Vec<u32>,
    /// Segment (0 or 1) of each token, `[T]`.
    pub types: Vec<u32>,
    /// Sequence b is `ids[offsets[b]..offsets[b + 1]]`; `[B + 1]`, from 0 to T.
    pub offsets: Vec<usize>,
    /// What it is a part of, where it is one.
    part: Option<Part>,
}

/// A part's place in its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    whole: Arc<Batch>,
    first_sequence: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { ids: Vec::new(), types: Vec::new(), offsets: vec![0], part: None }
    }
}

impl Batch {
    /// A batch without sequences.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one sequence. `types` has one entry a token; a shorter one is filled with 0.
    pub fn push(&mut self, ids: &[u32], types: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.types.extend(types.iter().copied().chain(std::iter::repeat(0)).take(ids.len()));
        self.offsets.push(self.ids.len());
    }

    /// Cuts it into parts of at most `most` sequences, which remember what they are parts of: whatever is drawn for a batch is drawn for
    /// the whole. A batch that is no longer than that stays as it is.
    pub fn micro_batches(self, most: usize) -> Vec<Self> {
        let most = most.max(1);
        if self.n_sequences() <= most {
            return vec![self];
        }
        let whole = Arc::new(self);
        let firsts = (0..whole.n_sequences()).step_by(most);
        let part = |first_sequence: usize| {
            let mut part = Self::new();
            for bounds in whole.offsets.windows(2).skip(first_sequence).take(most) {
                part.push(&whole.ids[bounds[0]..bounds[1]], &whole.types[bounds[0]..bounds[1]]);
            }
            part.part = Some(Part { whole: whole.clone(), first_sequence });
            part
        };
        firsts.map(part).collect()
    }

    /// What it is a part of; itself, where it is no part.
    pub fn whole(&self) -> &Self {
        self.part.as_ref().map_or(self, |part| &part.whole)
    }

    /// Tokens of the whole before its own first.
    pub fn first_token(&self) -> usize {
        self.part.as_ref().map_or(0, |part| part.whole.offsets[part.first_sequence])
    }

    /// Tokens of its longest sequence.
    pub fn longest(&self) -> usize {
        self.lengths().into_iter().max().unwrap_or(0)
    }

    /// Tokens of all sequences.
    pub fn n_tokens(&self) -> usize {
        self.ids.len()
    }

    /// Sequences.
    pub fn n_sequences(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Length of each sequence, `[B]`.
    pub fn lengths(&self) -> Vec<usize> {
        self.offsets.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Position of each token within its sequence, `[T]`.
    pub fn positions(&self) -> Vec<u32> {
        self.lengths().into_iter().flat_map(|length| 0..length as u32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_lie_end_to_end() {
        let mut batch = Batch::new();
        assert_eq!((batch.n_sequences(), batch.n_tokens(), batch.positions()), (0, 0, vec![]));
        batch.push(&[2, 10, 11, 3], &[0, 0, 0, 0]);
        batch.push(&[2, 20, 3, 21, 3], &[0, 0, 0, 1, 1]);
        batch.push(&[], &[]);
        batch.push(&[7], &[]);
        assert_eq!(batch.offsets, [0, 4, 9, 9, 10]);
        assert_eq!(batch.lengths(), [4, 5, 0, 1]);
        assert_eq!(batch.positions(), [0, 1, 2, 3, 0, 1, 2, 3, 4, 0]);
        assert_eq!(batch.types, [0, 0, 0, 0, 0, 0, 0, 1, 1, 0]);
        assert_eq!((batch.n_sequences(), batch.n_tokens()), (4, 10));
    }

    #[test]
    fn parts_know_their_whole() {
        let mut batch = Batch::new();
        for length in [3u32, 1, 4, 2, 5] {
            batch.push(&(10 * length..11 * length).collect::<Vec<_>>(), &vec![length % 2; length as usize]);
        }
        let whole = batch.clone();
        assert_eq!(
            (batch.clone().micro_batches(5), batch.clone().micro_batches(9)),
            (vec![whole.clone()], vec![whole.clone()])
        );
        for most in 1..5 {
            let parts = batch.clone().micro_batches(most);
            assert_eq!(parts.len(), 5usize.div_ceil(most));
            let joined = |of: fn(&Batch) -> &[u32]| parts.iter().flat_map(of).copied().collect::<Vec<_>>();
            assert_eq!(
                (joined(|part| &part.ids), joined(|part| &part.types)),
                (whole.ids.clone(), whole.types.clone())
            );
            let mut before = 0;
            for part in &parts {
                assert!(part.n_sequences() <= most && part.whole() == &whole && part.whole().longest() == 5);
                assert_eq!(part.first_token(), before);
                before += part.n_tokens();
            }
        }
        assert_eq!((whole.whole(), whole.first_token()), (&whole, 0));
    }
}
