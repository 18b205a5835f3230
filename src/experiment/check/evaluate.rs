//! Checks that the values of `evaluate` agree: a recipe with its size, an intermediate task with the tasks
//! that start from it, test splits with the source of the examples, a probe with its tasks, and minimal pairs
//! with the text of the model.
//!
//! Must never: repeat what the schema states. Next: `check_trial` calls this.

use super::repository::repository;
use super::violation::{Violation, violation};
use crate::experiment::document::value_path::ValuePath;
use crate::experiment::format::task_name::TaskName;
use crate::experiment::trial::TrialSpec;

/// All violations of the evaluation of a trial.
pub(crate) fn check_evaluate(trial: &TrialSpec) -> Vec<Violation> {
    let mut violations: Vec<Violation> = recipe(trial).into_iter().collect();
    violations.extend(intermediate(trial));
    violations.extend(test_split(trial));
    violations.extend(probe(trial));
    violations.extend(minimal_pairs(trial));
    violations
}

/// The width of a published checkpoint is not in the experiment file, so its size must be given.
fn recipe(trial: &TrialSpec) -> Option<Violation> {
    let recipe = &trial.evaluate.finetune;
    if recipe.recipe.is_some() && recipe.recipe_size.is_none() && trial.published.is_some() {
        let what =
            "has numbers for three model sizes, and the size of a published checkpoint is not known here";
        let hint = "add recipe_size: small (less than 768 wide), base (768) or large (1024)";
        let with = ["evaluate.finetune.recipe_size", "base.published"];
        return Some(violation("evaluate.finetune.recipe", &with, what.into(), hint));
    }
    if recipe.recipe.is_none() && recipe.recipe_size.is_some() {
        let hint = "add recipe: paper or recipe: released_code, or remove recipe_size";
        let (at, with) = ("evaluate.finetune.recipe_size", ["evaluate.finetune.recipe"]);
        return Some(violation(at, &with, "has no effect without a recipe".into(), hint));
    }
    None
}

fn intermediate(trial: &TrialSpec) -> Vec<Violation> {
    let evaluate = &trial.evaluate;
    let Some(intermediate) = &evaluate.intermediate else { return Vec::new() };
    let mut violations = Vec::new();
    let first = intermediate.task;
    if first.is_squad() {
        let what = "trains no classifier to start from".to_string();
        let hint = "use a GLUE task, such as mnli";
        violations.push(violation("evaluate.intermediate.task", &[], what, hint));
    } else if evaluate.source.is_synthetic() && !TaskName::IN_THE_LANGUAGE.contains(&first) {
        let what = format!("the built-in language has no {first}");
        let known = TaskName::IN_THE_LANGUAGE.map(TaskName::as_str).join(", ");
        let hint = format!("use {known}, or set evaluate.source to {{ kind: hub }}");
        violations.push(violation("evaluate.intermediate.task", &["evaluate.source"], what, hint));
    }
    for (index, task) in intermediate.tasks.iter().enumerate() {
        let (what, hint) = if *task == first {
            (
                "cannot start from itself".to_string(),
                format!("remove {task} here, or use another intermediate task"),
            )
        } else if task.is_squad() {
            ("cannot start from a GLUE task".into(), format!("remove {task} here"))
        } else if intermediate.tasks.iter().take(index).any(|before| before == task) {
            ("is listed twice".into(), "remove one of the two".into())
        } else if !evaluate.tasks.contains(task) {
            let hint = format!("add {task} to evaluate.tasks, or remove it here");
            ("is not evaluated".into(), hint)
        } else {
            continue;
        };
        let found = violation("evaluate.intermediate.for", &["evaluate.tasks"], what, hint);
        violations.push(found.at_entry(index));
    }
    violations
}

