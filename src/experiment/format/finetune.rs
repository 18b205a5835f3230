//! How a model is fine-tuned on GLUE's tasks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recipe::{LayerDecayRule, Recipe, RecipeSize};

/// The head: the layers between the encoder and the outputs of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadKind {
    /// Dropout and one dense layer on `[CLS]`, as in the paper and the released code.
    #[default]
    Paper,
    /// transformers' ElectraForSequenceClassification: one more dense layer with GELU, and dropout before
    /// both.
    Huggingface,
}

impl HeadKind {
    /// The word in the experiment file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Huggingface => "huggingface",
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Fine-tuning. The defaults are the paper's for small models (Table 7), except the epochs of RTE and STS-B.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FinetuneSpec {
    /// Gives values to the keys that are not set elsewhere, by the model's size: `paper` or `released_code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// The model size for `recipe`. Unset, the model's width decides; a published checkpoint needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe_size: Option<RecipeSize>,
    /// Peak learning rate.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub learning_rate: f64,
    /// Factor between the learning rates of a layer and the one below it; the head has the peak rate.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub layer_decay: f64,
    /// How many of these factors the topmost layer has: one for `paper` (the default), two for
    /// `released_code`.
    #[serde(skip_serializing_if = "LayerDecayRule::is_default")]
    pub layer_decay_rule: LayerDecayRule,
    /// Passes over the training examples.
    #[schemars(range(min = 0.01, max = 1000.0))]
    pub epochs: f64,
    /// Epochs for RTE and STS-B, where the paper trains longer; unset uses `epochs`.
    #[schemars(range(min = 0.01, max = 1000.0))]
    pub epochs_small_tasks: Option<f64>,
    /// Examples per step.
    #[schemars(range(min = 1, max = 65536))]
    pub batch: usize,
    /// Share of the steps with a rising learning rate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub warmup_fraction: f64,
    /// Decoupled weight decay.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub weight_decay: f64,
    /// Longest input in tokens; of a longer pair, tokens of the longer segment are cut off.
    #[schemars(range(min = 8, max = 8192))]
    pub seq_len: usize,
    /// Uses at most this many training examples, the first of the shuffled set; reports state the limit.
    #[schemars(range(min = 1, max = 1000000000))]
    pub max_train_examples: Option<usize>,
    /// The head: `paper` (the default) or `huggingface`.
    #[serde(skip_serializing_if = "HeadKind::is_default")]
    pub head: HeadKind,
    /// Trains on every pair of MRPC and STS-B in both orders, as the released code does by default.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub double_unordered: bool,
    /// Keeps the weights of every fine-tuned model, for `electra-lab export`; changes no score.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_models: bool,
}

impl Default for FinetuneSpec {
    fn default() -> Self {
        Self {
            recipe: None,
            recipe_size: None,
            learning_rate: 3e-4,
            layer_decay: 0.8,
            layer_decay_rule: LayerDecayRule::default(),
            epochs: 3.0,
            epochs_small_tasks: None,
            batch: 32,
            warmup_fraction: 0.1,
            weight_decay: 0.0,
            seq_len: 128,
            max_train_examples: None,
            head: HeadKind::default(),
            double_unordered: false,
            keep_models: false,
        }
    }
}

impl FinetuneSpec {
    /// The recipe's name and all numbers, as text for plans and reports.
    pub fn description(&self) -> String {
        let named = self.recipe.map_or("no named recipe".into(), |name| format!("recipe {}", name.as_str()));
        let longer = self.epochs_small_tasks.map_or(String::new(), |n| format!(" ({n} for RTE and STS-B)"));
        let rule = match self.layer_decay_rule {
            LayerDecayRule::Paper => "paper",
            LayerDecayRule::ReleasedCode => "released code",
        };
        let doubled = if self.double_unordered { ", MRPC and STS-B in both orders" } else { "" };
        format!(
            "{named}: learning rate {:e}, layer decay {} (rule of the {rule}), epochs {}{longer}, batch {}, warm-up {}, \
             weight decay {}, sequences of {}, {} head{doubled}",
            self.learning_rate,
            self.layer_decay,
            self.epochs,
            self.batch,
            self.warmup_fraction,
            self.weight_decay,
            self.seq_len,
            self.head.as_str()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_decay_rule_is_not_serialised_so_that_ids_stay() {
        let text = |rule| {
            let recipe = FinetuneSpec { layer_decay_rule: rule, ..Default::default() };
            let text = serde_json::to_string(&recipe).unwrap();
            assert_eq!(serde_json::from_str::<FinetuneSpec>(&text).unwrap(), recipe);
            text
        };
        assert!(!text(LayerDecayRule::Paper).contains("rule"));
        assert!(text(LayerDecayRule::ReleasedCode).contains(r#""layer_decay_rule":"released_code""#));
    }
}
