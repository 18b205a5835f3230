//! A batch computed in parts: the gradients and metrics of the whole.

use super::*;

/// Gradients of a training step by parameter, and its metrics.
fn step(spec: &TrialSpec, micro_batch: Option<usize>) -> (BTreeMap<String, Vec<f32>>, Metrics) {
    let (corpus, vocabulary) = language();
    let objective = build(spec, &vocabulary, &Device::Cpu).unwrap();
    let parameters = objective.parameters();
    let mut optimizer = Optimizer::new((&spec.train).into(), parameters).unwrap();
    let train = TrainSpec { micro_batch, ..spec.train.clone() };
    let stepper = Stepper { seed: 1, spec: &train, n_steps: 10, objective: objective.as_ref(), trace: false };
    let n = if spec.objective.generator_steps(10) > 0 { 6 } else { 0 };
    let step = stepper.step(&mut optimizer, n, corpus.batch_at(1, 0, 7)).unwrap();
    let of = |(place, parameter): (usize, &crate::nn::Parameter)| {
        let gradient = optimizer.gradient(place).unwrap()?;
        Some((parameter.name.clone(), gradient.flatten_all().unwrap().to_vec1().unwrap()))
    };
    (parameters.iter().enumerate().filter_map(of).collect(), step.losses.metrics.resolve().unwrap())
}

/// Facts, traps 8 and 13: means over the batch's tokens and slots, not means of the parts' means; and every mask, sample and dropout of
/// the whole.
#[test]
fn parts_add_up_to_the_whole() {
    let released_code = |kind: &str| format!(r#"{{"kind": "{kind}", "masking": "released_code"}}"#);
    let kinds =
        KINDS.map(String::from).into_iter().chain(["rtd", "electra_15", "replace_mlm"].map(released_code));
    let mut compared = 0;
    for kind in kinds {
        let mut spec = trial(&kind, 10);
        if matches!(spec.objective, ObjectiveSpec::CocoLm { scl_weight, .. } if scl_weight > 0.0) {
            // Tells the texts of a batch apart, so `check_trial` refuses to cut it.
            continue;
        }
        (spec.model.dropout, spec.model.attention_dropout) = (0.1, 0.1);
        let (whole, metrics) = step(&spec, None);
        for most in [1, 3] {
            let (trace, by_parts) = step(&spec, Some(most));
            assert_eq!(whole.keys().collect::<Vec<_>>(), trace.keys().collect::<Vec<_>>());
            for (name, gradient) in &whole {
                let largest = gradient.iter().fold(0f32, |largest, value| largest.max(value.abs()));
                for (one, other) in gradient.iter().zip(&trace[name]) {
                    assert!(
                        (one - other).abs() <= 1e-5 * largest + 1e-9,
                        "{kind} {name}: {one} {other} by {most}"
                    );
                }
            }
            for (name, value) in metrics.values() {
                // The areas are means over what was computed at a time.
                if !name.ends_with("_auc") {
                    let other = by_parts.value(&name).unwrap();
                    assert!(
                        (value - other).abs() <= 1e-5 * value.abs() + 1e-9,
                        "{kind} {name}: {value} {other}"
                    );
                }
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 28);
}
