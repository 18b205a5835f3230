//! What `coco_lm` needs from the rest of a trial.

use crate::experiment::check::violation::{Violation, violation};
use crate::experiment::format::objective::ObjectiveSpec;
use crate::experiment::trial::TrialSpec;

/// One of the losses must be on, and the contrastive one needs other texts in the batch.
pub(crate) fn coco_lm(trial: &TrialSpec) -> Option<Violation> {
    let ObjectiveSpec::CocoLm { clm_weight, scl_weight, .. } = trial.objective else { return None };
    if clm_weight == 0.0 && scl_weight == 0.0 {
        let what = "is 0, and so is objective.scl_weight: the encoder would learn nothing".into();
        let hint = "set one of the two above 0; 1 is the default of both";
        return Some(violation("objective.clm_weight", &["objective.scl_weight"], what, hint));
    }
    if scl_weight > 0.0 && trial.train.micro_batch.is_some_and(|most| most < trial.train.batch) {
        let what =
            "splits the batch, and the contrastive loss of coco_lm compares all texts of a batch".into();
        let hint = "remove it and use a smaller train.batch, or set objective.scl_weight to 0";
        return Some(violation("train.micro_batch", &["objective.kind", "objective.scl_weight"], what, hint));
    }
    (scl_weight > 0.0 && trial.train.batch < 2).then(|| {
        let what =
            "is too small for the contrastive loss of coco_lm, which compares the texts of a batch".into();
        let hint = "use at least 2, or set objective.scl_weight to 0";
        violation("train.batch", &["objective.kind", "objective.scl_weight"], what, hint)
    })
}

#[cfg(test)]
mod tests {
    use crate::experiment::check::trial::tests::messages;

    #[test]
    fn requirements_of_coco_lm() {
        let with = |keys: &str, batch: usize| {
            messages(|spec| {
                spec.objective = serde_json::from_str(&format!(r#"{{"kind": "coco_lm"{keys}}}"#)).unwrap();
                spec.train.batch = batch;
            })
        };
        let off = r#", "scl_weight": 0"#;
        assert_eq!(with("", 2) + &with(off, 1) + &with(r#", "clm_weight": 0"#, 2), "");
        insta::assert_snapshot!(with(r#", "clm_weight": 0, "scl_weight": 0"#, 1), @"base.objective.clm_weight: is 0, and so is objective.scl_weight: the encoder would learn nothing -> set one of the two above 0; 1 is the default of both");
        let cut = messages(|spec| {
            spec.objective = serde_json::from_str(r#"{"kind": "coco_lm"}"#).unwrap();
            (spec.train.batch, spec.train.micro_batch) = (8, Some(4));
        });
        insta::assert_snapshot!(cut, @"base.train.micro_batch: splits the batch, and the contrastive loss of coco_lm compares all texts of a batch -> remove it and use a smaller train.batch, or set objective.scl_weight to 0");
        insta::assert_snapshot!(with("", 1), @"base.train.batch: is too small for the contrastive loss of coco_lm, which compares the texts of a batch -> use at least 2, or set objective.scl_weight to 0");
    }
}
