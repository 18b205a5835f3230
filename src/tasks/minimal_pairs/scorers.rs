//! Scores of both sentences of each pair by the networks of an objective.
//!
//! A score is a sum over the tokens of a sentence, `[CLS]` and `[SEP]` left out:
//!
//! - `disc_sum`: Σ log(1 - D), where D is the discriminator's probability that a token was replaced;
//! - `disc_diff`: the same over the tokens in which the two sentences differ, which lie between their longest
//!   common beginning and their longest common end;
//! - `pll`: Σ log p(x | the others, x masked), one pass per token (Salazar et al. 2020, arXiv 1910.14659);
//! - `pll_word_l2r`: the same with the pieces of x's word to its right masked too (Kauf and Ivanova 2023,
//!   arXiv 2305.10588);
//! - `electric`: Σ -E, one pass (Clark et al. 2020b, arXiv 2012.08561);
//! - `restore`: Σ log p(x) by a network that restores originals and reads x itself, one pass;
//! - `generator_…`: by the generator.
//!
//! Must never: score two sentences of a pair by different rules. Next: `score.rs` compares the sums.

use super::sets::PairSet;
use crate::error::{Error, ErrorKind, Result};
use crate::objective::{MaskedScorer, OnePassKind, OnePassScorer, TokenScorers};
use crate::records::PairScore;
use crate::text::{Batch, MinimalPair, TokenModel, Tokenizer};

/// Tokens per batch, about.
const BATCH_TOKENS: usize = 4096;

/// The scores of a set by one scorer.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredSet {
    /// The scorer: `disc_sum`.
    pub scorer: &'static str,
    /// One entry per pair, in the set's order.
    pub scores: Vec<PairScore>,
}

/// Both sentences of a pair as token ids without `[CLS]` and `[SEP]`.
struct EncodedPair<'a> {
    pair: &'a MinimalPair,
    good: Vec<u32>,
    bad: Vec<u32>,
}

/// What scoring needs besides the networks.
pub struct PairScoring<'a> {
    /// Turns sentences into tokens.
    pub tokenizer: &'a Tokenizer,
    /// Rows of the networks' position table.
    pub positions: usize,
    /// Fails if the run must stop.
    pub stop: &'a dyn Fn() -> Result<()>,
}

/// The scorers by which networks score, in the order of [`score_pairs`].
pub fn scorer_names(scorers: &TokenScorers) -> Vec<&'static str> {
    let one_pass = scorers.one_pass.iter().flat_map(|scorer| one_pass_names(scorer.kind));
    let masked = scorers.masked.iter().flat_map(|scorer| masked_names(scorer.is_generator));
    one_pass.copied().chain(masked).collect()
}

/// The sums that are made of what a one-pass scorer computes: over the whole sentence, and, if there are two,
/// over the tokens that differ.
fn one_pass_names(kind: OnePassKind) -> &'static [&'static str] {
    match kind {
        OnePassKind::Discriminator => &["disc_sum", "disc_diff"],
        OnePassKind::Electric => &["electric"],
        OnePassKind::Restorer => &["restore"],
        OnePassKind::Towers => &["generator_pll"],
    }
}

/// The sums that are made of what a masked language model computes.
fn masked_names(is_generator: bool) -> [&'static str; 2] {
    match is_generator {
        false => ["pll", "pll_word_l2r"],
        true => ["generator_pll", "generator_pll_word_l2r"],
    }
}

/// Scores every pair of a set with every network whose scores are not saved.
///
/// # Errors
/// A sentence has no token or more tokens than the networks have positions; a score is not finite.
pub fn score_pairs(
    set: &PairSet,
    scorers: &TokenScorers,
    scoring: &PairScoring,
    is_saved: &dyn Fn(&str) -> bool,
) -> Result<Vec<ScoredSet>> {
    if scorer_names(scorers).into_iter().all(is_saved) {
        return Ok(Vec::new());
    }
    let encoded: Vec<EncodedPair> =
        set.pairs.iter().map(|pair| encode(pair, scoring)).collect::<Result<_>>()?;
    let are_saved = |names: &[&str]| names.iter().all(|name| is_saved(name));
    let mut all = Vec::new();
    for scorer in scorers.one_pass.iter().filter(|scorer| !are_saved(one_pass_names(scorer.kind))) {
        all.extend(one_pass(&encoded, scorer, scoring)?);
    }
    for scorer in scorers.masked.iter().filter(|scorer| !are_saved(&masked_names(scorer.is_generator))) {
        all.extend(masked(&encoded, scorer, scoring)?);
    }
    Ok(all)
}

/// Checks before training that every sentence of a set fits into the networks' positions.
///
/// # Errors
/// A sentence has no token or more tokens than the networks have positions.
pub fn check_pairs_fit(set: &PairSet, tokenizer: &Tokenizer, positions: usize) -> Result<()> {
    let scoring = PairScoring { tokenizer, positions, stop: &|| Ok(()) };
    set.pairs.iter().try_for_each(|pair| encode(pair, &scoring).map(drop))
}

