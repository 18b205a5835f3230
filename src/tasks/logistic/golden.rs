//! Compares the linear models with scikit-learn's, by `tests/golden/probe.json`, which
//! `scripts/golden_probe.py` makes.

use serde::Deserialize;

use super::{Features, LinearModel, Targets, standardise};

/// The largest difference of a coefficient.
const TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    features: String,
    penalty: f64,
    n_classes: Option<usize>,
    n_train: usize,
    x: Vec<Vec<f64>>,
    y: Vec<f64>,
    coefficients: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
    predictions: Vec<f64>,
}

impl Case {
    /// Features of the training rows and of the others, dense or, for counts, sparse.
    fn features(&self) -> [Features; 2] {
        let width = self.x[0].len();
        if self.features == "standardised" {
            let mut values: Vec<f64> = self.x.concat();
            standardise(&mut values, width, self.n_train);
            let rest = values.split_off(self.n_train * width);
            return [values, rest].map(|values| Features::Dense { values, width });
        }
        let sparse = |row: &Vec<f64>| -> Vec<(u32, f64)> {
            (0..).zip(row.iter().copied()).filter(|(_, value)| *value != 0.0).collect()
        };
        let mut rows: Vec<Vec<(u32, f64)>> = self.x.iter().map(sparse).collect();
        let rest = rows.split_off(self.n_train);
        [rows, rest].map(|rows| Features::Sparse { rows, width })
    }

    fn fit(&self, features: &Features) -> LinearModel {
        let labels: Vec<usize> = self.y[..self.n_train].iter().map(|&label| label as usize).collect();
        let targets = match self.n_classes {
            Some(n_classes) => Targets::Classes { labels: &labels, n_classes },
            None => Targets::Scores(&self.y[..self.n_train]),
        };
        LinearModel::fit(features, &targets, self.penalty).unwrap()
    }
}

/// Subtracts the mean: adding a number to every intercept of a softmax changes nothing.
fn centred(values: Vec<f64>) -> Vec<f64> {
    let mean = if values.len() > 1 { values.iter().sum::<f64>() / values.len() as f64 } else { 0.0 };
    values.iter().map(|value| value - mean).collect()
}

#[test]
fn coefficients_and_predictions_are_those_of_scikit_learn() {
    let golden: Golden = serde_json::from_str(include_str!("../../../tests/golden/probe.json")).unwrap();
    assert_eq!(golden.cases.len(), 12);
    for case in &golden.cases {
        let [train, rest] = case.features();
        let model = case.fit(&train);
        let outputs: Vec<&[f64]> = model.parameters.chunks(train.width() + 1).collect();
        assert_eq!(outputs.len(), case.coefficients.len(), "{}", case.name);
        let mut largest = 0.0f64;
        for (output, expected) in outputs.iter().zip(&case.coefficients) {
            for (found, expected) in output.iter().zip(expected) {
                largest = largest.max((found - expected).abs());
            }
        }
        let intercepts = centred(outputs.iter().map(|output| output[train.width()]).collect());
        for (found, expected) in intercepts.iter().zip(centred(case.intercepts.clone())) {
            largest = largest.max((found - expected).abs());
        }
        assert!(largest < TOLERANCE, "{}: {largest}", case.name);
        for (found, expected) in model.predict(&rest).iter().zip(&case.predictions) {
            let equal =
                if case.n_classes.is_some() { found == expected } else { (found - expected).abs() < 1e-6 };
            assert!(equal, "{}: {found}, not {expected}", case.name);
        }
        assert_eq!(model.predict(&rest).len(), case.predictions.len());
    }
}
