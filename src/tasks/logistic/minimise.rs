//! L-BFGS with a preconditioner, for smooth convex functions (Nocedal & Wright 2006, Algorithm 7.4).

use super::features::dot;

/// Halvings of one step before giving up.
const MAX_HALVINGS: usize = 50;
/// The share of the predicted decrease that a step must reach.
const SUFFICIENT: f64 = 1e-4;
/// The relative rounding error of the function.
const ROUNDING: f64 = 1e-13;

/// One remembered step.
struct Step {
    change: Vec<f64>,
    gradient_change: Vec<f64>,
    /// Their inner product.
    product: f64,
}

/// Goes from `start` towards the minimum of a function, until no entry of the gradient is above `tolerance`
/// in size, `max_steps` steps are made, all of them remembered, or rounding hides the way down. `evaluate`
/// returns the function and its gradient; `precondition` multiplies a vector by an approximate inverse of the
/// second derivatives. Returns the place and the largest entry of its gradient.
pub fn minimise(
    start: Vec<f64>,
    max_steps: usize,
    evaluate: impl Fn(&[f64]) -> (f64, Vec<f64>),
    precondition: impl Fn(&mut [f64]),
    tolerance: f64,
) -> (Vec<f64>, f64) {
    let mut at = start;
    let (mut value, mut gradient) = evaluate(&at);
    let mut memory: Vec<Step> = Vec::new();
    for _ in 0..max_steps {
        if largest(&gradient) <= tolerance {
            break;
        }
        let direction = direction(&gradient, &memory, &precondition);
        let slope = dot(&gradient, &direction);
        let mut length = 1.0;
        let mut found = None;
        for _ in 0..MAX_HALVINGS {
            let next = sum(&at, length, &direction);
            let (next_value, next_gradient) = evaluate(&next);
            let next_slope = dot(&next_gradient, &direction);
            // Near the minimum the decrease drowns in rounding; there the slopes decide (Hager & Zhang 2005,
            // "approximate Wolfe").
            let has_decreased = next_value <= value + SUFFICIENT * length * slope;
            let is_flat = next_value <= value + ROUNDING * value.abs()
                && next_slope <= (2.0 * SUFFICIENT - 1.0) * slope;
            if has_decreased || is_flat {
                found = Some((next, next_value, next_gradient));
                break;
            }
            length /= 2.0;
        }
        let Some((next, next_value, next_gradient)) = found else { break };
        let (change, gradient_change) = (sum(&next, -1.0, &at), sum(&next_gradient, -1.0, &gradient));
        let product = dot(&change, &gradient_change);
        if product > 0.0 {
            memory.push(Step { change, gradient_change, product });
        }
        (at, value, gradient) = (next, next_value, next_gradient);
    }
    let largest = largest(&gradient);
    (at, largest)
}

/// The direction of the next step: minus the approximate inverse of the second derivatives times the
/// gradient.
fn direction(gradient: &[f64], memory: &[Step], precondition: &impl Fn(&mut [f64])) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|entry| -entry).collect();
    let mut factors = Vec::with_capacity(memory.len());
    for step in memory.iter().rev() {
        let factor = dot(&step.change, &direction) / step.product;
        direction = sum(&direction, -factor, &step.gradient_change);
        factors.push(factor);
    }
    precondition(&mut direction);
    if let Some(last) = memory.last() {
        let mut preconditioned = last.gradient_change.clone();
        precondition(&mut preconditioned);
        let scale = last.product / dot(&last.gradient_change, &preconditioned);
        direction.iter_mut().for_each(|entry| *entry *= scale);
    }
    for (step, factor) in memory.iter().zip(factors.iter().rev()) {
        let correction = dot(&step.gradient_change, &direction) / step.product;
        direction = sum(&direction, factor - correction, &step.change);
    }
    direction
}

fn sum(a: &[f64], factor: f64, b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + factor * b).collect()
}

/// The largest entry in size; infinite if one is not a number.
fn largest(vector: &[f64]) -> f64 {
    vector.iter().fold(
        0.0,
        |largest: f64, entry| {
            if entry.is_nan() { f64::INFINITY } else { largest.max(entry.abs()) }
        },
    )
}
