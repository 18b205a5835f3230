//! What `model.sharing` needs from the generator and the objective. Next: `stages.rs`, where nothing may be
//! shared.

use crate::experiment::check::violation::{Violation, violation};
use crate::experiment::format::model::Sharing;
use crate::experiment::format::objective::choices::MainTask;
use crate::experiment::trial::TrialSpec;

/// A shared encoder needs equal shapes and compatible losses; a table of differences cannot be an output
/// matrix.
pub(crate) fn sharing(trial: &TrialSpec) -> Vec<Violation> {
    let (model, objective) = (&trial.model, &trial.objective);
    if !objective.has_generator() || objective.has_stages() {
        return Vec::new();
    }
    let mut violations = Vec::new();
    match model.sharing {
        Sharing::None | Sharing::Embeddings => {}
        Sharing::All => {
            if model.generator_layers.is_some_and(|layers| layers != model.discriminator().layers) {
                let what = "makes the generator's depth differ from the discriminator's, and the two share all weights";
                let hint = "remove model.generator_layers, or set model.sharing to embeddings";
                violations.push(violation("model.generator_layers", &["model.sharing"], what.into(), hint));
            } else if model.generator() != model.discriminator() {
                let what = "makes the generator's shape differ from the discriminator's, and the two share all weights";
                let hint = "set model.generator_ratio to 1, or model.sharing to embeddings";
                violations.push(violation("model.generator_ratio", &["model.sharing"], what.into(), hint));
            }
            if objective.has_two_towers() {
                let what = "shares all weights with the cloze model, whose two towers each see only one side";
                let hint = "set model.sharing to embeddings, gdes or none";
                violations.push(violation("model.sharing", &["objective.kind"], what.into(), hint));
            }
            if objective.has_baseline() {
                let what = "shares all weights with a generator that is trained against them";
                let hint = "set model.sharing to embeddings, gdes or none";
                violations.push(violation("model.sharing", &["objective.kind"], what.into(), hint));
            }
        }
        Sharing::Gdes => {
            if objective.main_task() != MainTask::Detect {
                let what = "stores the encoder's word embeddings as differences, but this objective needs them as an output matrix";
                let hint = "set model.sharing to embeddings or none, or objective.kind to rtd";
                violations.push(violation("model.sharing", &["objective.kind"], what.into(), hint));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use crate::experiment::check::trial::tests::messages;
    use crate::experiment::format::model::Sharing;

    #[test]
    fn requirements_of_sharing() {
        let with = |kind: &str, sharing, ratio| {
            messages(|spec| {
                spec.objective = serde_json::from_str(&format!(r#"{{"kind": "{kind}"}}"#)).unwrap();
                (spec.model.sharing, spec.model.generator_ratio) = (sharing, ratio);
            })
        };
        for (kind, sharing, ratio) in [
            ("rtd", Sharing::All, 1.0),
            ("replace_mlm", Sharing::All, 1.0),
            ("mlm", Sharing::All, 0.25),
            ("rtd", Sharing::Gdes, 0.25),
            ("adversarial", Sharing::Gdes, 0.25),
            ("mlm", Sharing::Gdes, 0.25),
        ] {
            assert_eq!(with(kind, sharing, ratio), "", "{kind} {sharing:?}");
        }
        insta::assert_snapshot!(with("rtd", Sharing::All, 0.25), @"base.model.generator_ratio: makes the generator's shape differ from the discriminator's, and the two share all weights -> set model.generator_ratio to 1, or model.sharing to embeddings");
        insta::assert_snapshot!(with("adversarial", Sharing::All, 1.0), @"base.model.sharing: shares all weights with a generator that is trained against them -> set model.sharing to embeddings, gdes or none");
        assert!(with("electric", Sharing::All, 1.0).contains("whose two towers each see only one side"));
        insta::assert_snapshot!(with("all_tokens_mlm", Sharing::Gdes, 0.25), @"base.model.sharing: stores the encoder's word embeddings as differences, but this objective needs them as an output matrix -> set model.sharing to embeddings or none, or objective.kind to rtd");
        insta::assert_snapshot!(with("two_stage", Sharing::All, 1.0), @"base.model.sharing: shares all weights with a generator that two_stage freezes -> set model.sharing to none");
        insta::assert_snapshot!(with("two_stage", Sharing::Gdes, 1.0), @"base.model.sharing: shares embeddings with a generator that two_stage freezes -> set model.sharing to none");
    }
}
