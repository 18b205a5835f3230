//! Rows of features, dense or sparse, and their standardisation.

/// The features of examples, a row per example.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// Every value.
    Dense {
        /// Row after row.
        values: Vec<f64>,
        /// Values per row.
        width: usize,
    },
    /// The values that are not zero.
    Sparse {
        /// Per row the columns with their values.
        rows: Vec<Vec<(u32, f64)>>,
        /// Number of columns.
        width: usize,
    },
}

impl Features {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Dense { values, width } => values.len() / (*width).max(1),
            Self::Sparse { rows, .. } => rows.len(),
        }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        match self {
            Self::Dense { width, .. } | Self::Sparse { width, .. } => *width,
        }
    }

    /// The inner product of a row and a vector.
    pub(super) fn dot(&self, row: usize, vector: &[f64]) -> f64 {
        match self {
            Self::Dense { values, width } => dot(dense_row(values, *width, row), vector),
            Self::Sparse { rows, .. } => {
                let entries = rows.get(row).into_iter().flatten();
                entries.filter_map(|&(column, value)| Some(value * vector.get(column as usize)?)).sum()
            }
        }
    }

    /// Adds `factor` times a row to a vector.
    pub(super) fn add_scaled(&self, row: usize, factor: f64, to: &mut [f64]) {
        match self {
            Self::Dense { values, width } => {
                let row = dense_row(values, *width, row);
                to.iter_mut().zip(row).for_each(|(to, value)| *to += factor * value);
            }
            Self::Sparse { rows, .. } => {
                for &(column, value) in rows.get(row).into_iter().flatten() {
                    if let Some(to) = to.get_mut(column as usize) {
                        *to += factor * value;
                    }
                }
            }
        }
    }
}

fn dense_row(values: &[f64], width: usize, row: usize) -> &[f64] {
    values.get(row * width..(row + 1) * width).unwrap_or_default()
}

/// The inner product in eight partial sums, which the compiler turns into vector instructions; always in the
/// same order.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (chunks_a, chunks_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = chunks_a.remainder().iter().zip(chunks_b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in chunks_a.zip(chunks_b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// A column whose standard deviation is below this share of its root mean square varies by the rounding of
/// f32 only.
const CONSTANT: f64 = 1e-6;

/// Shifts and scales the columns of `rows` of `width` values so that those of the first `n` rows have mean 0
/// and variance 1 (scikit-learn's `StandardScaler`, fitted on the first `n`). A constant column becomes 0.
pub fn standardise(rows: &mut [f64], width: usize, n: usize) {
    let count = n.max(1) as f64;
    let mean_of = |of: &dyn Fn(usize, f64) -> f64| {
        let mut means = vec![0.0; width];
        for row in rows.chunks(width.max(1)).take(n) {
            means.iter_mut().zip(row).enumerate().for_each(|(column, (mean, x))| *mean += of(column, *x));
        }
        means.iter_mut().for_each(|mean| *mean /= count);
        means
    };
    let means = mean_of(&|_, x| x);
    let squares = mean_of(&|_, x| x * x);
    let variances = mean_of(&|column, x| {
        let deviation = x - means.get(column).copied().unwrap_or(0.0);
        deviation * deviation
    });
    let scale = |(variance, square): (&f64, &f64)| {
        if variance.sqrt() > CONSTANT * square.sqrt() { 1.0 / variance.sqrt() } else { 0.0 }
    };
    let scales: Vec<f64> = variances.iter().zip(&squares).map(scale).collect();
    for row in rows.chunks_mut(width.max(1)) {
        for ((x, mean), scale) in row.iter_mut().zip(&means).zip(&scales) {
            *x = (*x - mean) * scale;
        }
    }
}
