//! Pre-training objectives and their keys. Next: `objective/choices.rs` has the values of these keys;
//! `objective::build` turns a specification into an objective.

pub mod choices;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use choices::{Correction, GeneratorKind, MainTask, Masking, Normalise, SecondStage, Stage, StageSchedule};

/// The pre-training objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectiveSpec {
    /// Replaced-token detection: a masked-language-model generator and a discriminator (ELECTRA).
    Rtd {
        /// Weight of the discriminator's loss (λ of the paper).
        #[serde(default = "default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        disc_weight: f64,
        /// Share of the tokens that are masked.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
        /// Temperature of the generator's samples; at the first step if `final_temperature` is set.
        #[serde(default = "default_temperature")]
        #[schemars(range(min = 0.01, max = 100.0))]
        temperature: f64,
        /// Temperature at the last step. Between the first step and the last one the temperature changes by
        /// the same factor at every step; held-out text is always sampled at the last temperature. Unset: it
        /// stays what it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0.01, max = 100.0))]
        final_temperature: Option<f64>,
        /// How tokens are chosen and masked.
        #[serde(default, skip_serializing_if = "Masking::is_default")]
        #[schemars(extend("default" = "paper"))]
        masking: Masking,
        /// Where replacement tokens come from.
        #[serde(default, skip_serializing_if = "GeneratorKind::is_default")]
        #[schemars(extend("default" = "network"))]
        generator: GeneratorKind,
        /// Whether the generator is kept from sampling the original token (the released code's
        /// `disallow_correct`): its logit is lowered by 1000 before sampling, but not in the generator's
        /// loss.
        #[serde(default, skip_serializing_if = "is_false")]
        #[schemars(extend("default" = false))]
        disallow_correct: bool,
    },
    /// Replaced-token detection whose discriminator loss covers the masked positions only, each once
    /// (ELECTRA, section 3.5, "ELECTRA 15%"). Everything else, including the scope of its metrics, is as in
    /// rtd.
    #[serde(rename = "electra_15")]
    Electra15 {
        /// Weight of the discriminator's loss (λ of the paper).
        #[serde(default = "default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        disc_weight: f64,
        /// Share of the tokens that are masked.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
        /// Temperature of the generator's samples.
        #[serde(default = "default_temperature")]
        #[schemars(range(min = 0.01, max = 100.0))]
        temperature: f64,
        /// How tokens are chosen and masked.
        #[serde(default, skip_serializing_if = "Masking::is_default")]
        #[schemars(extend("default" = "paper"))]
        masking: Masking,
        /// What the discriminator's loss, summed over the masked positions, is divided by. The paper writes
        /// sums, and changes only what the sum runs over; the released code has no such variant, and its
        /// usual loss is divided by the number of all tokens. At the same `disc_weight` a token weighs as in
        /// rtd with `all_tokens`, and 1/`mask_fraction` times as much (6.7 times) with `masked`.
        #[serde(default = "Normalise::masked", skip_serializing_if = "Normalise::is_masked")]
        #[schemars(extend("default" = "masked"))]
        normalise: Normalise,
    },
    /// Masked language modelling in which the encoder reads a generator's samples in place of `[MASK]` and
    /// predicts the original tokens (ELECTRA, section 3.5, "Replace MLM"). The generator is trained as in
    /// rtd.
    ReplaceMlm {
        /// Weight of the encoder's loss; the generator's has weight 1. The paper gives none. Both are
        /// cross-entropies over the vocabulary at the same positions, so ours is 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        restore_weight: f64,
        /// Share of the tokens that are masked.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
        /// Temperature of the generator's samples.
        #[serde(default = "default_temperature")]
        #[schemars(range(min = 0.01, max = 100.0))]
        temperature: f64,
        /// How tokens are chosen and masked.
        #[serde(default, skip_serializing_if = "Masking::is_default")]
        #[schemars(extend("default" = "paper"))]
        masking: Masking,
    },
    /// As replace_mlm, but the encoder predicts every token, with a copy mechanism (ELECTRA, section 3.5,
    /// "All-Tokens MLM"): p = D·1[token read] + (1 - D)·softmax, where D is a sigmoid of one linear unit.
    AllTokensMlm {
        /// Weight of the encoder's loss; the generator's, a mean over the masked tokens, has weight 1. The
        /// paper gives none; ours is 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        restore_weight: f64,
        /// Share of the tokens that are masked.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
        /// Temperature of the generator's samples.
        #[serde(default = "default_temperature")]
        #[schemars(range(min = 0.01, max = 100.0))]
        temperature: f64,
        /// How tokens are chosen and masked.
        #[serde(default, skip_serializing_if = "Masking::is_default")]
        #[schemars(extend("default" = "paper"))]
        masking: Masking,
        /// What the encoder's loss, summed over all tokens, is divided by. The paper does not say, and there
        /// is no released code. At the same `restore_weight` a masked token weighs as in replace_mlm with
        /// `masked`, and `mask_fraction` times as much with `all_tokens`.
        #[serde(default = "Normalise::all_tokens", skip_serializing_if = "Normalise::is_all_tokens")]
        #[schemars(extend("default" = "all_tokens"))]
        normalise: Normalise,
    },
    /// First only the generator, by masked language modelling; then, with the generator frozen, only the
    /// discriminator (ELECTRA, section 3.2, "Two-Stage"). Needs `model.sharing: none`, since a frozen
    /// generator can share nothing with a network that is trained. Adam's moments and their bias correction
    /// restart with the second stage; the frozen generator samples without dropout (ours: the paper does not
    /// say).
    TwoStage {
        /// Share of the steps for the generator. The paper gives both stages the same number.
        #[serde(default = "default_generator_share")]
        #[schemars(range(min = 0.01, max = 0.99))]
        generator_share: f64,
        /// Whether embeddings and encoder of the discriminator start as copies of the generator's, which
        /// needs `model.generator_ratio: 1`. Without it the discriminator sometimes learns nothing, says the
        /// paper.
        #[serde(default = "yes")]
        initialise: bool,
        /// Learning-rate schedule of the two stages; the paper does not say.
        #[serde(default)]
        schedule: StageSchedule,
        /// The networks that the second stage trains.
        #[serde(default, skip_serializing_if = "SecondStage::is_default")]
        #[schemars(extend("default" = "discriminator"))]
        second_stage: SecondStage,
        /// Weight of the discriminator's loss (λ of the paper) where the second stage is `joint`; otherwise
        /// it has no effect.
        #[serde(default = "default_disc_weight", skip_serializing_if = "is_default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0), extend("default" = 50.0))]
        disc_weight: f64,
        /// Share of the tokens that are masked.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
        /// Temperature of the generator's samples; at the first step of the second stage if
        /// `final_temperature` is set.
        #[serde(default = "default_temperature")]
        #[schemars(range(min = 0.01, max = 100.0))]
        temperature: f64,
        /// Temperature at the last step. Over the second stage the temperature changes by the same factor at
        /// every step; held-out text is always sampled at the last temperature. With `initialise: false` and
        /// a temperature that falls this is Fast-ELECTRA's training (Dong et al. 2024, arXiv 2310.07347), in
        /// which the schedule's form is ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0.01, max = 100.0))]
        final_temperature: Option<f64>,
        /// How tokens are chosen and masked.
        #[serde(default, skip_serializing_if = "Masking::is_default")]
        #[schemars(extend("default" = "paper"))]
        masking: Masking,
    },
    /// Replaced-token detection whose generator is trained to maximise the discriminator's loss by REINFORCE
    /// with a learnt baseline (ELECTRA, appendix F): one sample per position, at temperature 1, with the
    /// paper's masking. The paper's sums over positions are means here, as in the generator's usual loss. The
    /// gradient of the baseline's loss stops at the generator's hidden states (ours: the paper does not say).
    Adversarial {
        /// Weight of the discriminator's loss (λ of the paper).
        #[serde(default = "default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        disc_weight: f64,
        /// Weight of the generator's policy gradient. The paper gives none; ours is 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        policy_weight: f64,
        /// Weight of the baseline's loss. The paper gives none; ours is 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        baseline_weight: f64,
        /// Weight of an additional masked-language-modelling loss of the generator; the paper has none.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 100000.0))]
        mle_weight: f64,
        /// Weight of a bonus for the generator's entropy; the paper has none, and reports outputs of low
        /// entropy.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 100000.0))]
        entropy_bonus: f64,
        /// Share of the tokens that are masked.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
    },
    /// COCO-LM (Meng et al. 2021, arXiv 2102.08473, section 4): the encoder reads a generator's samples as in
    /// rtd. It learns to correct them (corrective language modelling, CLM) and to recognise another view of
    /// the same text (sequence contrastive learning, SCL). A copy gate learns at every token whether it is
    /// the original, by binary cross-entropy. A softmax over the vocabulary, tied to the embeddings, learns
    /// the originals at the masked positions, with the gate as a constant (`correction`). The `[CLS]` vectors
    /// of the text and of a crop of its original, two views of one text, learn to be nearest to each other by
    /// cosine within the batch. The paper's generator is as wide as the encoder and shallower:
    /// `model.generator_ratio: 1` and `model.generator_layers`. Ours: every loss is a mean (over tokens,
    /// masked positions, views) like ELECTRA's; the softmax has ELECTRA's dense layer and LayerNorm, for
    /// which transformers has a class; the `[CLS]` vectors have no head (the released code has one); the
    /// generator keeps its dropout while it is sampled (the released code turns it off by default).
    CocoLm {
        /// Weight of the corrective loss, gate and softmax together; 0 turns it off. The paper has 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0, max = 100000.0))]
        clm_weight: f64,
        /// Weight of the gate's loss; the softmax's has weight 1 (λ_copy of the paper; 50 in the released
        /// code).
        #[serde(default = "default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        copy_weight: f64,
        /// The loss of the softmax.
        #[serde(default)]
        correction: Correction,
        /// Weight of the contrastive loss; 0 turns off the loss and the second view. The paper has 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0, max = 100000.0))]
        scl_weight: f64,
        /// Temperature of the contrastive loss, which divides the cosines (τ of the paper, which has 1).
        #[serde(default = "one")]
        #[schemars(range(min = 0.001, max = 100.0))]
        scl_temperature: f64,
        /// Share of the tokens between `[CLS]` and the last `[SEP]` that the crop keeps, as one contiguous
        /// span.
        #[serde(default = "default_crop")]
        #[schemars(range(min = 0.01, max = 1.0))]
        crop: f64,
        /// Share of the tokens that are masked.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
        /// Temperature of the generator's samples.
        #[serde(default = "default_temperature")]
        #[schemars(range(min = 0.01, max = 100.0))]
        temperature: f64,
    },
    /// Electric (Clark et al. 2020b, arXiv 2012.08561, "Pre-Training Transformers as Energy-Based Cloze
    /// Models"): the discriminator's logit at a token is its energy E, where e^-E is the unnormalised
    /// probability of the token in its context. It is trained by noise-contrastive estimation: k of n tokens
    /// are drawn from a noise distribution q, and the probability that a token is noise is
    /// k·q / ((n - k)·e^-E + k·q). q is a cloze model with two towers of the generator's shape. One reads
    /// from the left and one from the right, so that no token sees itself. It is trained at every token
    /// except `[CLS]` and `[SEP]`, and q is a constant in the energy's loss. As in the released code,
    /// k / (n - k) is that of `mask_fraction`, and a drawn token counts as noise even if it is the original.
    /// Ours: at the ends, where a tower has nothing to read, its output is zero; the two towers always share
    /// one embedding table.
    Electric {
        /// Weight of the energy's loss; the cloze model's has weight 1 (like ELECTRA's λ in the released
        /// code).
        #[serde(default = "default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        disc_weight: f64,
        /// Share of the tokens that are drawn from the noise distribution.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
    },
    /// SCRIPT (Nijkamp et al. 2021, "SCRIPT: Self-Critic PreTraining of Transformers"): one encoder with one
    /// masked-language-model head predicts the masked tokens, reads its own samples in their place, and tells
    /// replaced tokens by the log of the summed exponentials of its logits over the vocabulary. There is no
    /// generator network: `model.generator_ratio` and `model.sharing` have no effect. From the paper's
    /// abstract and an implementation (JonasGeiping/cramming); every loss is a mean like ELECTRA's.
    Script {
        /// Weight of the critic's loss; the prediction's has weight 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        critic_weight: f64,
        /// Share of the tokens that are masked.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
        /// Temperature of the samples.
        #[serde(default = "default_temperature")]
        #[schemars(range(min = 0.01, max = 100.0))]
        temperature: f64,
        /// How tokens are chosen and masked.
        #[serde(default, skip_serializing_if = "Masking::is_default")]
        #[schemars(extend("default" = "paper"))]
        masking: Masking,
    },
    /// Masked language modelling: predicts the chosen tokens (BERT).
    Mlm {
        /// Share of the tokens that are predicted.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
        /// How tokens are chosen and masked.
        #[serde(default, skip_serializing_if = "Masking::is_default")]
        #[schemars(extend("default" = "paper"))]
        masking: Masking,
    },
}

