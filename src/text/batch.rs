//! A batch of token sequences, laid end to end without padding.
//!
//! `offsets` says where each sequence starts; no row of a tensor is spent on padding. Must never: know where
//! the sequences came from. Next: `corpus/reader.rs` fills batches, `objective` masks them.

use std::sync::Arc;

/// B sequences of different lengths, end to end; T tokens in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Token ids, `[T]`.
    pub input_ids: Vec<u32>,
    /// Segment (0 or 1) of each token, `[T]`.
    pub token_type_ids: Vec<u32>,
    /// Sequence b is `input_ids[offsets[b]..offsets[b + 1]]`; `[B + 1]`, from 0 to T.
    pub offsets: Vec<usize>,
    /// The full batch, if this is a micro-batch.
    part_of: Option<PartOf>,
}

/// The full batch of a micro-batch, and its first sequence there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PartOf {
    full_batch: Arc<Batch>,
    first_sequence: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { input_ids: Vec::new(), token_type_ids: Vec::new(), offsets: vec![0], part_of: None }
    }
}

impl Batch {
    /// A batch without sequences.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one sequence. Missing entries of `token_type_ids` are 0.
    pub fn push(&mut self, input_ids: &[u32], token_type_ids: &[u32]) {
        self.input_ids.extend_from_slice(input_ids);
        let padded = token_type_ids.iter().copied().chain(std::iter::repeat(0));
        self.token_type_ids.extend(padded.take(input_ids.len()));
        self.offsets.push(self.input_ids.len());
    }

    /// Splits the batch into micro-batches of at most `max_sequences` sequences. Each knows its full batch,
    /// because masks and samples are drawn for the full batch. A batch that is small enough is returned as it
    /// is.
    pub fn micro_batches(self, max_sequences: usize) -> Vec<Self> {
        let max_sequences = max_sequences.max(1);
        if self.n_sequences() <= max_sequences {
            return vec![self];
        }
        let full_batch = Arc::new(self);
        let first_sequences = (0..full_batch.n_sequences()).step_by(max_sequences);
        let micro_batch = |first_sequence: usize| {
            let mut part = Self::new();
            for bounds in full_batch.offsets.windows(2).skip(first_sequence).take(max_sequences) {
                let tokens = bounds[0]..bounds[1];
                part.push(&full_batch.input_ids[tokens.clone()], &full_batch.token_type_ids[tokens]);
            }
            part.part_of = Some(PartOf { full_batch: full_batch.clone(), first_sequence });
            part
        };
        first_sequences.map(micro_batch).collect()
    }

    /// The full batch of a micro-batch; any other batch itself.
    pub fn full_batch(&self) -> &Self {
        self.part_of.as_ref().map_or(self, |part_of| &part_of.full_batch)
    }

    /// The number of the first token in the full batch.
    pub fn token_offset(&self) -> usize {
        self.part_of.as_ref().map_or(0, |part_of| part_of.full_batch.offsets[part_of.first_sequence])
    }

    /// Length of the longest sequence, in tokens.
    pub fn max_len(&self) -> usize {
        self.lengths().into_iter().max().unwrap_or(0)
    }

    /// Number of tokens in all sequences.
    pub fn n_tokens(&self) -> usize {
        self.input_ids.len()
    }

    /// Number of sequences.
    pub fn n_sequences(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Length of each sequence, `[B]`.
    pub fn lengths(&self) -> Vec<usize> {
        self.offsets.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Position of each token within its sequence, `[T]`.
    pub fn position_ids(&self) -> Vec<u32> {
        self.lengths().into_iter().flat_map(|length| 0..length as u32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_end_to_end() {
        let mut batch = Batch::new();
        assert_eq!((batch.n_sequences(), batch.n_tokens(), batch.position_ids()), (0, 0, vec![]));
        batch.push(&[2, 10, 11, 3], &[0, 0, 0, 0]);
        batch.push(&[2, 20, 3, 21, 3], &[0, 0, 0, 1, 1]);
        batch.push(&[], &[]);
        batch.push(&[7], &[]);
        assert_eq!(batch.offsets, [0, 4, 9, 9, 10]);
        assert_eq!(batch.lengths(), [4, 5, 0, 1]);
        assert_eq!(batch.position_ids(), [0, 1, 2, 3, 0, 1, 2, 3, 4, 0]);
        assert_eq!(batch.token_type_ids, [0, 0, 0, 0, 0, 0, 0, 1, 1, 0]);
        assert_eq!((batch.n_sequences(), batch.n_tokens()), (4, 10));
    }

    #[test]
    fn micro_batches_know_their_full_batch() {
        let mut batch = Batch::new();
        for length in [3u32, 1, 4, 2, 5] {
            batch.push(&(10 * length..11 * length).collect::<Vec<_>>(), &vec![length % 2; length as usize]);
        }
        let full = batch.clone();
        assert_eq!(
            (batch.clone().micro_batches(5), batch.clone().micro_batches(9)),
            (vec![full.clone()], vec![full.clone()])
        );
        for max_sequences in 1..5 {
            let parts = batch.clone().micro_batches(max_sequences);
            assert_eq!(parts.len(), 5usize.div_ceil(max_sequences));
            let joined = |of: fn(&Batch) -> &[u32]| parts.iter().flat_map(of).copied().collect::<Vec<_>>();
            assert_eq!(
                (joined(|part| &part.input_ids), joined(|part| &part.token_type_ids)),
                (full.input_ids.clone(), full.token_type_ids.clone())
            );
            let mut before = 0;
            for part in &parts {
                assert!(part.n_sequences() <= max_sequences && part.full_batch() == &full);
                assert_eq!((part.full_batch().max_len(), part.token_offset()), (5, before));
                before += part.n_tokens();
            }
        }
        assert_eq!((full.full_batch(), full.token_offset()), (&full, 0));
    }
}
