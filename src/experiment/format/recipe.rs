//! Fine-tuning recipes by name: the numbers of the paper and of the released code, for each model size.
//!
//! A recipe gives values to the keys that neither the file, a profile, a `--set` nor the sweep sets,
//! separately for each point of the sweep. The trial holds the numbers; the recipe's name is not part of its
//! id. Must never: look at a checkpoint. Next: `expand.rs` applies it to each point.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::ModelSpec;
use crate::experiment::document::value_path::ValuePath;

/// Where the fine-tuning numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recipe {
    /// ELECTRA, Table 7: learning rate 3e-4, 1e-4 or 5e-5 by size, no weight decay.
    Paper,
    /// google-research/electra, configure_finetuning.py: learning rate 1e-4, 1e-4 or 5e-5 by size, weight
    /// decay 0.01, its rule of layer decay, MRPC and STS-B in both orders.
    ReleasedCode,
}

/// The model size that a recipe has numbers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecipeSize {
    /// ELECTRA-Small and smaller: less than 768 wide.
    Small,
    /// ELECTRA-Base: from 768 wide.
    Base,
    /// ELECTRA-Large: from 1024 wide.
    Large,
}

/// How many factors of layer-wise decay a parameter's learning rate has. The head has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LayerDecayRule {
    /// One factor per layer from the head down: the topmost of n layers has one factor, the embeddings n + 1.
    #[default]
    Paper,
    /// One factor more than `paper` has: the topmost of n layers has two, the embeddings n + 2. The released
    /// code counts one more layer between the head and the encoder, which it no longer has.
    ReleasedCode,
}

impl LayerDecayRule {
    /// Default values are not serialised, so that the ids of trials from before this key existed do not
    /// change.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Recipe {
    /// The word in the experiment file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::ReleasedCode => "released_code",
        }
    }

    /// The numbers for a model size, by the keys of `evaluate.finetune`.
    pub(super) fn values(self, size: RecipeSize) -> [(&'static str, Value); 10] {
        let paper = self == Self::Paper;
        let learning_rate = match size {
            RecipeSize::Small if paper => 3e-4,
            RecipeSize::Small | RecipeSize::Base => 1e-4,
            RecipeSize::Large => 5e-5,
        };
        let layer_decay = if size == RecipeSize::Large { 0.9 } else { 0.8 };
        [
            ("learning_rate", json!(learning_rate)),
            ("layer_decay", json!(layer_decay)),
            (
                "layer_decay_rule",
                json!(if paper { LayerDecayRule::Paper } else { LayerDecayRule::ReleasedCode }),
            ),
            ("epochs", json!(3.0)),
            ("epochs_small_tasks", json!(10.0)),
            ("batch", json!(32)),
            ("warmup_fraction", json!(0.1)),
            ("weight_decay", json!(if paper { 0.0 } else { 0.01 })),
            ("seq_len", json!(128)),
            ("double_unordered", json!(!paper)),
        ]
    }
}

impl RecipeSize {
    /// The size of an encoder of this width.
    pub fn of_width(hidden: usize) -> Self {
        match hidden {
            0..768 => Self::Small,
            768..1024 => Self::Base,
            _ => Self::Large,
        }
    }
}

/// Applies the recipe of a point to its document, except to keys of `written`, the document without defaults.
/// Does nothing if there is no recipe or its size is unknown (`check_trial` rejects that).
pub(crate) fn fill(document: &mut Value, written: &Value) {
    let finetune = ValuePath::of_keys(&["evaluate", "finetune"]);
    let choice = |key: &str| finetune.key(key).get(document).filter(|value| !value.is_null()).cloned();
    let Some(Ok(recipe)) = choice("recipe").map(serde_json::from_value::<Recipe>) else { return };
    let size = match choice("recipe_size") {
        Some(word) => serde_json::from_value(word).ok(),
        None => of_model(document),
    };
    let Some(size) = size else { return };
    let Some(section) = document.pointer_mut("/evaluate/finetune").and_then(Value::as_object_mut) else {
        return;
    };
    for (key, value) in recipe.values(size) {
        if finetune.key(key).get(written).is_none() {
            section.insert(key.into(), value);
        }
    }
}

/// The size of the model that the document trains; None for a published one, whose width is in its
/// checkpoint.
fn of_model(document: &Value) -> Option<RecipeSize> {
    let base = document.get("base")?;
    if base.get("published").is_some_and(|published| !published.is_null()) {
        return None;
    }
    let model: ModelSpec = serde_json::from_value(base.get("model")?.clone()).ok()?;
    Some(RecipeSize::of_width(model.discriminator().hidden))
}

#[cfg(test)]
mod tests {
    use crate::experiment::load::tests::load_text;

    const FILE: &str = "\
name: recipes
about: Which recipe?
evaluate: { tasks: [cola] }
";

