//! Models of token counts: unigrams and trigrams of the packed training text.
//!
//! They are the anchors of losses on held-out text and the controls of minimal pairs: a network that has
//! learnt more than word frequencies is better than the unigrams, and one that has learnt more than its
//! neighbours is better than the trigrams. Both give probabilities to every token but `[PAD]`, `[CLS]`,
//! `[SEP]` and `[MASK]`, which bound the texts and are not predicted.
//!
//! The trigrams are interpolated Kneser-Ney (Kneser & Ney 1995; Chen & Goodman 1999, "An empirical study of
//! smoothing techniques for language modeling", §2.7 and §4.1.6), with one discount per order. They read from
//! left to right: a masked language model sees both sides, so its loss may be below theirs without more
//! knowledge. Must never: let the order of a hash map decide a sum.

use rayon::prelude::*;

use super::corpus::Corpus;
use super::tokenizer::SpecialIds;

/// Counts are taken from this many tokens at most, the first ones: 8 bytes per token while they are sorted.
const MAX_TOKENS: u64 = 50_000_000;

/// The training examples of a corpus that counts are taken from.
pub(super) fn counted_sequences(corpus: &Corpus) -> impl Iterator<Item = Vec<u32>> {
    let mut n_tokens = 0;
    corpus.training_ids().take_while(move |ids| {
        n_tokens += ids.len() as u64;
        n_tokens <= MAX_TOKENS
    })
}

/// Bits of a token id in the key of a trigram.
const ID_BITS: u32 = 21;

/// The tokens that a model predicts, and those that bound a text.
#[derive(Clone, Copy, Debug)]
struct Alphabet {
    vocab_size: usize,
    special: SpecialIds,
}

impl Alphabet {
    fn is_boundary(self, id: u32) -> bool {
        [self.special.pad, self.special.cls, self.special.sep, self.special.mask].contains(&id)
    }

    /// How many tokens are predicted.
    fn n_predicted(self) -> usize {
        (0..self.vocab_size as u32).filter(|&id| !self.is_boundary(id)).count()
    }

    /// The id of the beginning of a text, in contexts.
    fn start(self) -> u64 {
        self.vocab_size as u64
    }

    /// Each predicted token of a sequence with the two tokens before it; the first of a text has none before
    /// it, and the second only one.
    fn histories(self, ids: &[u32]) -> impl Iterator<Item = (Option<u64>, u64, u32)> {
        let start = self.start();
        let mut before: (Option<u64>, u64) = (None, start);
        ids.iter().filter_map(move |&id| {
            if self.is_boundary(id) {
                before = (None, start);
                return None;
            }
            let history = (before.0, before.1, id);
            before = (Some(before.1), u64::from(id));
            Some(history)
        })
    }
}

/// A model that gives each token a probability.
pub trait TokenModel {
    /// Log probability in nats of each of the tokens of a sequence, `[T]`; 0 for `[PAD]`, `[CLS]`, `[SEP]`
    /// and `[MASK]`.
    fn log_probs(&self, ids: &[u32]) -> Vec<f64>;
}

/// Token frequencies, with one added to each count.
#[derive(Clone, Debug)]
pub struct UnigramModel {
    alphabet: Alphabet,
    log_probs: Vec<f64>,
}

impl UnigramModel {
    fn new(sequences: &[Vec<u32>], alphabet: Alphabet) -> Self {
        let mut counts = vec![1u64; alphabet.vocab_size];
        let mut total = alphabet.n_predicted() as u64;
        for &id in sequences.iter().flatten().filter(|&&id| !alphabet.is_boundary(id)) {
            if let Some(count) = counts.get_mut(id as usize) {
                *count += 1;
                total += 1;
            }
        }
        let log_probs = counts.into_iter().map(|count| (count as f64 / total as f64).ln()).collect();
        Self { alphabet, log_probs }
    }
}

impl TokenModel for UnigramModel {
    fn log_probs(&self, ids: &[u32]) -> Vec<f64> {
        let log_prob = |&id: &u32| match self.alphabet.is_boundary(id) {
            true => 0.0,
            false => self.log_probs.get(id as usize).copied().unwrap_or(f64::NEG_INFINITY),
        };
        ids.iter().map(log_prob).collect()
    }
}

/// The counts of one order: the words that follow each context.
#[derive(Clone, Debug, Default)]
struct Followers {
    /// Ascending.
    contexts: Vec<u64>,
    /// Where the words of each context start; one more at the end.
    starts: Vec<u32>,
    /// Ascending within a context.
    words: Vec<u32>,
    counts: Vec<u32>,
    /// Sum of the counts of each context.
    totals: Vec<u64>,
    /// What is taken from every count and given to the lower order.
    discount: f64,
}

