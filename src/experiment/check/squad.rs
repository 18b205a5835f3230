//! Checks `evaluate.squad`: lengths against the position table and each other, names of repositories.
//!
//! Must never: look at a trial that is not fine-tuned on SQuAD. Next: `check_trial` calls this.

use super::positions::too_long;
use super::repository::repository;
use super::violation::{Violation, violation};
use crate::experiment::format::task_name::TaskName;
use crate::experiment::trial::TrialSpec;

/// `[CLS]`, the `[SEP]` after the question and the one after the context.
const SPECIAL_TOKENS: usize = 3;

/// All violations of the section.
pub(crate) fn check_squad(trial: &TrialSpec) -> Vec<Violation> {
    let evaluate = &trial.evaluate;
    if !evaluate.tasks.iter().any(|task| task.is_squad()) {
        return Vec::new();
    }
    let spec = &evaluate.squad;
    let mut violations = Vec::new();
    if trial.published.is_none() {
        violations.extend(too_long(trial, "evaluate.squad.seq_len", spec.seq_len));
    }
    if spec.query_len + SPECIAL_TOKENS >= spec.seq_len {
        let what = format!(
            "leaves no room for a context in an input of evaluate.squad.seq_len ({}) tokens",
            spec.seq_len
        );
        let hint = match spec.seq_len.checked_sub(2 * SPECIAL_TOKENS).filter(|&room| room > 0) {
            Some(room) => {
                format!("lower it to at most {}, or raise evaluate.squad.seq_len", room.div_ceil(2))
            }
            None => "raise evaluate.squad.seq_len".to_string(),
        };
        violations.push(violation("evaluate.squad.query_len", &["evaluate.squad.seq_len"], what, hint));
    }
    if !evaluate.source.is_synthetic() {
        violations.extend(repositories(trial));
    }
    violations
}

fn repositories(trial: &TrialSpec) -> Vec<Violation> {
    let spec = &trial.evaluate.squad;
    let uses = |task| trial.evaluate.tasks.contains(&task);
    let mut violations = Vec::new();
    if uses(TaskName::Squad) {
        let paths = ("evaluate.squad.repo", "evaluate.squad.revision");
        violations.extend(repository((paths.0, &spec.repo), (paths.1, &spec.revision)));
    }
    if uses(TaskName::Squad2) {
        let paths = ("evaluate.squad.repo_v2", "evaluate.squad.revision_v2");
        violations.extend(repository((paths.0, &spec.repo_v2), (paths.1, &spec.revision_v2)));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::format::evaluate::{EvaluateSpec, TaskSource};
    use crate::experiment::format::model::ModelSpec;
    use crate::experiment::format::squad::SquadSpec;

    fn messages(change: impl Fn(&mut TrialSpec)) -> String {
        let mut spec = TrialSpec {
            seed: 1,
            model: ModelSpec::default(),
            objective: Default::default(),
            data: Default::default(),
            train: Default::default(),
            published: None,
            init: Default::default(),
            evaluate: EvaluateSpec { tasks: vec![TaskName::Squad2], ..Default::default() },
            control: None,
        };
        change(&mut spec);
        let violations = check_squad(&spec).into_iter();
        violations
            .map(|one| format!("{}: {} -> {}", one.at, one.what, one.hint))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn disagreements_are_reported() {
        assert_eq!(messages(|_| ()), "");
        insta::assert_snapshot!(messages(|spec| spec.model.positions = 128), @"evaluate.squad.seq_len: is longer than the position table, model.positions (128) -> lower it to at most 128, or raise model.positions to 512");
        insta::assert_snapshot!(messages(|spec| spec.evaluate.squad.seq_len = 64), @"evaluate.squad.query_len: leaves no room for a context in an input of evaluate.squad.seq_len (64) tokens -> lower it to at most 29, or raise evaluate.squad.seq_len");
        insta::assert_snapshot!(messages(|spec| {
            spec.evaluate.source = TaskSource::Hub { repo: "a/b".into(), revision: "main".into() };
            (spec.evaluate.squad.repo, spec.evaluate.squad.repo_v2) = ("..".into(), "../x".into());
        }), @"evaluate.squad.repo_v2: is not the name of a repository -> write owner/name, as in the repository's address");
        assert_eq!(
            messages(|spec| {
                spec.evaluate.tasks = vec![TaskName::Cola];
                spec.model.positions = 64;
            }),
            ""
        );
    }

    /// A default section is not hashed, so trials from before SQuAD existed keep their ids.
    #[test]
    fn the_default_section_is_not_serialised() {
        let text = |spec: &EvaluateSpec| serde_json::to_string(spec).unwrap();
        assert!(!text(&EvaluateSpec::default()).contains("squad"));
        let squad = SquadSpec { n_best: 5, ..Default::default() };
        let changed = EvaluateSpec { squad, ..Default::default() };
        assert!(text(&changed).contains(r#""n_best":5"#));
        assert_eq!(serde_json::from_str::<EvaluateSpec>(&text(&changed)).unwrap(), changed);
    }
}
