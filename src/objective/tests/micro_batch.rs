//! A batch that is cut into micro-batches has the gradients and metrics of the full batch.

use std::cell::Cell;

use super::*;
use crate::error::Result;
use crate::objective::masking::{Masked, Masker};
use crate::text::Batch;

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
    let of = |(index, parameter): (usize, &Parameter)| {
        let gradient = optimizer.gradient(index).unwrap()?;
        Some((parameter.name.clone(), gradient.flatten_all().unwrap().to_vec1().unwrap()))
    };
    (parameters.iter().enumerate().filter_map(of).collect(), step.losses.metrics.resolve().unwrap())
}

/// Traps 8 and 13 of `tests/suite/traps.rs`: losses are means over the tokens and slots of the full batch,
/// not means of the micro-batches' means, and every mask, sample and dropout is that of the full batch.
#[test]
fn micro_batches_add_up_to_the_full_batch() {
    let released_code = |kind: &str| format!(r#"{{"kind": "{kind}", "masking": "released_code"}}"#);
    let normalised = [
        r#"{"kind": "electra_15", "normalise": "all_tokens"}"#,
        r#"{"kind": "all_tokens_mlm", "normalise": "masked", "masking": "released_code"}"#,
    ];
    let kinds = KINDS.into_iter().chain(normalised).map(String::from);
    let kinds = kinds.chain(["rtd", "electra_15", "replace_mlm"].map(released_code));
    let mut compared = 0;
    for kind in kinds {
        let mut spec = trial(&kind, 10);
        if matches!(spec.objective, ObjectiveSpec::CocoLm { scl_weight, .. } if scl_weight > 0.0) {
            // It tells the texts of a batch apart, so `check_trial` refuses to cut the batch.
            continue;
        }
        (spec.model.dropout, spec.model.attention_dropout) = (0.1, 0.1);
        let (full, metrics) = step(&spec, None);
        for most in [1, 3] {
            let (cut, cut_metrics) = step(&spec, Some(most));
            assert_eq!(full.keys().collect::<Vec<_>>(), cut.keys().collect::<Vec<_>>());
            for (name, gradient) in &full {
                let largest = gradient.iter().fold(0f32, |largest, value| largest.max(value.abs()));
                for (one, other) in gradient.iter().zip(&cut[name]) {
                    assert!(
                        (one - other).abs() <= 1e-5 * largest + 1e-9,
                        "{kind} {name}: {one} {other} by {most}"
                    );
                }
            }
            for (name, value) in metrics.values() {
                // The areas are means over micro-batches, and each of those has a threshold of its own.
                if !name.ends_with("_auc") && name != "disc_recall_at_50" {
                    let other = cut_metrics.value(&name).unwrap();
                    assert!(
                        (value - other).abs() <= 1e-5 * value.abs() + 1e-9,
                        "{kind} {name}: {value} {other}"
                    );
                }
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 40);
}

/// Counts how often a batch is masked.
struct CountsMasks {
    objective: Box<dyn Objective>,
    n_masks: Cell<usize>,
}

impl Objective for CountsMasks {
    fn masker(&self) -> &Masker {
        self.objective.masker()
    }

    fn mask(&self, batch: &Batch, context: StepContext) -> Masked {
        self.n_masks.set(self.n_masks.get() + 1);
        self.objective.mask(batch, context)
    }

    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses> {
        self.objective.masked_losses(batch, masked, context)
    }

    fn parameters(&self) -> &Parameters {
        self.objective.parameters()
    }
}

#[test]
fn a_batch_is_masked_once_per_step() {
    let (corpus, vocabulary) = language();
    let spec = trial(KINDS[0], 10);
    let objective =
        CountsMasks { objective: build(&spec, &vocabulary, &Device::Cpu).unwrap(), n_masks: Cell::new(0) };
    let mut optimizer = Optimizer::new((&spec.train).into(), objective.parameters()).unwrap();
    let train = TrainSpec { micro_batch: Some(2), ..spec.train.clone() };
    let stepper = Stepper { seed: 1, spec: &train, n_steps: 10, objective: &objective, trace: false };
    for step in 0..2 {
        stepper.step(&mut optimizer, step, corpus.batch_at(1, step, 7)).unwrap();
        assert_eq!(objective.n_masks.get(), step as usize + 1);
    }
}
