//! Checks that the values of `evaluate` agree: a recipe with its size, an intermediate task with the tasks
//! that start from it, test splits with the source of the examples.
//!
//! Must never: repeat what the schema states. Next: `check_trial` calls this.

use super::violation::{Violation, violation};
use crate::experiment::format::task_name::TaskName;
use crate::experiment::trial::TrialSpec;

/// All violations of the evaluation of a trial.
pub(crate) fn check_evaluate(trial: &TrialSpec) -> Vec<Violation> {
    let mut violations: Vec<Violation> = recipe(trial).into_iter().collect();
    violations.extend(intermediate(trial));
    violations.extend(test_split(trial));
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
        let mut found = violation("evaluate.intermediate.for", &["evaluate.tasks"], what, hint);
        found.at = found.at.index(index);
        violations.push(found);
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
}