/// The scores of a set by a model of token counts: Σ log p(x) over the tokens of a sentence.
///
/// # Errors
/// A sentence has no token.
pub fn score_pairs_by_model(
    set: &PairSet,
    model: &dyn TokenModel,
    scoring: &PairScoring,
) -> Result<Vec<PairScore>> {
    let special = scoring.tokenizer.special();
    // In ascending order, so that two sentences of the same words have the same sum to the last bit.
    let sum = |ids: &Vec<u32>| -> f64 {
        let mut scores = model.log_probs(&with_ends(ids, special.cls, special.sep));
        scores.sort_by(f64::total_cmp);
        scores.into_iter().sum()
    };
    let score = |(index, pair): (usize, &MinimalPair)| {
        (scoring.stop)()?;
        let encoded = encode(pair, scoring)?;
        Ok(encoded.score(index, [sum(&encoded.good), sum(&encoded.bad)]))
    };
    set.pairs.iter().enumerate().map(score).collect()
}

fn encode<'a>(pair: &'a MinimalPair, scoring: &PairScoring) -> Result<EncodedPair<'a>> {
    let ids = |sentence: &str| {
        let ids = scoring.tokenizer.encode(sentence)?;
        if ids.is_empty() || ids.len() > scoring.positions.saturating_sub(2) {
            let what = format!(
                "\"{sentence}\" ({}) has {} tokens, and the model takes 1 to {} between [CLS] and [SEP]",
                pair.paradigm,
                ids.len(),
                scoring.positions.saturating_sub(2)
            );
            return Err(Error::new(ErrorKind::Data, what, "raise model.positions, or leave this set out"));
        }
        Ok(ids)
    };
    Ok(EncodedPair { pair, good: ids(&pair.good)?, bad: ids(&pair.bad)? })
}

impl EncodedPair<'_> {
    fn sentences(&self) -> [&Vec<u32>; 2] {
        [&self.good, &self.bad]
    }

    /// How many tokens both sentences have in common at their beginning and at their end, without overlap.
    fn common_ends(&self) -> (usize, usize) {
        let shorter = self.good.len().min(self.bad.len());
        let same = |(a, b): &(&u32, &u32)| a == b;
        let start = self.good.iter().zip(&self.bad).take_while(same).count();
        let end = self.good.iter().rev().zip(self.bad.iter().rev()).take_while(same).count();
        (start, end.min(shorter - start.min(shorter)))
    }

    fn score(&self, index: usize, [good, bad]: [f64; 2]) -> PairScore {
        PairScore {
            paradigm: self.pair.paradigm.clone(),
            phenomenon: self.pair.phenomenon.clone(),
            pair: index as u64,
            good,
            bad,
            n_good: self.good.len() as u32,
            n_bad: self.bad.len() as u32,
        }
    }
}

/// Sums of every pair, `[good, bad]`, as the scores of a scorer.
fn scored(encoded: &[EncodedPair], scorer: &'static str, sums: &[[f64; 2]]) -> ScoredSet {
    let scores = encoded.iter().zip(sums).enumerate().map(|(index, (pair, sums))| pair.score(index, *sums));
    ScoredSet { scorer, scores: scores.collect() }
}

/// The same scores with the numbers of tokens that differ, over which they are sums.
fn over_differing(encoded: &[EncodedPair], set: ScoredSet) -> ScoredSet {
    let counted = |(score, pair): (PairScore, &EncodedPair)| {
        let (start, end) = pair.common_ends();
        let n_common = (start + end) as u32;
        PairScore { n_good: score.n_good - n_common, n_bad: score.n_bad - n_common, ..score }
    };
    ScoredSet { scores: set.scores.into_iter().zip(encoded).map(counted).collect(), ..set }
}

/// The scores by a network that reads a sentence once.
fn one_pass(
    encoded: &[EncodedPair],
    scorer: &OnePassScorer,
    scoring: &PairScoring,
) -> Result<Vec<ScoredSet>> {
    let special = scoring.tokenizer.special();
    let (mut sums, mut differing) = (Vec::with_capacity(encoded.len()), Vec::with_capacity(encoded.len()));
    for chunk in chunks(encoded, |pair| pair.good.len() + pair.bad.len() + 4) {
        (scoring.stop)()?;
        let mut batch = Batch::new();
        for sentence in chunk.iter().flat_map(EncodedPair::sentences) {
            batch.push(&with_ends(sentence, special.cls, special.sep), &[]);
        }
        let scores = scorer.scores(&batch)?;
        // Without [CLS] and [SEP].
        let of_sentence = |index: usize| {
            let bounds = batch.offsets.get(index).zip(batch.offsets.get(index + 1));
            bounds.and_then(|(start, end)| scores.get(start + 1..end - 1)).unwrap_or_default()
        };
        for (index, pair) in chunk.iter().enumerate() {
            let sentences = [of_sentence(2 * index), of_sentence(2 * index + 1)];
            let (start, end) = pair.common_ends();
            sums.push(sentences.map(|scores| scores.iter().sum::<f64>()));
            let middle =
                |scores: &[f64]| scores.get(start..scores.len() - end).map_or(0.0, |s| s.iter().sum());
            differing.push(sentences.map(middle));
        }
    }
    Ok(match one_pass_names(scorer.kind) {
        [] => Vec::new(),
        [whole] => vec![scored(encoded, whole, &sums)],
        [whole, difference, ..] => {
            let over_what_differs = over_differing(encoded, scored(encoded, difference, &differing));
            vec![scored(encoded, whole, &sums), over_what_differs]
        }
    })
}

