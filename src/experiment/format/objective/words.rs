//! Words that the keys of objectives take, and what an objective asks of its networks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which tokens are predicted, and what the network reads in their place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Masking {
    /// The paper's rule: as many different positions as the share asks for. Replaced-token detection writes
    /// [MASK] into each; masked language modelling writes [MASK] into 80 %, a random token into 10 % and
    /// leaves 10 %.
    #[default]
    Paper,
    /// The released code's rule for both: positions may be drawn twice; 85 % become [MASK], 15 % stay.
    ReleasedCode,
}

impl Masking {
    /// Whether this is what an unwritten value means: it is then not written either, and trials keep the ids
    /// that they had before there was a choice.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Who proposes the replacements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeneratorKind {
    /// A masked language model, trained together with the discriminator (ELECTRA, section 2).
    #[default]
    Network,
    /// No network: tokens as often as they occur in the training text (ELECTRA, section 3.2, "unigram").
    /// [CLS], [SEP], [MASK] and [PAD] are never drawn. The temperature T raises each frequency to 1/T.
    Unigram,
    /// No network: every token equally likely but [CLS], [SEP], [MASK] and [PAD] (the released code's
    /// `uniform_generator`, which draws those too).
    Uniform,
}

impl GeneratorKind {
    /// Whether this is what an unwritten value means.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the softmax of `coco_lm` is trained on at the masked positions, with D the copy gate's probability that the
/// token is the original, taken as a constant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// The paper's loss: -log(1[token read is the original]·D + (1 - D)·softmax).
    #[default]
    Paper,
    /// The released code's: (1 - D)·(-log softmax).
    ReleasedCode,
}

/// Learning rate over the two stages of `two_stage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageSchedule {
    /// Each stage has a warm-up and a decay to zero of its own.
    #[default]
    Restart,
    /// One warm-up and one decay over all steps.
    Single,
}

/// What a step trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Everything there is.
    Joint,
    /// The generator alone.
    Generator,
    /// The discriminator alone, on samples of a frozen generator.
    Discriminator,
}

/// What an objective asks of the encoder that is fine-tuned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MainTask {
    /// The tokens behind [MASK].
    Unmask,
    /// Which tokens were replaced.
    Detect,
    /// The originals of the replaced tokens.
    Restore,
    /// The original of every token, with a copy gate.
    RestoreAll,
    /// Which tokens were replaced, by a copy gate, and the originals at the masked positions.
    Correct,
}

/// Length of a crop of a sequence of `length` tokens that keeps the first, the last and `share` of those between, at least
/// one where there is any.
pub fn cropped(length: usize, share: f64) -> usize {
    let between = length.saturating_sub(2);
    let kept = ((between as f64 * share).round() as usize).clamp(between.min(1), between);
    length - between + kept
}
