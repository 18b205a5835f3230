//! Scores of pairs against their definitions, token by token.

use candle_core::Device;

use super::*;
use crate::experiment::{ModelSpec, ObjectiveSpec, PAIR_SCORERS, TrainSpec, TrialSpec};
use crate::objective::{Objective, Vocabulary, build};

const WORDS: [&str; 12] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cats", "cat", "play", "##ing", "##s", "."];

fn tokenizer() -> Tokenizer {
    Tokenizer::from_vocabulary(&WORDS.map(String::from), "a test").unwrap()
}

fn objective(kind: &str) -> Box<dyn Objective> {
    let model = ModelSpec {
        hidden: Some(16),
        layers: Some(2),
        heads: Some(2),
        embedding: Some(8),
        positions: 32,
        initializer_range: 0.3,
        generator_ratio: 1.0,
        sharing: if kind == "two_stage" { crate::experiment::Sharing::None } else { Default::default() },
        ..Default::default()
    };
    let objective: ObjectiveSpec = serde_json::from_value(serde_json::json!({ "kind": kind })).unwrap();
    let train = TrainSpec { seq_len: 16, steps: 10, ..Default::default() };
    let (data, init, evaluate) = Default::default();
    let spec =
        TrialSpec { seed: 4, model, objective, data, train, published: None, init, evaluate, control: None };
    let vocabulary = Vocabulary {
        size: WORDS.len(),
        mask: 4,
        never_masked: vec![0, 2, 3, 4],
        counts: vec![1; WORDS.len()],
        bigrams: None,
    };
    build(&spec, &vocabulary, &Device::Cpu).unwrap()
}

fn set() -> PairSet {
    let pair = |good: &str, bad: &str| MinimalPair {
        paradigm: "number".into(),
        phenomenon: "agreement".into(),
        good: good.into(),
        bad: bad.into(),
    };
    let mut pairs = vec![
        pair("the cats play.", "the cat play."),
        pair("the cat plays.", "the cat playing."),
        pair("the cats playings.", "the cats."),
    ];
    // Enough for several batches.
    pairs.extend((0..400).map(|_| pair("the cat plays the cats.", "the cat play the cats.")));
    PairSet { word: "test", pairs, revision: "built-in".into(), synthetic: true }
}

fn scored(kind: &str) -> Vec<ScoredSet> {
    let (tokenizer, objective) = (tokenizer(), objective(kind));
    let scoring = PairScoring { tokenizer: &tokenizer, positions: 32, stop: &|| Ok(()) };
    let scorers = objective.scorers();
    let scored = score_pairs(&set(), &scorers, &scoring, &|_| false).unwrap();
    assert_eq!(scorer_names(&scorers), scored.iter().map(|set| set.scorer).collect::<Vec<_>>());
    assert!(score_pairs(&set(), &scorers, &scoring, &|_| true).unwrap().is_empty(), "all are saved");
    scored
}

fn sums(scored: &[ScoredSet], scorer: &str) -> Vec<[f64; 2]> {
    let found = scored.iter().find(|set| set.scorer == scorer).unwrap();
    found.scores.iter().map(|score| [score.good, score.bad]).collect()
}

fn sentences() -> Vec<[Vec<u32>; 2]> {
    let tokenizer = tokenizer();
    let ids = |text: &str| tokenizer.encode(text).unwrap();
    set().pairs.iter().map(|pair| [ids(&pair.good), ids(&pair.bad)]).collect()
}

fn close(found: &[[f64; 2]], expected: &[[f64; 2]]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-5, "{found} against {expected}");
    }
}

