//! What `two_stage` needs from the rest of a trial.

use crate::experiment::check::violation::{Violation, violation};
use crate::experiment::format::model::Sharing;
use crate::experiment::format::objective::ObjectiveSpec;
use crate::experiment::format::objective::choices::SecondStage;
use crate::experiment::format::train::Budget;
use crate::experiment::trial::TrialSpec;

/// A frozen generator shares nothing, a copy needs equal shapes, and each stage needs steps for its warm-up.
pub(crate) fn two_stages(trial: &TrialSpec) -> Vec<Violation> {
    let ObjectiveSpec::TwoStage { initialise, generator_share: share, second_stage, .. } = trial.objective
    else {
        return Vec::new();
    };
    let (model, train) = (&trial.model, &trial.train);
    let mut violations = Vec::new();
    let kind = ["objective.kind"];
    if model.sharing != Sharing::None {
        let what = match (model.sharing, second_stage) {
            (Sharing::All, SecondStage::Discriminator) => {
                "shares all weights with a generator that two_stage freezes"
            }
            (_, SecondStage::Discriminator) => "shares embeddings with a generator that two_stage freezes",
            (_, SecondStage::Joint) => "shares weights with a generator that two_stage trains alone at first",
        };
        violations.push(violation("model.sharing", &kind, what.into(), "set model.sharing to none"));
    }
    if initialise && model.generator().layers != model.discriminator().layers {
        let what =
            "makes the generator's depth differ from the discriminator's, which starts as its copy".into();
        let hint = "remove model.generator_layers, or set objective.initialise to false";
        violations.push(violation("model.generator_layers", &kind, what, hint));
    } else if initialise && model.generator() != model.discriminator() {
        let what =
            "makes the generator's shape differ from the discriminator's, which starts as its copy".into();
        let hint = "set model.generator_ratio to 1, or objective.initialise to false";
        violations.push(violation("model.generator_ratio", &kind, what, hint));
    }
    if train.stop_at <= share {
        let what = format!(
            "stops before the second stage, which begins at {share}: the encoder would not be trained"
        );
        violations.push(violation("train.stop_at", &kind, what, format!("use more than {share}")));
    }
    if train.budget.unit().is_some() {
        return violations;
    }
    let shorter = trial.objective.shortest_schedule(train.steps);
    if trial.objective.generator_steps(train.steps) == 0 {
        let what = "is too small for two stages".into();
        violations.push(violation("train.steps", &kind, what, "use at least 2 steps"));
    } else if train.budget == Budget::Steps && (shorter + 1..=train.steps).contains(&train.warmup) {
        let what = format!("is longer than the shorter of the two stages ({shorter} steps)");
        let hint = format!("lower train.warmup to at most {shorter}, or set objective.schedule to single");
        violations.push(violation("train.warmup", &["objective.kind", "train.steps"], what, hint));
    }
    violations
}

#[cfg(test)]
mod tests {
    use crate::experiment::check::trial::tests::messages;
    use crate::experiment::format::model::{ModelSpec, Sharing};
    use crate::experiment::format::objective::ObjectiveSpec;
    use crate::experiment::trial::TrialSpec;

    #[test]
    fn requirements_of_two_stages() {
        let two_stage: ObjectiveSpec = serde_json::from_str(r#"{"kind": "two_stage"}"#).unwrap();
        let with = |change: &dyn Fn(&mut TrialSpec)| {
            messages(|spec| {
                spec.objective = two_stage.clone();
                (spec.model.generator_ratio, spec.model.sharing) = (1.0, Sharing::None);
                change(spec);
            })
        };
        assert_eq!(with(&|_| {}), "");
        insta::assert_snapshot!(with(&|spec| spec.train.stop_at = 0.5), @"base.train.stop_at: stops before the second stage, which begins at 0.5: the encoder would not be trained -> use more than 0.5");
        insta::assert_snapshot!(with(&|spec| spec.model = ModelSpec::default()), @r"
        base.model.sharing: shares embeddings with a generator that two_stage freezes -> set model.sharing to none
        base.model.generator_ratio: makes the generator's shape differ from the discriminator's, which starts as its copy -> set model.generator_ratio to 1, or objective.initialise to false
        ");
        insta::assert_snapshot!(with(&|spec| spec.model.generator_layers = Some(2)), @"base.model.generator_layers: makes the generator's depth differ from the discriminator's, which starts as its copy -> remove model.generator_layers, or set objective.initialise to false");
        insta::assert_snapshot!(with(&|spec| spec.train.warmup = 501), @"base.train.warmup: is longer than the shorter of the two stages (500 steps) -> lower train.warmup to at most 500, or set objective.schedule to single");
        let joint = with(&|spec| {
            spec.objective =
                serde_json::from_str(r#"{"kind": "two_stage", "second_stage": "joint"}"#).unwrap();
            spec.model.sharing = Sharing::Embeddings;
        });
        insta::assert_snapshot!(joint, @"base.model.sharing: shares weights with a generator that two_stage trains alone at first -> set model.sharing to none");
        let one = with(&|spec| (spec.train.steps, spec.train.warmup) = (1, 0));
        assert_eq!(one, "base.train.steps: is too small for two stages -> use at least 2 steps\n");
    }
}
