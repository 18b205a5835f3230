//! A baseline that knows which words occur and nothing else: a linear model on bags of words.
//!
//! Features are 1 for each token of the vocabulary that occurs in a text. A pair of texts has the bag of
//! each, the bag of the tokens that both have, and the share of common tokens (Jaccard). The model is
//! logistic regression, or ridge regression for scores, with scikit-learn's default penalty of 1. Must never:
//! see the order of the words, or a network. Next: `logistic.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::classifier_measure::measure_of_predictions;
use super::encode::EncodedExample;
use super::logistic::{Features, LinearModel, Targets};
use super::steps::{limit_examples, run_seed};
use super::table::{LabelKind, TaskInfo};
use crate::error::Result;
use crate::records::Measure;
use crate::text::SpecialIds;

/// Weight of the L2 penalty.
const PENALTY: f64 = 1.0;

/// The baseline's name in tables.
const NAME: &str = "bag of words";

/// The baseline for one task.
pub struct BagOfWords<'a> {
    /// The task.
    pub task: TaskInfo,
    /// Whether its examples are from the built-in language.
    pub synthetic: bool,
    /// Examples to train on.
    pub train: &'a [EncodedExample],
    /// Uses at most this many of them, drawn as for fine-tuning.
    pub max_train_examples: Option<usize>,
    /// Examples to score on.
    pub validation: &'a [EncodedExample],
    /// Tokens that are no words.
    pub special: SpecialIds,
}

/// A feature: where a token occurs, and the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Feature {
    First(u32),
    Second(u32),
    Both(u32),
    Overlap,
}

impl BagOfWords<'_> {
    /// The measure named by the task: its metric × 100.
    ///
    /// # Errors
    /// There is no training example, or the model does not converge.
    pub fn run(&self) -> Result<Measure> {
        let train = limit_examples(self.train, self.max_train_examples, run_seed(0, self.task.task, 1));
        let bags: Vec<Vec<(Feature, f64)>> = train.iter().map(|example| self.bag(example)).collect();
        let known: BTreeSet<Feature> = bags.iter().flatten().map(|&(feature, _)| feature).collect();
        let columns: BTreeMap<Feature, u32> = known.into_iter().zip(0..).collect();
        let features = features(&bags, &columns);
        let labels: Vec<f64> = train.iter().map(|example| f64::from(example.label)).collect();
        let classes: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
        let targets = match self.task.labels {
            LabelKind::Classes(names) => Targets::Classes { labels: &classes, n_classes: names.len() },
            LabelKind::Score { .. } => Targets::Scores(&labels),
        };
        let model = LinearModel::fit(&features, &targets, PENALTY)?;
        let bags: Vec<_> = self.validation.iter().map(|example| self.bag(example)).collect();
        let predictions = model.predict(&self::features(&bags, &columns));
        Ok(Measure {
            name: self.task.name.into(),
            baseline: Some(NAME.into()),
            synthetic: self.synthetic,
            ..measure_of_predictions(&self.task, &predictions, self.train, self.validation)
        })
    }

    /// The features of an example that are not zero.
    fn bag(&self, example: &EncodedExample) -> Vec<(Feature, f64)> {
        let texts = [0, 1].map(|segment| -> BTreeSet<u32> {
            let tokens = example.input_ids.iter().zip(&example.token_type_ids);
            let is_word = |token: u32| token != self.special.cls && token != self.special.sep;
            tokens.filter(|&(&token, &of)| of == segment && is_word(token)).map(|(&token, _)| token).collect()
        });
        let [first, second] = &texts;
        let both: Vec<u32> = first.intersection(second).copied().collect();
        let n_either = first.union(second).count();
        let mut bag: Vec<(Feature, f64)> = first.iter().map(|&token| (Feature::First(token), 1.0)).collect();
        bag.extend(second.iter().map(|&token| (Feature::Second(token), 1.0)));
        bag.extend(both.iter().map(|&token| (Feature::Both(token), 1.0)));
        if !both.is_empty() {
            bag.push((Feature::Overlap, both.len() as f64 / n_either as f64));
        }
        bag
    }
}