impl Followers {
    /// Of counted (context, word) pairs in ascending order.
    fn new(counted: impl Iterator<Item = (u64, u32, u32)>) -> Self {
        let mut followers = Self::default();
        let (mut once, mut twice) = (0u64, 0u64);
        for (context, word, count) in counted {
            if followers.contexts.last() != Some(&context) {
                followers.contexts.push(context);
                followers.starts.push(followers.words.len() as u32);
                followers.totals.push(0);
            }
            followers.words.push(word);
            followers.counts.push(count);
            if let Some(total) = followers.totals.last_mut() {
                *total += u64::from(count);
            }
            once += u64::from(count == 1);
            twice += u64::from(count == 2);
        }
        followers.starts.push(followers.words.len() as u32);
        followers.discount = discount(once, twice);
        followers
    }

    /// The discounted probability of a word after a context, and the share that the lower order gets; None if
    /// the context does not occur.
    fn after(&self, context: u64, word: u32) -> Option<(f64, f64)> {
        let at = self.contexts.binary_search(&context).ok()?;
        let (start, end) = (*self.starts.get(at)? as usize, *self.starts.get(at + 1)? as usize);
        let total = *self.totals.get(at)? as f64;
        let words = self.words.get(start..end)?;
        let count = words.binary_search(&word).ok().and_then(|found| self.counts.get(start + found));
        let kept = count.map_or(0.0, |&count| (f64::from(count) - self.discount).max(0.0));
        Some((kept / total, self.discount * words.len() as f64 / total))
    }
}

/// Ney, Essen & Kneser's estimate of the discount from how many counts are 1 and 2. A text without either has
/// one half, so that every word keeps a probability.
fn discount(once: u64, twice: u64) -> f64 {
    if once == 0 || twice == 0 { 0.5 } else { once as f64 / (once + 2 * twice) as f64 }
}

/// Each distinct key of an ascending list with its number.
fn counted(keys: &[u64]) -> impl Iterator<Item = (u64, u32)> {
    keys.chunk_by(|one, next| one == next).map(|same| (same[0], same.len() as u32))
}

/// Interpolated Kneser-Ney trigrams.
#[derive(Clone, Debug)]
pub struct TrigramModel {
    alphabet: Alphabet,
    trigrams: Followers,
    bigrams: Followers,
    /// Probability of each token without a context, `[V]`.
    unigrams: Vec<f64>,
}

impl TrigramModel {
    fn new(sequences: &[Vec<u32>], alphabet: Alphabet) -> Self {
        let key = |before: u64, last: u64, word: u32| {
            (before << (2 * ID_BITS)) | (last << ID_BITS) | u64::from(word)
        };
        let word_of = |key: u64| (key & ((1 << ID_BITS) - 1)) as u32;
        let (mut trigrams, mut bigrams) = (Vec::new(), Vec::new());
        for (before, last, word) in sequences.iter().flat_map(|ids| alphabet.histories(ids)) {
            match before {
                Some(before) => trigrams.push(key(before, last, word)),
                // Nothing is before the beginning of a text, so these are counted, not their contexts.
                None => bigrams.push(key(0, last, word)),
            }
        }
        trigrams.par_sort_unstable();
        let trigrams: Vec<(u64, u32)> = counted(&trigrams).collect();
        // A bigram counts once for each different token before it.
        bigrams.extend(trigrams.iter().map(|(key, _)| key & ((1 << (2 * ID_BITS)) - 1)));
        bigrams.par_sort_unstable();
        let bigrams: Vec<(u64, u32)> = counted(&bigrams).collect();
        let split = |&(key, count): &(u64, u32)| (key >> ID_BITS, word_of(key), count);

        let mut before = vec![0u64; alphabet.vocab_size];
        for (key, _) in &bigrams {
            if let Some(count) = before.get_mut(word_of(*key) as usize) {
                *count += 1;
            }
        }
        Self {
            alphabet,
            trigrams: Followers::new(trigrams.iter().map(split)),
            bigrams: Followers::new(bigrams.iter().map(split)),
            unigrams: unigrams(&before, alphabet),
        }
    }

    fn probability(&self, before: Option<u64>, last: u64, word: u32) -> f64 {
        let unigram = self.unigrams.get(word as usize).copied().unwrap_or(0.0);
        let interpolate = |order: Option<(f64, f64)>, lower: f64| match order {
            Some((kept, share)) => kept + share * lower,
            None => lower,
        };
        let bigram = interpolate(self.bigrams.after(last, word), unigram);
        let Some(before) = before else { return bigram };
        interpolate(self.trigrams.after((before << ID_BITS) | last, word), bigram)
    }
}

