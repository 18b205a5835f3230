//! What must agree in `evaluate.squad`: lengths with the position table and with each other, names of repositories.
//!
//! Must never: look at a trial that is not fine-tuned on SQuAD. Next: `check_trial.rs`, which calls this.

use super::trial::{Finding, finding, is_repo, is_revision, too_long};
use crate::experiment::format::evaluate::TaskName;
use crate::experiment::trial::TrialSpec;

/// [CLS], the [SEP] after the question and the one after the context.
const SPECIAL_TOKENS: usize = 3;

/// All findings about the section.
pub(crate) fn squad(trial: &TrialSpec) -> Vec<Finding> {
    let evaluate = &trial.evaluate;
    if !evaluate.tasks.iter().any(|task| task.is_squad()) {
        return Vec::new();
    }
    let spec = &evaluate.squad;
    let mut findings = Vec::new();
    if trial.published.is_none() {
        findings.extend(too_long(trial, "evaluate.squad.seq_len", spec.seq_len));
    }
    if spec.query_len + SPECIAL_TOKENS >= spec.seq_len {
        let what =
            format!("leaves an input of evaluate.squad.seq_len ({}) no room for a context", spec.seq_len);
        let hint = match spec.seq_len.checked_sub(2 * SPECIAL_TOKENS).filter(|&room| room > 0) {
            Some(room) => {
                format!("lower it to at most {}, or raise evaluate.squad.seq_len", room.div_ceil(2))
            }
            None => "raise evaluate.squad.seq_len".to_string(),
        };
        findings.push(finding("evaluate.squad.query_len", &["evaluate.squad.seq_len"], what, hint));
    }
    if !evaluate.source.is_synthetic() {
        findings.extend(repositories(trial));
    }
    findings
}

fn repositories(trial: &TrialSpec) -> Vec<Finding> {
    let spec = &trial.evaluate.squad;
    let uses = |task| trial.evaluate.tasks.contains(&task);
    let mut findings = Vec::new();
    let named = [
        (TaskName::Squad, "evaluate.squad.repo", &spec.repo, "evaluate.squad.revision", &spec.revision),
        (
            TaskName::Squad2,
            "evaluate.squad.repo_v2",
            &spec.repo_v2,
            "evaluate.squad.revision_v2",
            &spec.revision_v2,
        ),
    ];
    for (_, repo_path, repo, revision_path, revision) in named.into_iter().filter(|(task, ..)| uses(*task)) {
        if !is_repo(repo) {
            let hint = "write owner/name, as in the repository's address";
            findings.push(finding(repo_path, &[], "is not the name of a repository".into(), hint));
        }
        if !is_revision(revision) {
            let hint = "write a branch, a tag or a commit, such as main";
            findings.push(finding(revision_path, &[], "is not a revision".into(), hint));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::format::evaluate::{EvaluateSpec, TaskSource};
    use crate::experiment::format::model::ModelSpec;
    use crate::experiment::format::squad::SquadSpec;

    fn told(change: impl Fn(&mut TrialSpec)) -> String {
        let mut spec = TrialSpec {
            seed: 1,
            model: ModelSpec::default(),
            objective: Default::default(),
            data: Default::default(),
            train: Default::default(),
            published: None,
            evaluate: EvaluateSpec { tasks: vec![TaskName::Squad2], ..Default::default() },
        };
        change(&mut spec);
        let told = squad(&spec).into_iter();
        told.map(|one| format!("{}: {} -> {}", one.at, one.what, one.hint)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_does_not_agree_is_told() {
        assert_eq!(told(|_| ()), "");
        insta::assert_snapshot!(told(|spec| spec.model.positions = 128), @"evaluate.squad.seq_len: is longer than the position table, model.positions (128) -> lower it to at most 128, or raise model.positions to 512");
        insta::assert_snapshot!(told(|spec| spec.evaluate.squad.seq_len = 64), @"evaluate.squad.query_len: leaves an input of evaluate.squad.seq_len (64) no room for a context -> lower it to at most 29, or raise evaluate.squad.seq_len");
        insta::assert_snapshot!(told(|spec| {
            spec.evaluate.source = TaskSource::Hub { repo: "a/b".into(), revision: "main".into() };
            (spec.evaluate.squad.repo, spec.evaluate.squad.repo_v2) = ("..".into(), "../x".into());
        }), @"evaluate.squad.repo_v2: is not the name of a repository -> write owner/name, as in the repository's address");
        assert_eq!(
            told(|spec| {
                spec.evaluate.tasks = vec![TaskName::Cola];
                spec.model.positions = 64;
            }),
            ""
        );
    }

    /// The ids of trials are those of before SQuAD existed.
    #[test]
    fn the_default_section_is_not_written() {
        let text = |spec: &EvaluateSpec| serde_json::to_string(spec).unwrap();
        assert!(!text(&EvaluateSpec::default()).contains("squad"));
        let squad = SquadSpec { n_best: 5, ..Default::default() };
        let changed = EvaluateSpec { squad, ..Default::default() };
        assert!(text(&changed).contains(r#""n_best":5"#));
        assert_eq!(serde_json::from_str::<EvaluateSpec>(&text(&changed)).unwrap(), changed);
    }
}