/// Rows of features; those without a column are left out.
fn features(bags: &[Vec<(Feature, f64)>], columns: &BTreeMap<Feature, u32>) -> Features {
    let row = |bag: &Vec<(Feature, f64)>| {
        bag.iter().filter_map(|(feature, value)| Some((*columns.get(feature)?, *value))).collect()
    };
    Features::Sparse { rows: bags.iter().map(row).collect(), width: columns.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::TaskName;
    use crate::rng::{Purpose, Stream};
    use crate::tasks::table::task_info;

    const SPECIAL: SpecialIds = SpecialIds { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };

    /// Two random texts of six tokens from 5 to 24.
    fn examples(n: usize, seed: u64, label: impl Fn(&[u32], &[u32]) -> f32) -> Vec<EncodedExample> {
        let example = |idx: usize| {
            let mut stream = Stream::new(seed, Purpose::Test, 1, idx as u64);
            let mut text = || (0..6).map(|_| 5 + stream.below(20) as u32).collect::<Vec<_>>();
            let (a, b) = (text(), text());
            let input_ids = [&[2], a.as_slice(), &[3], &b, &[3]].concat();
            let token_type_ids = [[0; 8].as_slice(), &[1; 7]].concat();
            EncodedExample { idx: idx as i64, input_ids, token_type_ids, label: label(&a, &b) }
        };
        (0..n).map(example).collect()
    }

    fn score(task: TaskName, label: impl Fn(&[u32], &[u32]) -> f32) -> Measure {
        let baseline = BagOfWords {
            task: task_info(task),
            synthetic: false,
            train: &examples(600, 1, &label),
            max_train_examples: None,
            validation: &examples(300, 2, &label),
            special: SPECIAL,
        };
        baseline.run().unwrap()
    }

    fn flag(is: bool) -> f32 {
        f32::from(u8::from(is))
    }

    #[test]
    fn it_knows_which_words_occur_and_not_their_order() {
        let word = score(TaskName::Rte, |a, _| flag(a.contains(&9)));
        assert_eq!(
            (word.name.as_str(), word.baseline.as_deref(), word.n),
            ("rte", Some("bag of words"), 300)
        );
        assert!(word.value.unwrap() > 98.0, "{word:?}");
        let order = score(TaskName::Rte, |a, _| flag(a[0] < a[1]));
        assert!(order.value.unwrap() < 60.0, "{order:?}");
    }

    #[test]
    fn it_sees_what_two_texts_have_in_common() {
        let common = |a: &[u32], b: &[u32]| a.iter().filter(|token| b.contains(token)).count();
        let paraphrase = score(TaskName::Mrpc, |a, b| flag(common(a, b) > 1));
        assert!(paraphrase.value.unwrap() > paraphrase.chance.unwrap() + 15.0, "{paraphrase:?}");
        let similarity = score(TaskName::Stsb, |a, b| common(a, b).min(5) as f32);
        assert!(similarity.value.unwrap() > 85.0, "{similarity:?}");
        assert_eq!(similarity.chance, Some(0.0));
    }

    #[test]
    fn the_bag_of_a_pair() {
        let baseline = BagOfWords {
            task: task_info(TaskName::Mrpc),
            synthetic: false,
            train: &[],
            max_train_examples: None,
            validation: &[],
            special: SPECIAL,
        };
        let example = EncodedExample {
            idx: 0,
            input_ids: vec![2, 9, 9, 7, 3, 7, 8, 3],
            token_type_ids: vec![0, 0, 0, 0, 0, 1, 1, 1],
            label: 0.0,
        };
        let expected = [
            (Feature::First(7), 1.0),
            (Feature::First(9), 1.0),
            (Feature::Second(7), 1.0),
            (Feature::Second(8), 1.0),
            (Feature::Both(7), 1.0),
            (Feature::Overlap, 1.0 / 3.0),
        ];
        assert_eq!(baseline.bag(&example), expected);
        assert!(baseline.run().is_err(), "there is nothing to train on");
    }
}