fn test_split(trial: &TrialSpec) -> Option<Violation> {
    let evaluate = &trial.evaluate;
    (evaluate.predict_test && evaluate.source.is_synthetic()).then(|| {
        let hint = "remove predict_test, or set evaluate.source to { kind: hub }";
        let what = "asks for test splits, and the built-in language has none".into();
        violation("evaluate.predict_test", &["evaluate.source"], what, hint)
    })
}

/// A probe is a classifier: its tasks have classes, and examples in the source.
fn probe(trial: &TrialSpec) -> Vec<Violation> {
    let evaluate = &trial.evaluate;
    let tasks = &evaluate.probe.tasks;
    let mut violations = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        let (what, hint) = if *task == TaskName::Stsb {
            let hint = "remove stsb here; evaluate.tasks may have it".to_string();
            ("has scores and no classes, and a probe is a classifier".to_string(), hint)
        } else if task.is_squad() {
            let hint = format!("remove {task} here; evaluate.tasks may have it");
            ("asks for a part of a text, and a probe classifies whole texts".into(), hint)
        } else if evaluate.source.is_synthetic() && !TaskName::IN_THE_LANGUAGE.contains(task) {
            let known = TaskName::IN_THE_LANGUAGE.iter().filter(|known| **known != TaskName::Stsb);
            let known = known.map(|task| task.as_str()).collect::<Vec<_>>().join(", ");
            let hint = format!("use {known}, or set evaluate.source to {{ kind: hub }}");
            (format!("the built-in language has no {task}"), hint)
        } else if tasks.iter().take(index).any(|before| before == task) {
            ("is listed twice".into(), "remove one of the two".into())
        } else {
            continue;
        };
        let found = violation("evaluate.probe.tasks", &["evaluate.source"], what, hint);
        violations.push(found.at_entry(index));
    }
    violations
}