/// The lowest order: each token by the number of different tokens before it, mixed with equal shares.
fn unigrams(before: &[u64], alphabet: Alphabet) -> Vec<f64> {
    let total = before.iter().sum::<u64>() as f64;
    let with = |wanted: u64| before.iter().filter(|&&count| count == wanted).count() as u64;
    let discount = discount(with(1), with(2));
    let n_seen = before.iter().filter(|&&count| count > 0).count() as f64;
    let equal = 1.0 / alphabet.n_predicted().max(1) as f64;
    let probability = |(id, &count): (usize, &u64)| {
        if alphabet.is_boundary(id as u32) {
            return 0.0;
        }
        if total == 0.0 {
            return equal;
        }
        (count as f64 - discount).max(0.0) / total + discount * n_seen / total * equal
    };
    before.iter().enumerate().map(probability).collect()
}

impl TokenModel for TrigramModel {
    fn log_probs(&self, ids: &[u32]) -> Vec<f64> {
        let mut histories = self.alphabet.histories(ids);
        let log_prob = |&id: &u32| {
            if self.alphabet.is_boundary(id) {
                return 0.0;
            }
            let history = histories.next();
            history.map_or(0.0, |(before, last, word)| self.probability(before, last, word).ln())
        };
        ids.iter().map(log_prob).collect()
    }
}

/// The unigrams and trigrams of one training text.
#[derive(Clone, Debug)]
pub struct CountModels {
    /// Token frequencies.
    pub unigram: UnigramModel,
    /// Interpolated Kneser-Ney.
    pub trigram: TrigramModel,
}

/// Mean loss on held-out text in nats per token; `[CLS]` and `[SEP]` do not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldOutLoss {
    /// Of the unigrams: what a masked language model reaches by word frequencies alone.
    pub unigram: f64,
    /// Of the trigrams, from left to right.
    pub trigram: f64,
    /// Tokens of the mean.
    pub n_tokens: u64,
}

impl CountModels {
    /// Of the training examples of a corpus, the first 50 million tokens at most.
    pub fn of_corpus(corpus: &Corpus, special: SpecialIds) -> Self {
        let sequences: Vec<Vec<u32>> = counted_sequences(corpus).collect();
        Self::of_sequences(&sequences, corpus.provenance().vocab_size, special)
    }

    /// Of sequences of token ids below `vocab_size`, which is at most 2 million.
    pub fn of_sequences(sequences: &[Vec<u32>], vocab_size: usize, special: SpecialIds) -> Self {
        let alphabet = Alphabet { vocab_size, special };
        Self {
            unigram: UnigramModel::new(sequences, alphabet),
            trigram: TrigramModel::new(sequences, alphabet),
        }
    }

    /// The losses on the held-out examples of a corpus, over every token that may be masked. None if nothing
    /// is held out.
    pub fn held_out_loss(&self, corpus: &Corpus) -> Option<HeldOutLoss> {
        self.loss(corpus.held_out_ids())
    }

    /// The losses on sequences of token ids; None if no token is predicted.
    fn loss(&self, sequences: impl Iterator<Item = Vec<u32>>) -> Option<HeldOutLoss> {
        let (mut n_tokens, mut unigram, mut trigram) = (0u64, 0.0, 0.0);
        for ids in sequences {
            n_tokens += ids.iter().filter(|&&id| !self.unigram.alphabet.is_boundary(id)).count() as u64;
            unigram -= self.unigram.log_probs(&ids).iter().sum::<f64>();
            trigram -= self.trigram.log_probs(&ids).iter().sum::<f64>();
        }
        let mean = |sum: f64| sum / n_tokens as f64;
        (n_tokens > 0).then(|| HeldOutLoss { unigram: mean(unigram), trigram: mean(trigram), n_tokens })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::DataSpec;
    use crate::hub::DataEnv;
    use crate::records::Silent;
    use crate::text::{Tokenizer, open_corpus, synthetic};

    const SPECIAL: SpecialIds = SpecialIds { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };
    const A: u32 = 5;
    const B: u32 = 6;
    const C: u32 = 7;

    /// The texts `a b a b`, `c` and `a b c`.
    fn small() -> CountModels {
        let sequences = [vec![2, A, B, A, B, 3, C, 3], vec![2, A, B, C, 3]];
        CountModels::of_sequences(&sequences, 8, SPECIAL)
    }

    fn close(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-12, "{one} {other}");
    }

    #[test]
    fn unigrams_by_hand() {
        // a 3, b 3, c 2, [UNK] 0, and one more each: 12 in all.
        let log_probs = small().unigram.log_probs(&[2, A, C, 1, 3]);
        for (log_prob, share) in log_probs.iter().zip([12.0, 4.0, 3.0, 1.0, 12.0]) {
            close(log_prob.exp(), share / 12.0);
        }
    }

