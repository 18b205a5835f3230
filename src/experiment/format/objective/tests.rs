//! Kinds of objectives, their stages, and the text that a trial's id hashes.

use super::*;

/// A trial's id hashes this text, which must not change for trials from before `masking` existed.
#[test]
fn the_default_masking_is_not_serialised() {
    let written = |masking| {
        let mlm = ObjectiveSpec::Mlm { mask_fraction: 0.15, masking };
        serde_json::to_string(&mlm).unwrap()
    };
    assert_eq!(written(Masking::Paper), r#"{"kind":"mlm","mask_fraction":0.15}"#);
    let other = written(Masking::ReleasedCode);
    assert_eq!(other, r#"{"kind":"mlm","mask_fraction":0.15,"masking":"released_code"}"#);
    let text = serde_json::to_string(&ObjectiveSpec::default()).unwrap();
    assert_eq!(text, r#"{"kind":"rtd","disc_weight":50.0,"mask_fraction":0.15,"temperature":1.0}"#);
    for text in [text, other] {
        let read: ObjectiveSpec = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}

/// As above, for trials from before `normalise` existed.
#[test]
fn the_default_normalisation_is_not_serialised() {
    for (kind, default, other) in
        [("electra_15", "masked", "all_tokens"), ("all_tokens_mlm", "all_tokens", "masked")]
    {
        let with = |normalise: &str| -> ObjectiveSpec {
            serde_json::from_str(&format!(r#"{{"kind":"{kind}","normalise":"{normalise}"}}"#)).unwrap()
        };
        let without: ObjectiveSpec = serde_json::from_str(&format!(r#"{{"kind":"{kind}"}}"#)).unwrap();
        assert_eq!(with(default), without);
        let written = |objective: &ObjectiveSpec| serde_json::to_string(objective).unwrap();
        assert!(!written(&without).contains("normalise"), "{}", written(&without));
        let changed = written(&with(other));
        assert!(changed.ends_with(&format!(r#""normalise":"{other}"}}"#)), "{changed}");
        assert_eq!(serde_json::from_str::<ObjectiveSpec>(&changed).unwrap(), with(other));
    }
}

#[test]
fn a_kind_needs_no_other_key() {
    for kind in [
        "rtd",
        "electra_15",
        "replace_mlm",
        "all_tokens_mlm",
        "two_stage",
        "adversarial",
        "coco_lm",
        "electric",
        "mlm",
    ] {
        let objective: ObjectiveSpec = serde_json::from_str(&format!(r#"{{"kind":"{kind}"}}"#)).unwrap();
        assert_eq!((objective.kind(), objective.mask_fraction()), (kind, 0.15));
        let text = serde_json::to_string(&objective).unwrap();
        assert_eq!(serde_json::from_str::<ObjectiveSpec>(&text).unwrap(), objective, "{text}");
    }
}

#[test]
fn each_stage_has_at_least_one_step() {
    let two_stage = |share: f64| -> ObjectiveSpec {
        serde_json::from_str(&format!(r#"{{"kind": "two_stage", "generator_share": {share}}}"#)).unwrap()
    };
    let steps = |share, n_steps| two_stage(share).generator_steps(n_steps);
    assert_eq!([steps(0.5, 10), steps(0.25, 10), steps(0.01, 10), steps(0.99, 10)], [5, 3, 1, 9]);
    assert_eq!([steps(0.5, 2), steps(0.5, 1)], [1, 0]);
    let stages = [4, 5].map(|step| two_stage(0.5).stage(step, 10));
    assert_eq!(stages, [Stage::Generator, Stage::Discriminator]);
    assert_eq!(ObjectiveSpec::default().stage(0, 10), Stage::Joint);
}