#[test]
fn each_objective_has_its_scorers() {
    let names = |kind: &str| {
        let names: Vec<&str> = scored(kind).iter().map(|set| set.scorer).collect();
        format!("{kind}: {}", names.join(" "))
    };
    let kinds = [
        "mlm",
        "rtd",
        "electra_15",
        "two_stage",
        "adversarial",
        "replace_mlm",
        "all_tokens_mlm",
        "coco_lm",
        "electric",
    ];
    // An experiment file may name each of them and no other.
    let bare: std::collections::BTreeSet<&str> = kinds
        .iter()
        .flat_map(|kind| scored(kind))
        .map(|set| set.scorer.strip_prefix("generator_").unwrap_or(set.scorer))
        .collect();
    assert_eq!(bare, PAIR_SCORERS.into_iter().collect());
    insta::assert_snapshot!(kinds.map(names).join("\n"), @r"
    mlm: pll pll_word_l2r
    rtd: disc_sum disc_diff generator_pll generator_pll_word_l2r
    electra_15: disc_sum disc_diff generator_pll generator_pll_word_l2r
    two_stage: disc_sum disc_diff generator_pll generator_pll_word_l2r
    adversarial: disc_sum disc_diff generator_pll generator_pll_word_l2r
    replace_mlm: restore generator_pll generator_pll_word_l2r
    all_tokens_mlm: restore generator_pll generator_pll_word_l2r
    coco_lm: disc_sum disc_diff generator_pll generator_pll_word_l2r
    electric: electric generator_pll
    ");
}

/// The pieces are: the cat ##s play . / the cat play .; the cat play ##s . / the cat play ##ing .; the cat
/// ##s play ##ing ##s . / the cat ##s .
#[test]
fn scores_have_the_numbers_of_their_tokens() {
    let scored = scored("rtd");
    let counts = |scorer: &str| -> Vec<[u32; 2]> {
        let found = scored.iter().find(|set| set.scorer == scorer).unwrap();
        found.scores.iter().take(3).map(|score| [score.n_good, score.n_bad]).collect()
    };
    let whole: Vec<[u32; 2]> =
        sentences().iter().take(3).map(|pair| [0, 1].map(|side: usize| pair[side].len() as u32)).collect();
    assert_eq!(counts("disc_sum"), whole);
    assert_eq!(counts("generator_pll"), whole);
    let differing = counts("disc_diff");
    assert_eq!(differing[1], [1, 1], "##s and ##ing");
    assert!(differing.iter().zip(&whole).all(|(some, all)| some[0] < all[0] && some[1] < all[1]));
}

/// One sentence and one masked token at a time, as the definitions say.
#[test]
fn pseudo_log_likelihoods_are_those_of_the_definitions() {
    let objective = objective("mlm");
    let scorers = objective.scorers();
    let network = &scorers.masked[0];
    let by = |masked: &dyn Fn(&[u32], usize) -> usize| -> Vec<[f64; 2]> {
        let score = |ids: &Vec<u32>| -> f64 {
            (0..ids.len())
                .map(|target| {
                    let mut read: Vec<u32> = [2].into_iter().chain(ids.iter().copied()).chain([3]).collect();
                    read[target + 1..=masked(ids, target) + 1].fill(4);
                    let mut batch = Batch::new();
                    batch.push(&read, &[]);
                    network.scores(&batch, &[target as u32 + 1], &[ids[target]]).unwrap()[0]
                })
                .sum()
        };
        sentences().iter().map(|pair| [score(&pair[0]), score(&pair[1])]).collect()
    };
    let found = scored("mlm");
    close(&sums(&found, "pll"), &by(&|_, target| target));
    // The last piece of the word that the target is in: ##ing and ##s continue a word.
    let word_end = |ids: &[u32], target: usize| {
        (target + 1..ids.len()).take_while(|&at| [9, 10].contains(&ids[at])).last().unwrap_or(target)
    };
    close(&sums(&found, "pll_word_l2r"), &by(&word_end));
    assert_ne!(sums(&found, "pll")[1], sums(&found, "pll_word_l2r")[1]);
    assert_eq!(sums(&found, "pll")[0], sums(&found, "pll_word_l2r")[0], "no word is in pieces");
}

#[test]
fn discriminators_sum_the_log_probability_of_original() {
    let objective = objective("rtd");
    let scorers = objective.scorers();
    let tokens = |ids: &Vec<u32>| -> Vec<f64> {
        let mut batch = Batch::new();
        batch.push(&with_ends(ids, 2, 3), &[]);
        let scores = scorers.one_pass[0].scores(&batch).unwrap();
        assert!(scores.iter().all(|score| *score < 0.0), "log probabilities: {scores:?}");
        scores[1..scores.len() - 1].to_vec()
    };
    let sum = |scores: &[f64]| scores.iter().sum::<f64>();
    let pairs = sentences();
    let whole: Vec<[f64; 2]> =
        pairs.iter().map(|pair| [sum(&tokens(&pair[0])), sum(&tokens(&pair[1]))]).collect();
    let found = scored("rtd");
    close(&sums(&found, "disc_sum"), &whole);
    // the cats play . | the cat play .: the second token alone.
    let differing = sums(&found, "disc_diff");
    close(&differing[..1], &[[tokens(&pairs[0][0])[1], tokens(&pairs[0][1])[1]]]);
    // the cats play ##ing ##s . | the cats .: nothing of the bad sentence differs.
    close(&differing[2..3], &[[sum(&tokens(&pairs[2][0])[2..5]), 0.0]]);
}

#[test]
fn a_sentence_that_does_not_fit_is_named() {
    let (tokenizer, objective) = (tokenizer(), objective("mlm"));
    let scoring = PairScoring { tokenizer: &tokenizer, positions: 5, stop: &|| Ok(()) };
    let error = score_pairs(&set(), &objective.scorers(), &scoring, &|_| false).unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"
    "the cats play." (number) has 4 tokens, and the model takes 1 to 3 between [CLS] and [SEP]
    hint: raise model.positions, or leave this set out
    "#);
}

#[test]
fn common_ends_do_not_overlap() {
    let ends = |good: &[u32], bad: &[u32]| {
        let pair = &set().pairs[0];
        EncodedPair { pair, good: good.into(), bad: bad.into() }.common_ends()
    };
    assert_eq!(ends(&[5, 6, 7, 8], &[5, 9, 7, 8]), (1, 2));
    assert_eq!(ends(&[5, 6, 6, 8], &[5, 6, 8]), (2, 1));
    assert_eq!(ends(&[5, 6], &[5, 6]), (2, 0));
    assert_eq!(ends(&[5], &[6, 7]), (0, 0));
}