    #[test]
    fn trigrams_by_hand() {
        // Trigrams: ^ab twice; aba, bab, abc once. The discount is 3 / (3 + 2 · 1).
        // Bigrams: ^a 2 and ^c 1 as counted; ab after ^ and b: 2; ba after a, bc after a: 1 each. Discount
        // 3 / (3 + 2 · 2).
        // Unigrams: a after ^ and b, b after a, c after ^ and b: 2, 1, 2. Discount 1 / (1 + 2 · 2).
        let (d1, d2, d3) = (0.2, 3.0 / 7.0, 0.6);
        let unigram = |count: f64| (count - d1) / 5.0 + d1 * 3.0 / 5.0 / 4.0;
        let a_after_b = (1.0 - d2) / 2.0 + d2 * unigram(2.0);
        let a_after_ab = (1.0 - d3) / 2.0 + d3 * a_after_b;
        let c_at_start = (1.0 - d2) / 3.0 + d2 * 2.0 / 3.0 * unigram(2.0);
        let b_after_start_a = (2.0 - d3) / 2.0 + d3 / 2.0 * ((2.0 - d2) / 2.0 + d2 / 2.0 * unigram(1.0));
        let unknown_after_c = d1 * 3.0 / 5.0 / 4.0;
        let model = small().trigram;
        let log_probs = model.log_probs(&[2, A, B, A, 3, C, 1, 3]);
        close(log_probs[2].exp(), b_after_start_a);
        close(log_probs[3].exp(), a_after_ab);
        close(log_probs[5].exp(), c_at_start);
        close(log_probs[6].exp(), unknown_after_c);
        assert_eq!([log_probs[0], log_probs[4], log_probs[7]], [0.0; 3]);
    }

    #[test]
    fn probabilities_sum_to_one_after_any_context() {
        let vocabulary = synthetic::vocabulary();
        let tokenizer = Tokenizer::from_vocabulary(&vocabulary, "the language").unwrap();
        let special = tokenizer.special();
        let text = |index| tokenizer.encode(&synthetic::document(0, index).join(" ")).unwrap();
        let sequences: Vec<Vec<u32>> = (0..40).map(text).collect();
        let models = CountModels::of_sequences(&sequences, vocabulary.len(), special);
        let [a, b] = [sequences[3][5], sequences[3][6]];
        for context in [vec![], vec![a], vec![a, b], vec![b, a], vec![special.unk, 700], vec![special.sep, b]]
        {
            for model in [&models.trigram as &dyn TokenModel, &models.unigram] {
                let probability = |id: u32| {
                    let ids = [context.as_slice(), &[id]].concat();
                    model.log_probs(&ids).last().unwrap().exp()
                };
                let special = [special.pad, special.cls, special.sep, special.mask];
                let ids = (0..vocabulary.len() as u32).filter(|id| !special.contains(id));
                let sum: f64 = ids.map(probability).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{sum} after {context:?}");
            }
        }
    }

    #[test]
    fn an_empty_text_gives_equal_probabilities() {
        let models = CountModels::of_sequences(&[], 8, SPECIAL);
        for model in [&models.trigram as &dyn TokenModel, &models.unigram] {
            assert!(model.log_probs(&[A, B, 1]).iter().all(|log_prob| (log_prob.exp() - 0.25).abs() < 1e-12));
        }
        assert_eq!(models.loss(std::iter::once(vec![2, 3])), None);
    }

    /// On held-out documents of the language, trigrams are better than unigrams, and these better than equal
    /// probabilities.
    #[test]
    fn held_out_losses_of_the_language() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataSpec::Language { documents: 2000, seed: 0 };
        let corpus = open_corpus(&data, 64, &DataEnv::at(folder.path()), &Silent).unwrap();
        let tokenizer = Tokenizer::from_vocabulary(&synthetic::vocabulary(), "the language").unwrap();
        let models = CountModels::of_corpus(&corpus, tokenizer.special());
        let loss = models.held_out_loss(&corpus).unwrap();
        let tokens: usize = corpus.held_out_ids().map(|ids| ids.len()).sum();
        assert!(loss.n_tokens as usize > tokens * 9 / 10 && (loss.n_tokens as usize) < tokens);
        assert!(loss.trigram < loss.unigram - 1.0 && loss.unigram < 6.0, "{loss:?}");
        let own = models.loss(corpus.training_ids()).unwrap();
        assert!(own.trigram < loss.trigram, "{own:?} {loss:?}");
    }
}
