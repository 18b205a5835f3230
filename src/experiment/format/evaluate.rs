//! Downstream tasks and how they are fine-tuned.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::intermediate::IntermediateSpec;
use super::recipe::{Recipe, RecipeSize};
use super::squad::SquadSpec;

/// The tasks that can be fine-tuned on. Their numbers address random streams and are never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Acceptability of a sentence (Matthews correlation).
    Cola = 0,
    /// Sentiment of a sentence (accuracy).
    Sst2 = 1,
    /// Paraphrase (accuracy).
    Mrpc = 2,
    /// Similarity from 0 to 5 (Spearman correlation).
    Stsb = 3,
    /// Textual entailment (accuracy).
    Rte = 4,
    /// Whether a sentence answers a question (accuracy).
    Qnli = 5,
    /// Whether two questions ask the same (accuracy).
    Qqp = 6,
    /// Entailment, neutral or contradiction, scored on the matched split (accuracy).
    Mnli = 7,
    /// Coreference as entailment (accuracy).
    Wnli = 8,
    /// Answers as spans of a text, SQuAD 1.1 (F1); no part of GLUE's mean.
    Squad = 9,
    /// The same with questions that the text does not answer, SQuAD 2.0 (F1); no part of GLUE's mean.
    Squad2 = 10,
}

impl TaskName {
    /// Every task, in the order of GLUE's table, and SQuAD.
    pub const ALL: [TaskName; 11] = [
        Self::Cola,
        Self::Sst2,
        Self::Mrpc,
        Self::Stsb,
        Self::Qqp,
        Self::Mnli,
        Self::Qnli,
        Self::Rte,
        Self::Wnli,
        Self::Squad,
        Self::Squad2,
    ];

    /// Tasks of GLUE that the built-in language has examples of; it has SQuAD too.
    pub const IN_THE_LANGUAGE: [TaskName; 6] =
        [Self::Cola, Self::Sst2, Self::Mrpc, Self::Stsb, Self::Qnli, Self::Rte];

    /// The word of the specification, which is also the hub's configuration name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cola => "cola",
            Self::Sst2 => "sst2",
            Self::Mrpc => "mrpc",
            Self::Stsb => "stsb",
            Self::Rte => "rte",
            Self::Qnli => "qnli",
            Self::Qqp => "qqp",
            Self::Mnli => "mnli",
            Self::Wnli => "wnli",
            Self::Squad => "squad",
            Self::Squad2 => "squad2",
        }
    }

    /// Whether its answers are spans of a text, so that windows, heads and scores are SQuAD's and not GLUE's.
    pub fn is_squad(self) -> bool {
        matches!(self, Self::Squad | Self::Squad2)
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the tasks' examples come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TaskSource {
    /// Written by the built-in language in GLUE's schema; scores carry the mark "synthetic".
    Language {
        /// Training examples a task.
        #[serde(default = "default_train_examples")]
        #[schemars(range(min = 10, max = 1000000))]
        train_examples: usize,
        /// Validation examples a task.
        #[serde(default = "default_validation_examples")]
        #[schemars(range(min = 10, max = 1000000))]
        validation_examples: usize,
    },
    /// GLUE from the hub.
    Hub {
        /// Repository, `owner/name`.
        #[serde(default = "default_glue")]
        repo: String,
        /// Branch, tag or commit.
        #[serde(default = "default_revision")]
        revision: String,
    },
}

fn default_train_examples() -> usize {
    1000
}

fn default_validation_examples() -> usize {
    400
}

fn default_glue() -> String {
    "nyu-mll/glue".into()
}

fn default_revision() -> String {
    "main".into()
}

impl Default for TaskSource {
    fn default() -> Self {
        Self::Language {
            train_examples: default_train_examples(),
            validation_examples: default_validation_examples(),
        }
    }
}

impl TaskSource {
    /// Whether scores carry the mark "synthetic".
    pub fn is_synthetic(&self) -> bool {
        matches!(self, Self::Language { .. })
    }
}

/// Downstream evaluation of a trial; no tasks means none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateSpec {
    /// Where the examples come from.
    pub source: TaskSource,
    /// Tasks to fine-tune on.
    pub tasks: Vec<TaskName>,
    /// Fine-tuning runs a task, each with its own head and example order.
    #[schemars(range(min = 1, max = 1000))]
    pub finetune_seeds: u32,
    /// Fine-tuning recipe.
    pub finetune: FinetuneSpec,
    /// What SQuAD needs beyond it.
    #[serde(skip_serializing_if = "SquadSpec::is_default")]
    pub squad: SquadSpec,
    /// Starts some tasks from the encoder as fine-tuned on another task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intermediate: Option<IntermediateSpec>,
    /// Also predicts the test splits (of MNLI both, and AX with its models), for `electra-lab submission`; changes no score.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub predict_test: bool,
}