/// One token of one sentence that is to be predicted.
struct Query<'a> {
    /// Index of the pair, and 0 for its good or 1 for its bad sentence.
    owner: (usize, usize),
    sentence: &'a [u32],
    /// The token's place in the sentence.
    target: usize,
    /// How many tokens from the target on are masked.
    n_masked: usize,
}

/// The scores by a masked language model.
fn masked(encoded: &[EncodedPair], scorer: &MaskedScorer, scoring: &PairScoring) -> Result<Vec<ScoredSet>> {
    let [pll, by_word] = masked_names(scorer.is_generator);
    let (mut single, mut word_rest) = (Vec::new(), Vec::new());
    for (index, pair) in encoded.iter().enumerate() {
        for (side, sentence) in pair.sentences().into_iter().enumerate() {
            let rest = rest_of_words(sentence, scoring.tokenizer);
            for (target, n_masked) in rest.into_iter().enumerate() {
                let query = |n_masked| Query { owner: (index, side), sentence, target, n_masked };
                single.push(query(1));
                // A token that ends its word has the same score by both rules.
                if n_masked > 1 {
                    word_rest.push(query(n_masked));
                }
            }
        }
    }
    let alone = answers(&single, scorer, scoring)?;
    let with_rest = answers(&word_rest, scorer, scoring)?;
    let mut sums = vec![[0.0; 2]; encoded.len()];
    let mut by_word_sums = sums.clone();
    let mut later = word_rest.iter().zip(&with_rest).peekable();
    for (query, alone) in single.iter().zip(&alone) {
        let (index, side) = query.owner;
        let same = |other: &(&Query, &f64)| other.0.owner == query.owner && other.0.target == query.target;
        let by_word = later.next_if(same).map_or(*alone, |(_, answer)| *answer);
        sums[index][side] += alone;
        by_word_sums[index][side] += by_word;
    }
    Ok(vec![scored(encoded, pll, &sums), scored(encoded, by_word, &by_word_sums)])
}

/// For each token, how many tokens there are from it to the end of its word.
fn rest_of_words(sentence: &[u32], tokenizer: &Tokenizer) -> Vec<usize> {
    let mut rest = vec![1; sentence.len()];
    for at in (1..sentence.len()).rev() {
        let continues = tokenizer.token(sentence[at]).is_some_and(|token| token.starts_with("##"));
        if continues {
            rest[at - 1] = rest[at] + 1;
        }
    }
    rest
}

/// log p of the token that each query asks for.
fn answers(queries: &[Query], scorer: &MaskedScorer, scoring: &PairScoring) -> Result<Vec<f64>> {
    let special = scoring.tokenizer.special();
    let mut answers = Vec::with_capacity(queries.len());
    for chunk in chunks(queries, |query| query.sentence.len() + 2) {
        (scoring.stop)()?;
        let (mut batch, mut positions, mut targets) = (Batch::new(), Vec::new(), Vec::new());
        for query in chunk {
            let Query { sentence, target, n_masked, .. } = *query;
            positions.push((batch.n_tokens() + 1 + target) as u32);
            targets.push(sentence[target]);
            let mut hidden = sentence.to_vec();
            hidden[target..target + n_masked].fill(special.mask);
            batch.push(&with_ends(&hidden, special.cls, special.sep), &[]);
        }
        answers.extend(scorer.scores(&batch, &positions, &targets)?);
    }
    Ok(answers)
}

fn with_ends(sentence: &[u32], cls: u32, sep: u32) -> Vec<u32> {
    std::iter::once(cls).chain(sentence.iter().copied()).chain([sep]).collect()
}

/// Cuts items into runs of about [`BATCH_TOKENS`] tokens.
fn chunks<T>(items: &[T], n_tokens: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut total = 0;
        let fits = |item: &&T| {
            total += n_tokens(item);
            total <= BATCH_TOKENS
        };
        let n = rest.iter().take_while(fits).count().max(1);
        let (chunk, later) = rest.split_at_checked(n)?;
        rest = later;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests;
