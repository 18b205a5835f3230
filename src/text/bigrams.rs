//! How often two tokens stand side by side in the packed training text.
//!
//! `[CLS]` and `[SEP]` count as neighbours like any other token. Must never: let the order of a hash map
//! decide a sum. Next: `ngram.rs`, whose models give probabilities from left to right.

use rayon::prelude::*;

use super::corpus::Corpus;
use super::ngram::counted_sequences;

/// Counts of neighbouring tokens, in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigramCounts {
    followers: Neighbours,
    predecessors: Neighbours,
}

/// The neighbours of every token on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Neighbours {
    /// Where the neighbours of each token start, `[V + 1]`.
    starts: Vec<usize>,
    /// Ascending for each token.
    tokens: Vec<u32>,
    /// How often each neighbour occurs.
    counts: Vec<u32>,
    /// Sum of the counts of each token, `[V]`.
    totals: Vec<u64>,
}

impl Neighbours {
    /// Of ascending keys, each a token in the upper half and its neighbour in the lower one.
    fn new(keys: &[u64], vocab_size: usize) -> Self {
        let mut neighbours =
            Self { starts: vec![0], tokens: Vec::new(), counts: Vec::new(), totals: vec![0; vocab_size] };
        for same in keys.chunk_by(|one, next| one == next) {
            let (token, neighbour) = ((same[0] >> 32) as usize, same[0] as u32);
            while neighbours.starts.len() <= token {
                neighbours.starts.push(neighbours.tokens.len());
            }
            neighbours.tokens.push(neighbour);
            neighbours.counts.push(same.len() as u32);
            neighbours.totals[token] += same.len() as u64;
        }
        neighbours.starts.resize(vocab_size + 1, neighbours.tokens.len());
        neighbours
    }

    /// Each neighbour of a token with its share of the token's neighbours, ascending; empty if it has none.
    fn shares(&self, token: u32) -> impl Iterator<Item = (u32, f64)> {
        let token = token as usize;
        let bound = |i: usize| self.starts.get(i).copied().unwrap_or(self.tokens.len());
        let range = bound(token)..bound(token + 1);
        let total = self.totals.get(token).copied().unwrap_or_default() as f64;
        let counts = self.counts[range.clone()].iter().map(move |&count| f64::from(count) / total);
        self.tokens[range].iter().copied().zip(counts)
    }
}

impl BigramCounts {
    /// Of the training examples of a corpus, the first 50 million tokens at most.
    pub fn of_corpus(corpus: &Corpus) -> Self {
        Self::of_sequences(counted_sequences(corpus), corpus.provenance().vocab_size)
    }

    /// Of sequences of token ids; ids from `vocab_size` on do not count.
    pub fn of_sequences(sequences: impl Iterator<Item = Vec<u32>>, vocab_size: usize) -> Self {
        let mut keys: Vec<u64> = Vec::new();
        for ids in sequences {
            let pairs = ids.windows(2).filter(|pair| pair.iter().all(|&id| (id as usize) < vocab_size));
            keys.extend(pairs.map(|pair| (u64::from(pair[0]) << 32) | u64::from(pair[1])));
        }
        keys.par_sort_unstable();
        let followers = Neighbours::new(&keys, vocab_size);
        keys.par_iter_mut().for_each(|key| *key = key.rotate_left(32));
        keys.par_sort_unstable();
        Self { followers, predecessors: Neighbours::new(&keys, vocab_size) }
    }

    /// Each token that follows `token` with its share of the tokens that do, ascending.
    pub fn followers(&self, token: u32) -> impl Iterator<Item = (u32, f64)> {
        self.followers.shares(token)
    }

    /// Each token that stands before `token` with its share of the tokens that do, ascending.
    pub fn predecessors(&self, token: u32) -> impl Iterator<Item = (u32, f64)> {
        self.predecessors.shares(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts `2 5 6 5 3` and `2 5 3`, and a token that the vocabulary does not have.
    #[test]
    fn neighbours_by_hand() {
        let texts = [vec![2, 5, 6, 5, 3], vec![2, 5, 3], vec![9, 2]];
        let counts = BigramCounts::of_sequences(texts.into_iter(), 8);
        let of = |shares: &mut dyn Iterator<Item = (u32, f64)>| shares.collect::<Vec<_>>();
        assert_eq!(of(&mut counts.followers(2)), [(5, 1.0)]);
        assert_eq!(of(&mut counts.followers(5)), [(3, 2.0 / 3.0), (6, 1.0 / 3.0)]);
        assert_eq!(of(&mut counts.predecessors(5)), [(2, 2.0 / 3.0), (6, 1.0 / 3.0)]);
        for token in [0, 3, 7, 8, 9] {
            assert_eq!(of(&mut counts.followers(token)), [], "{token}");
        }
    }
}
