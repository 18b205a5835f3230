//! How many steps a trial's budget buys.
//!
//! Every count assumes full sequences, so it is known before the text is and the same for all trials that are
//! compared. Must never: look at a clock. A budget in seconds has no number of steps here. Next:
//! `run/step_time.rs`, which measures the time of a step.

use super::exact::train_flops_per_step;
use super::paper;
use crate::experiment::{Budget, GeneratorKind, Masking, ObjectiveSpec, TrialSpec};

/// Number of steps of the first estimate, before the real number is known.
const FIRST_GUESS: u64 = 1000;

/// Steps of a trial's schedule; None for a budget in seconds. A trial may stop earlier (`train.stop_at`).
pub fn resolved_steps(spec: &TrialSpec, vocab: usize) -> Option<u64> {
    let train = &spec.train;
    let steps = train.steps as f64;
    let amount = train.amount.unwrap_or_default();
    let exact = |n: u64| train_flops_per_step(spec, vocab, n);
    let by_paper = |n: u64| paper::train_flops(spec, vocab, n) / n as f64;
    let bought = match train.budget {
        Budget::Steps => return Some(train.steps),
        Budget::RtdFlops | Budget::RtdPaperFlops if train.steps == 0 => return Some(0),
        Budget::RtdFlops => {
            steps * (train_flops_per_step(&with_rtd(spec), vocab, train.steps) / exact(train.steps))
        }
        Budget::RtdPaperFlops => {
            let rtd = paper::train_flops(&with_rtd(spec), vocab, train.steps);
            steps * (rtd / paper::train_flops(spec, vocab, train.steps))
        }
        Budget::Tokens => amount / (train.batch * train.seq_len) as f64,
        Budget::Flops => affordable(amount, exact),
        Budget::PaperFlops => affordable(amount, by_paper),
        Budget::Seconds => return None,
    };
    Some((bought.round() as u64).max(1))
}

/// Steps that `amount` FLOPs buy, given the mean cost of a step in a run of n steps. If stages differ in
/// cost, the mean depends on n, so it is computed twice.
fn affordable(amount: f64, mean: impl Fn(u64) -> f64) -> f64 {
    let guess = amount / mean(FIRST_GUESS);
    amount / mean((guess.round() as u64).max(2))
}

/// The same trial with ELECTRA's objective, whose FLOPs are the unit of `rtd_flops`.
fn with_rtd(spec: &TrialSpec) -> TrialSpec {
    let objective = ObjectiveSpec::Rtd {
        disc_weight: 50.0,
        mask_fraction: spec.objective.mask_fraction(),
        temperature: 1.0,
        final_temperature: None,
        masking: Masking::Paper,
        generator: GeneratorKind::Network,
        disallow_correct: false,
    };
    TrialSpec { objective, ..spec.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{ModelSize, ModelSpec, Sharing};
    use crate::flops::fixture::trial;

    const VOCAB: usize = 30_522;

    fn small(objective: &str, budget: Budget, amount: Option<f64>) -> TrialSpec {
        let objective: ObjectiveSpec =
            serde_json::from_str(&format!(r#"{{"kind": "{objective}"}}"#)).unwrap();
        let mut model = ModelSpec { size: ModelSize::Small, ..Default::default() };
        if objective.kind() == "two_stage" {
            (model.generator_ratio, model.sharing) = (1.0, Sharing::None);
        }
        let mut spec = trial(objective, model);
        (spec.train.budget, spec.train.amount) = (budget, amount);
        spec
    }

    #[test]
    fn an_equal_budget_buys_the_cheaper_objective_more_steps() {
        let rtd = small("rtd", Budget::Steps, None);
        let n_rtd = rtd.train.steps;
        let exact = |spec: &TrialSpec, n| n as f64 * train_flops_per_step(spec, VOCAB, n);
        let by_paper = |spec: &TrialSpec, n| paper::train_flops(spec, VOCAB, n);
        for (budget, is_exact) in [(Budget::RtdFlops, true), (Budget::RtdPaperFlops, false)] {
            let mlm = small("mlm", budget, None);
            let steps = resolved_steps(&mlm, VOCAB).unwrap();
            let ratio = match is_exact {
                true => exact(&mlm, steps) / exact(&rtd, n_rtd),
                false => by_paper(&mlm, steps) / by_paper(&rtd, n_rtd),
            };
            assert!(steps > n_rtd && (ratio - 1.0).abs() < 1e-3, "{budget:?} {steps}");
            assert_eq!(resolved_steps(&small("rtd", budget, None), VOCAB), Some(n_rtd));
        }
    }

    /// Every budget is met within half a step, also if two stages differ in cost.
    #[test]
    fn a_budget_is_spent() {
        for kind in ["rtd", "mlm", "two_stage"] {
            let tokens = small(kind, Budget::Tokens, Some(1e6));
            assert_eq!(resolved_steps(&tokens, VOCAB), Some(244), "{kind}: 4,096 tokens per step");
            let exact = small(kind, Budget::Flops, Some(1e14));
            let steps = resolved_steps(&exact, VOCAB).unwrap();
            let per_step = train_flops_per_step(&exact, VOCAB, steps);
            assert!((steps as f64 * per_step - 1e14).abs() <= 0.51 * per_step, "{kind} {steps}");
            let paper = small(kind, Budget::PaperFlops, Some(1e15));
            let steps = resolved_steps(&paper, VOCAB).unwrap();
            let spent = paper::train_flops(&paper, VOCAB, steps);
            assert!((spent - 1e15).abs() <= 0.51 * spent / steps as f64, "{kind} {steps}");
            assert_eq!(resolved_steps(&small(kind, Budget::Seconds, Some(60.0)), VOCAB), None);
        }
        // ELECTRA-Small takes 1.29e18 FLOPs for a million steps of 128 sequences.
        let mut published = small("rtd", Budget::PaperFlops, Some(1.294e18));
        published.train.batch = 128;
        let steps = resolved_steps(&published, VOCAB).unwrap();
        assert!((steps as f64 / 1e6 - 1.0).abs() < 1e-3, "{steps}");
    }
}
