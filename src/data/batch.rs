//! A batch of token sequences, laid end to end without padding.
//!
//! Every consumer walks the sequences through `offsets`; no row of a tensor is ever spent on padding.
//! Must never: know where the sequences came from. Next: `corpus.rs` fills batches, `objective` masks them.

/// Sequences of different lengths, one behind the other. T tokens in B sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Token ids, `[T]`.
    pub ids: Vec<u32>,
    /// Segment (0 or 1) of each token, `[T]`.
    pub types: Vec<u32>,
    /// Sequence b is `ids[offsets[b]..offsets[b + 1]]`; `[B + 1]`, from 0 to T.
    pub offsets: Vec<usize>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { ids: Vec::new(), types: Vec::new(), offsets: vec![0] }
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
}
