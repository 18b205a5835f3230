//! Values of the keys of objectives, and the roles of an objective's networks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which tokens are chosen, and what the network reads in their place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Masking {
    /// Close to the paper's rule: max(1, round(share × tokens)) different positions of each sequence.
    /// Replaced-token detection writes `[MASK]` into each. Masked language modelling writes `[MASK]` into
    /// 80 %, a random token into 10 %, and leaves 10 %. The paper draws as many positions independently and
    /// uniformly (section 2), so that a position may be drawn twice: of 19 draws among 126 tokens, 17.7
    /// differ.
    #[default]
    Paper,
    /// The released code's rule for both objectives: a position may be drawn twice; 85 % become `[MASK]`, and
    /// 15 % stay.
    ReleasedCode,
}

impl Masking {
    /// The default is not serialised, so that the ids of trials from before this key existed do not change.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Where replacement tokens come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeneratorKind {
    /// A masked language model, trained together with the discriminator (ELECTRA, section 2).
    #[default]
    Network,
    /// No network: tokens by their frequency in the training text (ELECTRA, section 3.2, "unigram"), never
    /// `[CLS]`, `[SEP]`, `[MASK]` or `[PAD]`. The temperature T raises each frequency to the power 1/T.
    Unigram,
    /// No network: all tokens equally likely, except `[CLS]`, `[SEP]`, `[MASK]` and `[PAD]`, which are never
    /// drawn (the released code's `uniform_generator` draws those too).
    Uniform,
    /// No network: tokens by their probability between the two tokens beside them, p(x | left) · p(right | x)
    /// up to a constant, from counts of neighbouring tokens in the training text (a bigram model's posterior;
    /// ours). Each factor is mixed with 10 % of what the token's frequency alone gives. A neighbour that is
    /// hidden by `[MASK]` is left out. The temperature T raises each probability to the power 1/T.
    Bigram,
}

impl GeneratorKind {
    /// The default is not serialised, so that the ids of trials from before this key existed do not change.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a sum of losses is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// The number of masked positions.
    Masked,
    /// The number of all tokens.
    AllTokens,
}

/// Two objectives have this key with different defaults. A default is not serialised, so that the ids of
/// trials from before the key existed do not change.
impl Normalise {
    pub(crate) fn masked() -> Self {
        Self::Masked
    }

    pub(crate) fn is_masked(&self) -> bool {
        *self == Self::Masked
    }

    pub(crate) fn all_tokens() -> Self {
        Self::AllTokens
    }

    pub(crate) fn is_all_tokens(&self) -> bool {
        *self == Self::AllTokens
    }
}

/// The loss of `coco_lm`'s softmax at the masked positions. D is the copy gate's probability that the token
/// is the original, as a constant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// The paper's loss: -log(1[token read is the original]·D + (1 - D)·softmax).
    #[default]
    Paper,
    /// The released code's: (1 - D)·(-log softmax).
    ReleasedCode,
}

/// Learning-rate schedule over the two stages of `two_stage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageSchedule {
    /// Each stage has its own warm-up and decay to zero.
    #[default]
    Restart,
    /// One warm-up and one decay over all steps.
    Single,
}

/// The networks that the second stage of `two_stage` trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondStage {
    /// The discriminator, on samples of a frozen generator (the paper's two stages).
    #[default]
    Discriminator,
    /// Both, as in `rtd`: masked language modelling is a start for joint training (ours).
    Joint,
}

impl SecondStage {
    /// The default is not serialised, so that the ids of trials from before this key existed do not change.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The networks that a step trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// All networks.
    Joint,
    /// Only the generator.
    Generator,
    /// Only the discriminator, on samples of a frozen generator.
    Discriminator,
}

/// The pre-training task of the encoder that is fine-tuned later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MainTask {
    /// Predict the tokens at `[MASK]`.
    Unmask,
    /// Predict the tokens at `[MASK]`, and detect replaced tokens by the same head in a pass of its own.
    UnmaskAndDetect,
    /// Detect replaced tokens.
    Detect,
    /// Predict the original tokens at the masked positions.
    Restore,
    /// Predict the original of every token, with a copy gate.
    RestoreAll,
    /// Detect replaced tokens by a copy gate, and predict the originals at the masked positions.
    Correct,
}

/// Length of a crop of a sequence of `length` tokens. It keeps the first and the last token and `share` of
/// those between, at least one if there are any.
pub fn cropped(length: usize, share: f64) -> usize {
    let between = length.saturating_sub(2);
    let kept = ((between as f64 * share).round() as usize).clamp(between.min(1), between);
    length - between + kept
}