impl EvaluateSpec {
    /// The longest input of the listed tasks in tokens, and the path of the value that says so; None without tasks.
    pub fn longest_input(&self) -> Option<(usize, &'static str)> {
        let glue = (self.finetune.seq_len, "evaluate.finetune.seq_len");
        let squad = (self.squad.seq_len, "evaluate.squad.seq_len");
        self.tasks.iter().map(|task| if task.is_squad() { squad } else { glue }).max()
    }
}

impl Default for EvaluateSpec {
    fn default() -> Self {
        Self {
            source: TaskSource::default(),
            tasks: Vec::new(),
            finetune_seeds: 1,
            finetune: FinetuneSpec::default(),
            squad: SquadSpec::default(),
            intermediate: None,
            predict_test: false,
        }
    }
}

/// How far down a parameter's learning rate decays. Both leave the peak rate to the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LayerDecayRule {
    /// One factor a layer from the head down: the topmost of n layers has one factor, the embeddings n + 1.
    #[default]
    Paper,
    /// One factor more below the head: the topmost of n layers has two, the embeddings n + 2. The released code
    /// still counts a layer between the head and the encoder that it no longer has.
    ReleasedCode,
}

impl LayerDecayRule {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What stands between the encoder and a task's outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadKind {
    /// One dense layer on [CLS] behind dropout, as the paper and the released code have it.
    #[default]
    Paper,
    /// transformers' ElectraForSequenceClassification: a dense layer with GELU more, and dropout before both.
    Huggingface,
}

impl HeadKind {
    /// The word of the specification, for tables.
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

/// Fine-tuning recipe; the defaults are the paper's for small models (Table 7) but for the epochs of RTE and STS-B.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FinetuneSpec {
    /// Fills the keys that are written nowhere, for the model's size: `paper` or `released_code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// The size that `recipe` is for. Unset, the model's width decides; a published checkpoint needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe_size: Option<RecipeSize>,
    /// Peak learning rate.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub learning_rate: f64,
    /// Factor between the learning rates of a layer and the one below it; the head has the peak rate.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub layer_decay: f64,
    /// How many of these factors the topmost layer has: `paper` (the default) one, `released_code` two.
    // Left out where it is the default, so that the ids of trials from before it existed stay theirs.
    #[serde(skip_serializing_if = "LayerDecayRule::is_default")]
    pub layer_decay_rule: LayerDecayRule,
    /// Passes over the training examples.
    #[schemars(range(min = 0.01, max = 1000.0))]
    pub epochs: f64,
    /// Epochs for RTE and STS-B, where the paper trains longer; unset uses `epochs`.
    #[schemars(range(min = 0.01, max = 1000.0))]
    pub epochs_small_tasks: Option<f64>,
    /// Examples a step.
    #[schemars(range(min = 1, max = 65536))]
    pub batch: usize,
    /// Share of the steps that warms up.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub warmup_fraction: f64,
    /// Decoupled weight decay.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub weight_decay: f64,
    /// Longest input in tokens; longer pairs lose tokens of the longer segment.
    #[schemars(range(min = 8, max = 8192))]
    pub seq_len: usize,
    /// Uses at most this many training examples, the first of the shuffled set; reports name the cap.
    #[schemars(range(min = 1, max = 1000000000))]
    pub max_train_examples: Option<usize>,
    /// The head: `paper` (the default) or `huggingface`.
    #[serde(skip_serializing_if = "HeadKind::is_default")]
    pub head: HeadKind,
    /// Trains on every pair of MRPC and STS-B in both orders, as the released code does by default.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub double_unordered: bool,
    /// Keeps the weights of every fine-tuned model, for `electra-lab export`; changes no number.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The id hashes this text: a key that says nothing new must not be in it.
    #[test]
    fn what_has_its_default_is_not_written() {
        let text = serde_json::to_string(&EvaluateSpec::default()).unwrap();
        for key in ["intermediate", "predict_test", "recipe", "keep_models", "double_unordered", "head"] {
            assert!(!text.contains(key), "{key} is in {text}");
        }
    }

    #[test]
    fn a_default_decay_rule_is_not_written_so_that_ids_stay() {
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
