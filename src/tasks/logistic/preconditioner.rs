//! The curvature of a linear model's loss at some parameters, inverted: it makes a step of the minimiser nearly
//! Newton's.
//!
//! The curvature of an output is XᵀCX plus the penalty, where C has each example's second derivative by that
//! output; what couples two outputs is left out. Dense features have its Cholesky factor, sparse ones only
//! its diagonal.

use candle_core::{Device, Tensor};

use super::features::{Features, dot};
use super::{Targets, outputs_of};
use crate::error::Result;

/// The inverse of the curvature, per output.
pub struct Preconditioner {
    width: usize,
    outputs: Vec<Curvature>,
}

/// The curvature of one output.
struct Curvature {
    weights: Weights,
    intercept: f64,
}

enum Weights {
    /// The lower triangle of the Cholesky factor, row after row.
    Cholesky(Vec<f64>),
    Diagonal(Vec<f64>),
}

impl Preconditioner {
    /// The curvature at `parameters`.
    pub fn new(features: &Features, targets: &Targets, penalty: f64, parameters: &[f64]) -> Result<Self> {
        let width = features.width();
        let mut curvatures = vec![Vec::with_capacity(features.len()); targets.n_outputs()];
        for row in 0..features.len() {
            let mut outputs = outputs_of(features, row, parameters);
            targets.curvatures(row, &mut outputs);
            curvatures.iter_mut().zip(outputs).for_each(|(all, one)| all.push(one));
        }
        let outputs = curvatures.iter().map(|of_rows| Curvature::new(features, of_rows, penalty));
        Ok(Self { width, outputs: outputs.collect::<Result<_>>()? })
    }

    /// Multiplies a vector of parameters by the inverse.
    pub fn apply(&self, vector: &mut [f64]) {
        for (vector, output) in vector.chunks_mut(self.width + 1).zip(&self.outputs) {
            if let Some((intercept, weights)) = vector.split_last_mut() {
                *intercept /= output.intercept;
                match &output.weights {
                    Weights::Cholesky(factor) => solve(factor, weights),
                    Weights::Diagonal(diagonal) => {
                        weights.iter_mut().zip(diagonal).for_each(|(weight, entry)| *weight /= entry);
                    }
                }
            }
        }
    }
}

impl Curvature {
    /// `of_rows` has each example's second derivative.
    fn new(features: &Features, of_rows: &[f64], penalty: f64) -> Result<Self> {
        let width = features.width();
        let weights = match features {
            Features::Dense { values, .. } => {
                let scaled = values.chunks(width.max(1)).zip(of_rows);
                let scaled: Vec<f64> =
                    scaled.flat_map(|(row, factor)| row.iter().map(move |x| x * factor.sqrt())).collect();
                let x = Tensor::from_vec(scaled, (features.len(), width), &Device::Cpu)?;
                let mut matrix: Vec<f64> = x.t()?.matmul(&x)?.flatten_all()?.to_vec1()?;
                matrix.iter_mut().step_by(width + 1).for_each(|diagonal| *diagonal += penalty);
                Weights::Cholesky(cholesky(matrix, width))
            }
            Features::Sparse { rows, .. } => {
                let mut diagonal = vec![penalty; width];
                for (row, factor) in rows.iter().zip(of_rows) {
                    for &(column, value) in row {
                        if let Some(entry) = diagonal.get_mut(column as usize) {
                            *entry += factor * value * value;
                        }
                    }
                }
                Weights::Diagonal(diagonal)
            }
        };
        // An intercept has no penalty, and where all examples are certain no curvature either.
        let smallest = f64::EPSILON * of_rows.len() as f64;
        Ok(Self { weights, intercept: of_rows.iter().sum::<f64>().max(smallest) })
    }
}

/// The lower triangular L with LLᵀ = `matrix`, which is symmetric and positive definite, in its place.
fn cholesky(mut matrix: Vec<f64>, width: usize) -> Vec<f64> {
    for row in 0..width {
        let (above, rest) = matrix.split_at_mut(row * width);
        let current = &mut rest[..width];
        for column in 0..row {
            let other = &above[column * width..=column * width + column];
            current[column] = (current[column] - dot(&current[..column], &other[..column])) / other[column];
        }
        let square = current[row] - dot(&current[..row], &current[..row]);
        // Rounding may leave a tiny or negative square where columns repeat each other and the penalty is
        // far below them; any positive number keeps the steps going down.
        current[row] = square.max(f64::EPSILON * current[row]).sqrt();
    }
    matrix
}

/// Solves LLᵀx = b in the place of b.
fn solve(factor: &[f64], b: &mut [f64]) {
    let width = b.len();
    for row in 0..width {
        let line = &factor[row * width..=row * width + row];
        b[row] = (b[row] - dot(&line[..row], &b[..row])) / line[row];
    }
    for row in (0..width).rev() {
        let line = &factor[row * width..=row * width + row];
        b[row] /= line[row];
        let solved = b[row];
        b[..row].iter_mut().zip(line).for_each(|(b, entry)| *b -= entry * solved);
    }
}
