//! Linear models with an L2 penalty: multinomial logistic regression, and ridge regression for scores.
//!
//! The penalty is scikit-learn's: the sum of the examples' losses plus `penalty` / 2 times the squared norm
//! of the weights, without the intercepts (`LogisticRegression(C=1/penalty)`, `Ridge(alpha=penalty)`). Two
//! classes have one output, as there. Sums over examples are taken in fixed blocks, in order, so a model has
//! the same bits whatever the number of threads. Must never: draw a random number. Next:
//! `logistic/minimise.rs` steps to the minimum, `logistic/preconditioner.rs` makes its steps nearly Newton's,
//! and `logistic/golden.rs` compares with scikit-learn.

mod features;
#[cfg(test)]
mod golden;
mod minimise;
mod preconditioner;
#[cfg(test)]
mod tests;

pub use features::{Features, standardise};

use rayon::prelude::*;

use crate::error::{Error, ErrorKind, Result};
use minimise::minimise;
use preconditioner::Preconditioner;

/// Examples per block of a sum.
const BLOCK: usize = 256;

/// The largest entry of the gradient at which the minimum counts as found: per example, and per unit of a
/// penalty below 1, since the error of a weight is up to the gradient divided by the penalty.
const TOLERANCE: f64 = 1e-9;
/// The tolerance is never below this one, which rounding allows.
const SMALLEST_TOLERANCE: f64 = 1e-13;
/// Where rounding ends the search, a gradient so many times larger is accepted.
const LOOSE: f64 = 100.0;
/// Times that the curvature is computed before giving up.
const MAX_ROUNDS: usize = 50;
/// Steps with the same curvature where it is computed again.
const NEWTON_STEPS: usize = 30;
/// Steps with the same curvature where it is not.
const MAX_STEPS: usize = 300;

/// What a model predicts.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// The class of every example, from 0.
    Classes {
        /// One per example.
        labels: &'a [usize],
        /// Number of classes, at least two.
        n_classes: usize,
    },
    /// The score of every example.
    Scores(&'a [f64]),
}

impl Targets<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Classes { labels, .. } => labels.len(),
            Self::Scores(scores) => scores.len(),
        }
    }

    fn n_outputs(&self) -> usize {
        match self {
            Self::Classes { n_classes, .. } if *n_classes > 2 => *n_classes,
            Self::Classes { .. } | Self::Scores(_) => 1,
        }
    }

    /// The second derivative of every example's loss by an output at some parameters: p (1 - p) for a class
    /// of probability p. For more than two classes that at equal probabilities, where the search begins.
    fn curvatures(&self, features: &Features, parameters: &[f64]) -> Vec<f64> {
        let n = self.n_outputs() as f64;
        let of_row = |row: usize| match self {
            Self::Classes { .. } if n > 1.0 => (n - 1.0) / (n * n),
            Self::Classes { .. } => {
                let decay = (-output_of(features, row, parameters).abs()).exp();
                decay / (1.0 + decay).powi(2)
            }
            Self::Scores(_) => 1.0,
        };
        (0..self.len()).map(of_row).collect()
    }

    /// The loss of example `row` in nats, or half its squared error; turns its outputs into the loss's
    /// derivatives.
    fn loss(&self, row: usize, outputs: &mut [f64]) -> f64 {
        match self {
            Self::Classes { labels, n_classes } => {
                let label = labels.get(row).copied().unwrap_or(0);
                if *n_classes > 2 { softmax_loss(label, outputs) } else { binary_loss(label, outputs) }
            }
            Self::Scores(scores) => {
                let score = scores.get(row).copied().unwrap_or(0.0);
                outputs.iter_mut().for_each(|output| *output -= score);
                outputs.iter().map(|error| error * error / 2.0).sum()
            }
        }
    }
}

/// The output is the logit of class 1. Small losses and derivatives keep their relative precision.
fn binary_loss(label: usize, outputs: &mut [f64]) -> f64 {
    let sign = if label == 1 { 1.0 } else { -1.0 };
    let mut loss = 0.0;
    for output in outputs {
        let margin = sign * *output;
        let decay = (-margin.abs()).exp();
        loss += decay.ln_1p() + (-margin).max(0.0);
        let wrong = if margin >= 0.0 { decay / (1.0 + decay) } else { 1.0 / (1.0 + decay) };
        *output = -sign * wrong;
    }
    loss
}

