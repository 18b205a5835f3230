//! What `init` needs from the objective and the model. Next: `run/initial_weights.rs` compares the
//! checkpoints themselves with the trial.

use crate::experiment::check::violation::{Violation, violation};
use crate::experiment::format::model::Sharing;
use crate::experiment::format::objective::ObjectiveSpec;
use crate::experiment::trial::TrialSpec;

/// A checkpoint of the generator needs a network to fill, one of the discriminator needs tables of its own
/// that nothing overwrites, and a trial without pre-training needs neither.
pub(crate) fn init(trial: &TrialSpec) -> Vec<Violation> {
    let (init, objective, kind) = (&trial.init, &trial.objective, ["objective.kind"]);
    if init.is_empty() {
        return Vec::new();
    }
    if trial.published.is_some() {
        let what = "has no effect: base.published is evaluated without pre-training".into();
        let hint = "remove base.published to pre-train, or base.init to evaluate only";
        return vec![violation("init", &["published"], what, hint)];
    }
    let mut violations = Vec::new();
    if init.generator.is_some() && !objective.has_generator() {
        let what = "is for a generator, and this objective has no generator network".into();
        let hint = "remove it, or use an objective with a generator network, such as { kind: rtd }";
        violations.push(violation("init.generator", &kind, what, hint));
    } else if init.generator.is_some() && objective.has_two_towers() {
        let what = "is for a generator of one encoder, and electric's has two towers, which no published checkpoint \
                    has";
        violations.push(violation("init.generator", &kind, what.into(), "remove it"));
    }
    if init.discriminator.is_some() && objective.has_generator() && trial.model.sharing == Sharing::Gdes {
        let what = "cannot be read with model.sharing: gdes, which stores the discriminator's tables as differences from \
                    the generator's";
        let hint = "set model.sharing to embeddings or none, or give init.generator alone";
        violations.push(violation("init.discriminator", &["model.sharing"], what.into(), hint));
    }
    if init.discriminator.is_some() && matches!(objective, ObjectiveSpec::TwoStage { initialise: true, .. }) {
        let what = "would be overwritten: two_stage copies the generator's weights to the discriminator before the \
                    second stage";
        let hint = "set objective.initialise to false, or give init.generator alone";
        violations.push(violation("init.discriminator", &kind, what.into(), hint));
    }
    violations
}

#[cfg(test)]
mod tests {
    use crate::experiment::check::trial::tests::messages;
    use crate::experiment::format::model::Sharing;
    use crate::experiment::trial::TrialSpec;

    fn with(objective: &str, init: &str, change: impl FnOnce(&mut TrialSpec)) -> String {
        messages(|spec| {
            spec.objective = serde_json::from_str(objective).unwrap();
            spec.init = serde_json::from_str(init).unwrap();
            change(spec);
        })
    }

    const BOTH: &str = r#"{"discriminator": {"model": "a/d"}, "generator": {"model": "a/g"}}"#;
    const MAIN: &str = r#"{"discriminator": {"model": "a/d"}}"#;
    const GENERATOR: &str = r#"{"generator": {"model": "a/g"}}"#;

    #[test]
    fn checkpoints_that_fit_are_accepted() {
        let gdes = |spec: &mut TrialSpec| spec.model.sharing = Sharing::Gdes;
        let apart = |spec: &mut TrialSpec| {
            (spec.model.generator_ratio, spec.model.sharing) = (1.0, Sharing::None);
        };
        let two_stages = r#"{"kind": "two_stage", "initialise": false}"#;
        assert_eq!(with(r#"{"kind": "rtd"}"#, BOTH, |_| {}), "");
        assert_eq!(with(r#"{"kind": "mlm"}"#, MAIN, |_| {}), "");
        assert_eq!(with(r#"{"kind": "mlm"}"#, MAIN, gdes), "", "nothing is shared without a generator");
        assert_eq!(with(r#"{"kind": "electric"}"#, MAIN, |_| {}), "");
        assert_eq!(with(r#"{"kind": "rtd"}"#, GENERATOR, gdes), "");
        assert_eq!(with(two_stages, BOTH, apart), "");
        assert_eq!(with(r#"{"kind": "two_stage"}"#, GENERATOR, apart), "");
    }

    #[test]
    fn checkpoints_without_a_place_are_refused() {
        let nothing = |_: &mut TrialSpec| {};
        insta::assert_snapshot!(with(r#"{"kind": "mlm"}"#, GENERATOR, nothing), @"base.init.generator: is for a generator, and this objective has no generator network -> remove it, or use an objective with a generator network, such as { kind: rtd }");
        insta::assert_snapshot!(with(r#"{"kind": "rtd", "generator": "unigram"}"#, BOTH, nothing), @"base.init.generator: is for a generator, and this objective has no generator network -> remove it, or use an objective with a generator network, such as { kind: rtd }");
        insta::assert_snapshot!(with(r#"{"kind": "electric"}"#, BOTH, nothing), @"base.init.generator: is for a generator of one encoder, and electric's has two towers, which no published checkpoint has -> remove it");
        let gdes = |spec: &mut TrialSpec| spec.model.sharing = Sharing::Gdes;
        insta::assert_snapshot!(with(r#"{"kind": "rtd"}"#, BOTH, gdes), @"base.init.discriminator: cannot be read with model.sharing: gdes, which stores the discriminator's tables as differences from the generator's -> set model.sharing to embeddings or none, or give init.generator alone");
        let copied = with(r#"{"kind": "two_stage"}"#, BOTH, |spec| {
            (spec.model.generator_ratio, spec.model.sharing) = (1.0, Sharing::None);
        });
        insta::assert_snapshot!(copied, @"base.init.discriminator: would be overwritten: two_stage copies the generator's weights to the discriminator before the second stage -> set objective.initialise to false, or give init.generator alone");
        let published = with(r#"{"kind": "rtd"}"#, BOTH, |spec| {
            spec.published = Some(serde_json::from_str(r#"{"model": "a/p"}"#).unwrap());
        });
        insta::assert_snapshot!(published.lines().next().unwrap(), @"base.init: has no effect: base.published is evaluated without pre-training -> remove base.published to pre-train, or base.init to evaluate only");
    }

    /// The section enters the id where it is set, and nothing else changes.
    #[test]
    fn the_id_depends_on_the_checkpoints() {
        let id = |init: &str, text: &mut String| {
            let mut id = None;
            messages(|spec| {
                spec.init = serde_json::from_str(init).unwrap();
                *text = serde_json::to_string(spec).unwrap();
                id = Some(spec.id());
            });
            id.unwrap()
        };
        let mut text = String::new();
        let none = id("{}", &mut text);
        assert!(!text.contains("init\""), "{text}");
        let ids = [BOTH, MAIN, GENERATOR, r#"{"discriminator": {"model": "a/d", "revision": "b"}}"#];
        let mut ids: Vec<_> = ids.iter().map(|init| id(init, &mut text)).chain([none]).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 5);
    }
}