fn default_generator_share() -> f64 {
    0.5
}

fn default_crop() -> f64 {
    0.9
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn default_disc_weight() -> f64 {
    50.0
}

fn is_default_disc_weight(weight: &f64) -> bool {
    *weight == default_disc_weight()
}

fn default_mask_fraction() -> f64 {
    0.15
}

fn default_temperature() -> f64 {
    1.0
}

impl Default for ObjectiveSpec {
    fn default() -> Self {
        Self::Rtd {
            disc_weight: default_disc_weight(),
            mask_fraction: default_mask_fraction(),
            temperature: default_temperature(),
            final_temperature: None,
            masking: Masking::default(),
            generator: GeneratorKind::default(),
            disallow_correct: false,
        }
    }
}

impl ObjectiveSpec {
    /// Masked language modelling with its default settings.
    pub fn default_mlm() -> Self {
        Self::Mlm { mask_fraction: default_mask_fraction(), masking: Masking::default() }
    }

    /// The word in the experiment file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rtd { .. } => "rtd",
            Self::Electra15 { .. } => "electra_15",
            Self::ReplaceMlm { .. } => "replace_mlm",
            Self::AllTokensMlm { .. } => "all_tokens_mlm",
            Self::TwoStage { .. } => "two_stage",
            Self::Adversarial { .. } => "adversarial",
            Self::CocoLm { .. } => "coco_lm",
            Self::Electric { .. } => "electric",
            Self::Script { .. } => "script",
            Self::Mlm { .. } => "mlm",
        }
    }

    /// Share of the tokens that are masked.
    pub fn mask_fraction(&self) -> f64 {
        match self {
            Self::Rtd { mask_fraction, .. }
            | Self::Electra15 { mask_fraction, .. }
            | Self::ReplaceMlm { mask_fraction, .. }
            | Self::AllTokensMlm { mask_fraction, .. }
            | Self::TwoStage { mask_fraction, .. }
            | Self::Adversarial { mask_fraction, .. }
            | Self::CocoLm { mask_fraction, .. }
            | Self::Electric { mask_fraction, .. }
            | Self::Script { mask_fraction, .. }
            | Self::Mlm { mask_fraction, .. } => *mask_fraction,
        }
    }

    /// The pre-training task of the encoder that is fine-tuned later.
    pub fn main_task(&self) -> MainTask {
        match self {
            Self::Rtd { .. }
            | Self::Electra15 { .. }
            | Self::TwoStage { .. }
            | Self::Adversarial { .. }
            | Self::Electric { .. } => MainTask::Detect,
            Self::ReplaceMlm { .. } => MainTask::Restore,
            Self::AllTokensMlm { .. } => MainTask::RestoreAll,
            Self::CocoLm { .. } => MainTask::Correct,
            Self::Script { .. } => MainTask::UnmaskAndDetect,
            Self::Mlm { .. } => MainTask::Unmask,
        }
    }

    /// Whether there is a generator network.
    pub fn has_generator(&self) -> bool {
        match self {
            Self::Rtd { generator: GeneratorKind::Network, .. }
            | Self::Electra15 { .. }
            | Self::ReplaceMlm { .. }
            | Self::AllTokensMlm { .. }
            | Self::TwoStage { .. }
            | Self::Adversarial { .. }
            | Self::CocoLm { .. }
            | Self::Electric { .. } => true,
            Self::Rtd {
                generator: GeneratorKind::Unigram | GeneratorKind::Uniform | GeneratorKind::Bigram,
                ..
            }
            | Self::Script { .. }
            | Self::Mlm { .. } => false,
        }
    }

    /// Whether the generator has two towers, for which transformers has no class.
    pub fn has_two_towers(&self) -> bool {
        match self {
            Self::Electric { .. } => true,
            Self::Rtd { .. }
            | Self::Electra15 { .. }
            | Self::ReplaceMlm { .. }
            | Self::AllTokensMlm { .. }
            | Self::TwoStage { .. }
            | Self::Adversarial { .. }
            | Self::CocoLm { .. }
            | Self::Script { .. }
            | Self::Mlm { .. } => false,
        }
    }

    /// Whether a baseline for the generator's reward is learnt.
    pub fn has_baseline(&self) -> bool {
        match self {
            Self::Adversarial { .. } => true,
            Self::Rtd { .. }
            | Self::Electra15 { .. }
            | Self::ReplaceMlm { .. }
            | Self::AllTokensMlm { .. }
            | Self::TwoStage { .. }
            | Self::CocoLm { .. }
            | Self::Electric { .. }
            | Self::Script { .. }
            | Self::Mlm { .. } => false,
        }
    }

    /// Whether the heads of [`MainTask::Correct`] are used.
    pub fn corrects(&self) -> bool {
        match self {
            Self::CocoLm { clm_weight, .. } => *clm_weight > 0.0,
            Self::Rtd { .. }
            | Self::Electra15 { .. }
            | Self::ReplaceMlm { .. }
            | Self::AllTokensMlm { .. }
            | Self::TwoStage { .. }
            | Self::Adversarial { .. }
            | Self::Electric { .. }
            | Self::Script { .. }
            | Self::Mlm { .. } => false,
        }
    }

    /// Share of a text that its second view keeps; None if there is no second view.
    pub fn crop(&self) -> Option<f64> {
        match self {
            Self::CocoLm { crop, scl_weight, .. } => (*scl_weight > 0.0).then_some(*crop),
            Self::Rtd { .. }
            | Self::Electra15 { .. }
            | Self::ReplaceMlm { .. }
            | Self::AllTokensMlm { .. }
            | Self::TwoStage { .. }
            | Self::Adversarial { .. }
            | Self::Electric { .. }
            | Self::Script { .. }
            | Self::Mlm { .. } => None,
        }
    }

    /// Share of the steps that train only the generator, and the learning-rate schedule of the two stages;
    /// None if every step trains all networks.
    fn stages(&self) -> Option<(f64, StageSchedule)> {
        match self {
            Self::TwoStage { generator_share, schedule, .. } => Some((*generator_share, *schedule)),
            Self::Rtd { .. }
            | Self::Electra15 { .. }
            | Self::ReplaceMlm { .. }
            | Self::AllTokensMlm { .. }
            | Self::Adversarial { .. }
            | Self::CocoLm { .. }
            | Self::Electric { .. }
            | Self::Script { .. }
            | Self::Mlm { .. } => None,
        }
    }

    /// Whether the first steps train only the generator.
    pub fn has_stages(&self) -> bool {
        self.stages().is_some()
    }

    /// The first steps of `n_steps`, which train only the generator; at least one step is left for the rest.
    pub fn generator_steps(&self, n_steps: u64) -> u64 {
        let Some((generator_share, _)) = self.stages() else { return 0 };
        let share = (n_steps as f64 * generator_share).round() as u64;
        share.max(1).min(n_steps.saturating_sub(1))
    }

    /// Steps of the shortest learning-rate schedule in a run of `n_steps`: the shorter stage if each has its
    /// own.
    pub fn shortest_schedule(&self, n_steps: u64) -> u64 {
        let first = self.generator_steps(n_steps);
        match self.stages() {
            Some((_, StageSchedule::Restart)) => first.min(n_steps - first),
            Some((_, StageSchedule::Single)) | None => n_steps,
        }
    }

    /// The networks that step `step` of `n_steps` trains.
    pub fn stage(&self, step: u64, n_steps: u64) -> Stage {
        match self {
            Self::TwoStage { .. } if step < self.generator_steps(n_steps) => Stage::Generator,
            Self::TwoStage { second_stage: SecondStage::Discriminator, .. } => Stage::Discriminator,
            Self::TwoStage { second_stage: SecondStage::Joint, .. }
            | Self::Rtd { .. }
            | Self::Electra15 { .. }
            | Self::ReplaceMlm { .. }
            | Self::AllTokensMlm { .. }
            | Self::Adversarial { .. }
            | Self::CocoLm { .. }
            | Self::Electric { .. }
            | Self::Script { .. }
            | Self::Mlm { .. } => Stage::Joint,
        }
    }

    /// Whether the counts of neighbouring tokens in the training text are needed.
    pub fn needs_bigram_counts(&self) -> bool {
        matches!(self, Self::Rtd { generator: GeneratorKind::Bigram, .. })
    }

    /// Whether the token frequencies of the training text are needed.
    pub fn needs_token_counts(&self) -> bool {
        match self {
            Self::Rtd { generator, .. } => {
                matches!(generator, GeneratorKind::Unigram | GeneratorKind::Bigram)
            }
            Self::Electra15 { .. }
            | Self::ReplaceMlm { .. }
            | Self::AllTokensMlm { .. }
            | Self::TwoStage { .. }
            | Self::Adversarial { .. }
            | Self::CocoLm { .. }
            | Self::Electric { .. }
            | Self::Script { .. }
            | Self::Mlm { .. } => false,
        }
    }

    /// Whether a step costs the unit of the budgets `rtd_flops` and `rtd_paper_flops`, so that they mean
    /// `steps` steps.
    pub fn is_budget_reference(&self) -> bool {
        match self {
            Self::Rtd { .. } | Self::Electra15 { .. } => self.has_generator(),
            Self::ReplaceMlm { .. }
            | Self::AllTokensMlm { .. }
            | Self::TwoStage { .. }
            | Self::Adversarial { .. }
            | Self::CocoLm { .. }
            | Self::Electric { .. }
            | Self::Script { .. }
            | Self::Mlm { .. } => false,
        }
    }
}
