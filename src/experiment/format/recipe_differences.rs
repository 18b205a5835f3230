//! How the fine-tuning of a trial differs from a recipe, for reports that hold its scores against published
//! ones.

use serde_json::{Value, json};

use super::finetune::FinetuneSpec;
use super::recipe::{LayerDecayRule, Recipe, RecipeSize};
use super::task_name::TaskName;
use crate::experiment::sweep_point::value_label;

/// What fine-tuning does other than a recipe: every number that differs, with the recipe's own. The longer
/// training of RTE and STS-B counts only if one of them is among the tasks.
pub fn recipe_differences(
    finetune: &FinetuneSpec,
    tasks: &[TaskName],
    recipe: Recipe,
    size: RecipeSize,
) -> Vec<String> {
    let Ok(ours) = serde_json::to_value(finetune) else { return Vec::new() };
    let has_small_tasks = tasks.iter().any(|task| matches!(task, TaskName::Rte | TaskName::Stsb));
    let has_pairs = tasks.iter().any(|task| matches!(task, TaskName::Mrpc | TaskName::Stsb));
    let applies = |key: &str| match key {
        "epochs_small_tasks" => has_small_tasks,
        "double_unordered" => has_pairs,
        _ => true,
    };
    let values = recipe.values(size).into_iter().filter(|(key, _)| applies(key));
    let difference = |(key, theirs): (&str, Value)| {
        // A default is not serialised.
        let absent = match key {
            "double_unordered" => json!(false),
            "layer_decay_rule" => json!(LayerDecayRule::default()),
            _ => Value::Null,
        };
        let own = ours.get(key).cloned().unwrap_or(absent);
        let is_same = own == theirs || own.as_f64().is_some_and(|own| theirs.as_f64() == Some(own));
        let word = key.replace('_', " ");
        (!is_same).then(|| format!("{word} {}, not {}", value_label(&own), value_label(&theirs)))
    };
    values.filter_map(difference).collect()
}