/// Every set once, and in the language of the model's text.
fn minimal_pairs(trial: &TrialSpec) -> Vec<Violation> {
    let sets = &trial.evaluate.minimal_pairs;
    let mut violations = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        let word = set.word();
        let mut report = |what: String, hint: &str| {
            let found = violation("evaluate.minimal_pairs", &["data", "data.kind"], what, hint);
            violations.push(found.at_entry(index));
        };
        if trial.published.is_some() {
            let what =
                "needs the heads of pre-training, and a published checkpoint is read without them".into();
            report(what, "remove it, or use evaluate.probe, which needs the encoder alone");
        }
        if sets.iter().take(index).any(|before| before.word() == word) {
            report(format!("the set {word} is listed twice"), "remove one of the two");
        }
        match (trial.published.is_none(), set.is_synthetic(), trial.data.is_synthetic()) {
            (true, true, false) => {
                let what = "has pairs of the built-in language, but the model is trained on other text";
                report(what.into(), "use kind: blimp or kind: zorro, or set data to { kind: language }");
            }
            (true, false, true) => {
                let what =
                    "has English sentences, but the model knows only the vocabulary of the built-in language";
                report(what.into(), "use kind: language, or set data to { kind: hub, repo: … }");
            }
            _ => {}
        }
        if let Some((repo, revision)) = set.on_hub() {
            let at = ValuePath::of_keys(&["evaluate", "minimal_pairs"]).index(index);
            let found = repository(("repo", repo), ("revision", revision)).into_iter();
            violations.extend(found.map(|one| Violation { at: at.join(one.at.segments()), ..one }));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use crate::experiment::load::tests::load_text;

    const FILE: &str = "\
name: intermediate
about: Does it help?
evaluate:
  tasks: [rte, mrpc]
  intermediate: { task: qnli, for: [rte] }
";

    fn refusal(set: &str) -> String {
        load_text(FILE, None, &[set]).unwrap_err().to_string()
    }

    #[test]
    fn intermediate_tasks_are_checked() {
        let trial = &load_text(FILE, None, &[]).unwrap().trials[0];
        let words: Vec<&str> =
            trial.spec.evaluate.tasks_to_read().into_iter().map(|task| task.as_str()).collect();
        assert_eq!(words, ["rte", "mrpc", "qnli"]);
        let description = trial.spec.evaluate.description();
        assert!(description.ends_with("; rte from the encoder fine-tuned on qnli"), "{description}");
        let without = load_text(FILE, None, &["evaluate.intermediate=null"]).unwrap();
        assert_ne!(trial.id, without.trials[0].id);
        insta::assert_snapshot!(refusal("evaluate.intermediate={task: rte, for: [rte]}"), @r#"
        --set evaluate.intermediate={task: rte, for: [rte]}: evaluate.intermediate.for[0] = "rte": cannot start from itself
        hint: remove rte here, or use another intermediate task
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        "#);
        insta::assert_snapshot!(refusal("evaluate.intermediate={task: mnli, for: [mrpc, cola, mrpc]}"), @r#"
        a.yaml has 3 mistakes
         1. --set evaluate.intermediate={task: mnli, for: [mrpc, cola, mrpc]}: evaluate.intermediate.task = "mnli": the built-in language has no mnli
            hint: use cola, sst2, mrpc, stsb, qnli, rte, or set evaluate.source to { kind: hub }
         2. --set evaluate.intermediate={task: mnli, for: [mrpc, cola, mrpc]}: evaluate.intermediate.for[1] = "cola": is not evaluated
            hint: add cola to evaluate.tasks, or remove it here
         3. --set evaluate.intermediate={task: mnli, for: [mrpc, cola, mrpc]}: evaluate.intermediate.for[2] = "mrpc": is listed twice
            hint: remove one of the two
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        "#);
        insta::assert_snapshot!(refusal("evaluate.intermediate={task: squad2, for: [squad]}"), @r#"
        a.yaml has 2 mistakes
         1. --set evaluate.intermediate={task: squad2, for: [squad]}: evaluate.intermediate.task = "squad2": trains no classifier to start from
            hint: use a GLUE task, such as mnli
         2. --set evaluate.intermediate={task: squad2, for: [squad]}: evaluate.intermediate.for[0] = "squad": cannot start from a GLUE task
            hint: remove squad here
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        "#);
        insta::assert_snapshot!(refusal("evaluate.intermediate={task: qnli, for: []}"), @r"
        --set evaluate.intermediate={task: qnli, for: []}: evaluate.intermediate.for = []: is an empty list
        hint: write at least one entry, or remove the key
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        ");
    }

    #[test]
    fn the_built_in_language_has_no_test_split() {
        insta::assert_snapshot!(refusal("evaluate.predict_test=true"), @r"
        --set evaluate.predict_test=true: asks for test splits, and the built-in language has none
        hint: remove predict_test, or set evaluate.source to { kind: hub }
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        ");
    }
    #[test]
    fn a_probe_takes_classification_tasks_of_the_source() {
        let probe = |tasks: &str| refusal(&format!("evaluate.probe={{tasks: {tasks}}}"));
        assert!(load_text(FILE, None, &["evaluate.probe={tasks: [cola, rte]}"]).is_ok());
        insta::assert_snapshot!(probe("[stsb, squad, mnli, cola, cola]"), @r#"
        a.yaml has 4 mistakes
         1. --set evaluate.probe={tasks: [stsb, squad, mnli, cola, cola]}: evaluate.probe.tasks[0] = "stsb": has scores and no classes, and a probe is a classifier
            hint: remove stsb here; evaluate.tasks may have it
         2. --set evaluate.probe={tasks: [stsb, squad, mnli, cola, cola]}: evaluate.probe.tasks[1] = "squad": asks for a part of a text, and a probe classifies whole texts
            hint: remove squad here; evaluate.tasks may have it
         3. --set evaluate.probe={tasks: [stsb, squad, mnli, cola, cola]}: evaluate.probe.tasks[2] = "mnli": the built-in language has no mnli
            hint: use cola, sst2, mrpc, qnli, rte, or set evaluate.source to { kind: hub }
         4. --set evaluate.probe={tasks: [stsb, squad, mnli, cola, cola]}: evaluate.probe.tasks[4] = "cola": is listed twice
            hint: remove one of the two
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        "#);
        let without_tasks = ["evaluate={source: {kind: hub}, probe: {tasks: [cola]}}"];
        insta::assert_snapshot!(load_text(FILE, None, &without_tasks).unwrap_err().to_string(), @r"
        --set evaluate={source: {kind: hub}, probe: {tasks: [cola]}}: evaluate.source = { kind: hub, … }: has English tasks, but the model knows only the vocabulary of the built-in language
        hint: set evaluate.source to { kind: language }, or data to { kind: hub, repo: … }
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        ");
        let long = ["evaluate={probe: {tasks: [cola]}}", "model.positions=64", "train.seq_len=64"];
        insta::assert_snapshot!(load_text(FILE, None, &long).unwrap_err().to_string(), @r"
        --set model.positions=64: evaluate.finetune.seq_len = 128 (default): is longer than the position table, model.positions (64)
        hint: lower it to at most 64, or raise model.positions to 128
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        ");
    }

    #[test]
    fn pairs_are_in_the_language_of_the_text() {
        let pairs = |sets: &str| refusal(&format!("evaluate.minimal_pairs={sets}"));
        assert!(load_text(FILE, None, &["evaluate.minimal_pairs=[{kind: language}]"]).is_ok());
        insta::assert_snapshot!(pairs("[{kind: language}, {kind: blimp}, {kind: language, pairs: 50}]"), @r"
        a.yaml has 2 mistakes
         1. --set evaluate.minimal_pairs=[{kind: language}, {kind: blimp}, {kind: language, pairs: 50}]: evaluate.minimal_pairs[1] = { kind: blimp, … }: has English sentences, but the model knows only the vocabulary of the built-in language
            hint: use kind: language, or set data to { kind: hub, repo: … }
         2. --set evaluate.minimal_pairs=[{kind: language}, {kind: blimp}, {kind: language, pairs: 50}]: evaluate.minimal_pairs[2] = { kind: language, … }: the set language is listed twice
            hint: remove one of the two
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        ");
        insta::assert_snapshot!(pairs("[{kind: zorro, repo: ../x, revision: \"\"}]"), @r#"
        a.yaml has 3 mistakes
         1. --set evaluate.minimal_pairs=[{kind: zorro, repo: ../x, revision: ""}]: evaluate.minimal_pairs[0] = { kind: zorro, … }: has English sentences, but the model knows only the vocabulary of the built-in language
            hint: use kind: language, or set data to { kind: hub, repo: … }
         2. --set evaluate.minimal_pairs=[{kind: zorro, repo: ../x, revision: ""}]: evaluate.minimal_pairs[0].repo = "../x": is not the name of a repository
            hint: write owner/name, as in the repository's address
         3. --set evaluate.minimal_pairs=[{kind: zorro, repo: ../x, revision: ""}]: evaluate.minimal_pairs[0].revision = "": is not a revision
            hint: write a branch, a tag or a commit, such as main
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        "#);
        let english = ["data={kind: files, paths: [a.txt]}", "evaluate={minimal_pairs: [{kind: language}]}"];
        insta::assert_snapshot!(load_text(FILE, None, &english).unwrap_err().to_string(), @r"
        --set evaluate={minimal_pairs: [{kind: language}]}: evaluate.minimal_pairs[0] = { kind: language, … }: has pairs of the built-in language, but the model is trained on other text
        hint: use kind: blimp or kind: zorro, or set data to { kind: language }
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        ");
        let good = ["data={kind: files, paths: [a.txt]}", "evaluate={minimal_pairs: [{kind: blimp}]}"];
        assert!(load_text(FILE, None, &good).is_ok());
    }
}