    fn descriptions(text: &str, sets: &[&str]) -> String {
        let experiment = load_text(text, None, sets).unwrap();
        let lines = experiment
            .trials
            .iter()
            .map(|trial| format!("{} | {}", trial.label(), trial.spec.evaluate.finetune.description()));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn refusal(sets: &[&str]) -> String {
        load_text(FILE, None, sets).unwrap_err().to_string()
    }

    #[test]
    fn every_size_of_both_recipes() {
        let sets = [
            "sweep={evaluate.finetune.recipe: [paper, released_code], model.size: [tiny, small, base, large]}",
        ];
        insta::assert_snapshot!(descriptions(FILE, &sets), @r"
        evaluate.finetune.recipe=paper model.size=tiny seed=1 | recipe paper: learning rate 3e-4, layer decay 0.8 (rule of the paper), epochs 3 (10 for RTE and STS-B), batch 32, warm-up 0.1, weight decay 0, sequences of 128, paper head
        evaluate.finetune.recipe=paper model.size=small seed=1 | recipe paper: learning rate 3e-4, layer decay 0.8 (rule of the paper), epochs 3 (10 for RTE and STS-B), batch 32, warm-up 0.1, weight decay 0, sequences of 128, paper head
        evaluate.finetune.recipe=paper model.size=base seed=1 | recipe paper: learning rate 1e-4, layer decay 0.8 (rule of the paper), epochs 3 (10 for RTE and STS-B), batch 32, warm-up 0.1, weight decay 0, sequences of 128, paper head
        evaluate.finetune.recipe=paper model.size=large seed=1 | recipe paper: learning rate 5e-5, layer decay 0.9 (rule of the paper), epochs 3 (10 for RTE and STS-B), batch 32, warm-up 0.1, weight decay 0, sequences of 128, paper head
        evaluate.finetune.recipe=released_code model.size=tiny seed=1 | recipe released_code: learning rate 1e-4, layer decay 0.8 (rule of the released code), epochs 3 (10 for RTE and STS-B), batch 32, warm-up 0.1, weight decay 0.01, sequences of 128, paper head, MRPC and STS-B in both orders
        evaluate.finetune.recipe=released_code model.size=small seed=1 | recipe released_code: learning rate 1e-4, layer decay 0.8 (rule of the released code), epochs 3 (10 for RTE and STS-B), batch 32, warm-up 0.1, weight decay 0.01, sequences of 128, paper head, MRPC and STS-B in both orders
        evaluate.finetune.recipe=released_code model.size=base seed=1 | recipe released_code: learning rate 1e-4, layer decay 0.8 (rule of the released code), epochs 3 (10 for RTE and STS-B), batch 32, warm-up 0.1, weight decay 0.01, sequences of 128, paper head, MRPC and STS-B in both orders
        evaluate.finetune.recipe=released_code model.size=large seed=1 | recipe released_code: learning rate 5e-5, layer decay 0.9 (rule of the released code), epochs 3 (10 for RTE and STS-B), batch 32, warm-up 0.1, weight decay 0.01, sequences of 128, paper head, MRPC and STS-B in both orders
        ");
    }

    #[test]
    fn written_values_win_over_the_recipe() {
        let file = "\
name: recipes
about: Which recipe?
evaluate: { tasks: [cola], finetune: { recipe: released_code, batch: 16, epochs_small_tasks: ~ } }
profiles:
  quick: { evaluate: { finetune: { weight_decay: 0.5 } } }
";
        let sets = ["evaluate.finetune.epochs=1", "sweep={evaluate.finetune.learning_rate: [0.1, 0.2]}"];
        insta::assert_snapshot!(descriptions(file, &sets), @r"
        evaluate.finetune.learning_rate=0.1 seed=1 | recipe released_code: learning rate 1e-1, layer decay 0.8 (rule of the released code), epochs 1, batch 16, warm-up 0.1, weight decay 0.5, sequences of 128, paper head, MRPC and STS-B in both orders
        evaluate.finetune.learning_rate=0.2 seed=1 | recipe released_code: learning rate 2e-1, layer decay 0.8 (rule of the released code), epochs 1, batch 16, warm-up 0.1, weight decay 0.5, sequences of 128, paper head, MRPC and STS-B in both orders
        ");
        // A --set of the whole section replaces the file's; the recipe fills the rest.
        let whole = descriptions(file, &["evaluate.finetune={recipe: paper, epochs: 7}"]);
        assert!(whole.contains("epochs 7 (10 for RTE and STS-B), batch 32"), "{whole}");
    }

    #[test]
    fn the_name_of_a_recipe_is_not_part_of_the_id() {
        let id = |sets: &[&str]| load_text(FILE, None, sets).unwrap().trials[0].id.clone();
        let named = id(&["evaluate.finetune.recipe=paper"]);
        assert_eq!(named, id(&["evaluate.finetune.epochs_small_tasks=10"]));
        assert_ne!(named, id(&["evaluate.finetune.recipe=released_code"]));
        assert_ne!(named, id(&[]), "the default trains RTE for three epochs");
    }

    #[test]
    fn a_published_checkpoint_needs_a_size() {
        let published = ["base.published={model: a/b}", "evaluate.source={kind: hub}"];
        let recipe = |word: &'static str| [&published[..], &[word]].concat();
        insta::assert_snapshot!(refusal(&recipe("evaluate.finetune.recipe=paper")), @r"
        --set evaluate.finetune.recipe=paper: has numbers for three model sizes, and the size of a published checkpoint is not known here
        hint: add recipe_size: small (less than 768 wide), base (768) or large (1024)
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        ");
        let sized = recipe("evaluate.finetune={recipe: paper, recipe_size: large}");
        assert!(descriptions(FILE, &sized).contains("learning rate 5e-5, layer decay 0.9"));
        insta::assert_snapshot!(refusal(&["evaluate.finetune.recipe_size=base"]), @r"
        --set evaluate.finetune.recipe_size=base: has no effect without a recipe
        hint: add recipe: paper or recipe: released_code, or remove recipe_size
        hint: `electra-lab schema` prints every key of the format with its type, range and default
        ");
    }
}