fn softmax_loss(label: usize, outputs: &mut [f64]) -> f64 {
    let largest = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let below = largest - outputs.get(label).copied().unwrap_or(largest);
    outputs.iter_mut().for_each(|output| *output = (*output - largest).exp());
    let of_label = (-below).exp();
    let others = (0..).zip(outputs.iter()).filter(|(class, _)| *class != label);
    let rest: f64 = others.map(|(_, exponential)| exponential).sum();
    let sum = rest + of_label;
    outputs.iter_mut().for_each(|output| *output /= sum);
    if let Some(output) = outputs.get_mut(label) {
        *output = -rest / sum;
    }
    if of_label > 0.0 { (rest / of_label).ln_1p() } else { sum.ln() + below }
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearModel {
    width: usize,
    /// Per output its weights, then its intercept.
    parameters: Vec<f64>,
    is_classifier: bool,
}

impl LinearModel {
    /// Fits a model to examples.
    ///
    /// # Errors
    /// There is no example, or the minimum is not found: the penalty is too small for these examples.
    pub fn fit(features: &Features, targets: &Targets, penalty: f64) -> Result<Self> {
        let (n, width, n_outputs) = (targets.len(), features.width(), targets.n_outputs());
        if n == 0 || features.len() != n {
            let what = format!("a linear model got {n} targets for {} rows of features", features.len());
            return Err(Error::internal(what));
        }
        let evaluate = |parameters: &[f64]| value_and_gradient(features, targets, penalty, parameters);
        let tolerance = n as f64 * (TOLERANCE * penalty.min(1.0)).max(SMALLEST_TOLERANCE);
        // One output's curvature changes on the way, so it is computed again and again: Newton's method.
        // Several outputs depend on each other too, which the steps find out by themselves.
        let is_newton = n_outputs == 1 && matches!(features, Features::Dense { .. });
        let max_steps = if is_newton { NEWTON_STEPS } else { MAX_STEPS };
        let mut parameters = vec![0.0; n_outputs * (width + 1)];
        let mut largest = f64::INFINITY;
        for _ in 0..MAX_ROUNDS {
            let curvatures = targets.curvatures(features, &parameters);
            let preconditioner = Preconditioner::new(features, &curvatures, penalty)?;
            let precondition = |vector: &mut [f64]| preconditioner.apply(vector);
            let before = largest;
            (parameters, largest) = minimise(parameters, max_steps, evaluate, precondition, tolerance);
            // A round without progress ends at the precision of f64.
            if largest <= tolerance || largest == before {
                break;
            }
        }
        if largest > LOOSE * tolerance {
            let what = format!(
                "a linear model of {width} features and {n} examples did not converge: the largest entry of its \
                 gradient is {largest:e}, not {tolerance:e}"
            );
            let hint = "raise its L2 penalty (evaluate.probe.penalty)";
            return Err(Error::new(ErrorKind::Training, what, hint));
        }
        Ok(Self { width, parameters, is_classifier: matches!(targets, Targets::Classes { .. }) })
    }

    /// The predictions for every row: the class with the largest output, the first of equal ones, or the
    /// score.
    pub fn predict(&self, features: &Features) -> Vec<f64> {
        let prediction = |row| self.prediction(&outputs_of(features, row, &self.parameters));
        (0..features.len()).into_par_iter().map(prediction).collect()
    }

    fn prediction(&self, outputs: &[f64]) -> f64 {
        match outputs {
            [output] if self.is_classifier => f64::from(u8::from(*output > 0.0)),
            [output] => *output,
            _ => {
                let largest = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                outputs.iter().position(|&output| output == largest).unwrap_or(0) as f64
            }
        }
    }
}

/// The outputs of a row.
fn outputs_of(features: &Features, row: usize, parameters: &[f64]) -> Vec<f64> {
    parameters.chunks(features.width() + 1).map(|output| output_of(features, row, output)).collect()
}

/// The output of a row for one output's weights and intercept.
fn output_of(features: &Features, row: usize, parameters: &[f64]) -> f64 {
    match parameters.split_last() {
        Some((intercept, weights)) => features.dot(row, weights) + intercept,
        None => 0.0,
    }
}

/// The penalised loss, and its gradient.
fn value_and_gradient(
    features: &Features,
    targets: &Targets,
    penalty: f64,
    parameters: &[f64],
) -> (f64, Vec<f64>) {
    let stride = features.width() + 1;
    let of_block = |first: usize| {
        let (mut loss, mut gradient) = (0.0, vec![0.0; parameters.len()]);
        for row in first..(first + BLOCK).min(targets.len()) {
            let mut outputs = outputs_of(features, row, parameters);
            loss += targets.loss(row, &mut outputs);
            for (derivative, gradient) in outputs.iter().zip(gradient.chunks_mut(stride)) {
                if let Some((intercept, weights)) = gradient.split_last_mut() {
                    features.add_scaled(row, *derivative, weights);
                    *intercept += derivative;
                }
            }
        }
        (loss, gradient)
    };
    let firsts: Vec<usize> = (0..targets.len()).step_by(BLOCK).collect();
    let blocks: Vec<(f64, Vec<f64>)> = firsts.into_par_iter().map(of_block).collect();
    let (mut value, mut total) = (0.0, vec![0.0; parameters.len()]);
    for (loss, gradient) in blocks {
        value += loss;
        total.iter_mut().zip(gradient).for_each(|(total, one)| *total += one);
    }
    for (total, parameters) in total.chunks_mut(stride).zip(parameters.chunks(stride)) {
        for (total, weight) in total.iter_mut().zip(parameters).take(features.width()) {
            *total += penalty * weight;
            value += penalty / 2.0 * weight * weight;
        }
    }
    (value, total)
}
