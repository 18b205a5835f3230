//! Linear models: bits, slopes, penalties and small losses.

use super::*;
use crate::rng::{Purpose, Stream};

/// `n` rows of `width` random numbers in ±1, and random labels that depend on the first column.
fn examples(n: usize, width: usize, n_classes: usize) -> (Vec<f64>, Vec<usize>) {
    let mut stream = Stream::new(5, Purpose::Test, 0, 0);
    let mut number = || f64::from(stream.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0;
    let values: Vec<f64> = (0..n * width).map(|_| number()).collect();
    let label = |row: &[f64]| ((row[0] + 1.0) / 2.0 * n_classes as f64 + number() / 2.0).max(0.0) as usize;
    let labels = values.chunks(width).map(label).map(|label| label.min(n_classes - 1)).collect();
    (values, labels)
}

fn sparse(values: &[f64], width: usize) -> Features {
    let row = |row: &[f64]| (0..).zip(row.iter().copied()).filter(|(_, x)| x.abs() > 0.5).collect();
    Features::Sparse { rows: values.chunks(width).map(row).collect(), width }
}

#[test]
fn a_model_has_the_same_bits_with_any_number_of_threads() {
    let (values, labels) = examples(700, 33, 3);
    let targets = Targets::Classes { labels: &labels, n_classes: 3 };
    for features in [Features::Dense { values: values.clone(), width: 33 }, sparse(&values, 33)] {
        let fit = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| LinearModel::fit(&features, &targets, 0.5).unwrap())
        };
        let one = fit(1);
        assert_eq!(one, fit(2));
        assert_eq!(one, fit(5));
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_value() {
    let (values, labels) = examples(300, 4, 3);
    let features = Features::Dense { values, width: 4 };
    let scores: Vec<f64> = labels.iter().map(|&label| label as f64 - 1.0).collect();
    let ones: Vec<usize> = labels.iter().map(|&label| label.min(1)).collect();
    let all = [
        Targets::Classes { labels: &labels, n_classes: 3 },
        Targets::Classes { labels: &ones, n_classes: 2 },
        Targets::Scores(&scores),
    ];
    for targets in all {
        let parameters: Vec<f64> =
            (0..5 * targets.n_outputs()).map(|index| (index as f64 * 0.7).sin()).collect();
        let (_, gradient) = value_and_gradient(&features, &targets, 2.0, &parameters);
        for (index, slope) in gradient.iter().enumerate() {
            let value_at = |shift: f64| {
                let mut shifted = parameters.clone();
                shifted[index] += shift;
                value_and_gradient(&features, &targets, 2.0, &shifted).0
            };
            let measured = (value_at(1e-5) - value_at(-1e-5)) / 2e-5;
            assert!((measured - slope).abs() < 1e-5 * slope.abs().max(1.0), "{index}: {measured}, {slope}");
        }
    }
}

/// Without noise a large penalty keeps the weights at zero, and a small one finds the rule of the labels.
#[test]
fn the_penalty_decides_how_much_is_learned() {
    let (values, _) = examples(400, 3, 2);
    let labels: Vec<usize> = values.chunks(3).map(|row| usize::from(row[1] > 0.3)).collect();
    let features = Features::Dense { values, width: 3 };
    let targets = Targets::Classes { labels: &labels, n_classes: 2 };
    let n_correct = |penalty| {
        let predictions = LinearModel::fit(&features, &targets, penalty).unwrap().predict(&features);
        predictions.iter().zip(&labels).filter(|(found, label)| **found == **label as f64).count()
    };
    let n_zeros = labels.iter().filter(|label| **label == 0).count();
    assert_eq!(n_correct(1e9), n_zeros, "only the intercept is left");
    assert!(n_correct(1e-6) >= 398, "{}", n_correct(1e-6));
}

#[test]
fn a_class_without_examples_is_never_predicted() {
    let (values, _) = examples(50, 3, 2);
    let features = Features::Dense { values, width: 3 };
    for n_classes in [2, 3] {
        let targets = Targets::Classes { labels: &[1; 50], n_classes };
        assert_eq!(LinearModel::fit(&features, &targets, 1.0).unwrap().predict(&features), [1.0; 50]);
    }
}

/// A softmax and two logits of opposite sign are the same model, which shows in the losses and slopes of two
/// classes.
#[test]
fn losses_keep_their_precision_where_they_are_small() {
    for (margin, loss) in
        [(-3.0f64, 3.048_587_351_573_742), (0.0, std::f64::consts::LN_2), (40.0, (-40.0f64).exp())]
    {
        for label in [0, 1] {
            let logit = if label == 1 { margin } else { -margin };
            let (mut one, mut two) = ([logit], [1.0, 1.0 + logit]);
            let losses = [binary_loss(label, &mut one), softmax_loss(label, &mut two)];
            for found in losses {
                assert!((found / loss - 1.0).abs() < 1e-12, "{margin}: {found}, not {loss}");
            }
            assert!((one[0] / two[1] - 1.0).abs() < 1e-12 && (two[0] / -two[1] - 1.0).abs() < 1e-12);
        }
    }
    assert_eq!(softmax_loss(0, &mut [0.0, 1000.0, -1000.0]), 1000.0);
}

#[test]
fn examples_and_targets_must_match() {
    let features = Features::Dense { values: vec![1.0, 2.0], width: 1 };
    assert!(LinearModel::fit(&features, &Targets::Scores(&[1.0]), 1.0).is_err());
    let none = Features::Sparse { rows: Vec::new(), width: 3 };
    assert!(LinearModel::fit(&none, &Targets::Scores(&[]), 1.0).is_err());
}

/// The last column varies by the rounding of f32 around 3: it must not become noise of variance 1.
#[test]
fn columns_are_standardised_by_the_first_rows() {
    let mut rows = [1.0, 5.0, 3.0, 3.0, 5.0, 3.0 + 2e-7, 100.0, 6.0, 3.0];
    standardise(&mut rows, 3, 2);
    assert_eq!(rows, [-1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 98.0, 0.0, 0.0]);
}
