//! Pre-training objectives. `objective::build` alone turns a word into behaviour. Next: `objective/words.rs` for the
//! words that their keys take.

#[cfg(test)]
mod tests;
pub mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use words::{Correction, GeneratorKind, MainTask, Masking, Stage, StageSchedule, cropped};

/// What is learnt from the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectiveSpec {
    /// Replaced-token detection: a masked-language-model generator and a discriminator (ELECTRA).
    Rtd {
        /// Weight of the discriminator's loss (λ of the paper).
        #[serde(default = "default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        disc_weight: f64,
        /// Share of the tokens that is masked.
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
        /// Who proposes the replacements.
        #[serde(default, skip_serializing_if = "GeneratorKind::is_default")]
        #[schemars(extend("default" = "network"))]
        generator: GeneratorKind,
        /// Whether the generator is kept from sampling the original token (the released code's
        /// `disallow_correct`): its logit is lowered by 1000 before sampling, but not in the generator's loss.
        #[serde(default, skip_serializing_if = "is_false")]
        #[schemars(extend("default" = false))]
        disallow_correct: bool,
    },
    /// Replaced-token detection whose discriminator loss is a mean over the masked positions only (ELECTRA,
    /// section 3.4, "ELECTRA 15%"). Everything else, and what its measures cover, is as in rtd.
    #[serde(rename = "electra_15")]
    Electra15 {
        /// Weight of the discriminator's loss (λ of the paper).
        #[serde(default = "default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        disc_weight: f64,
        /// Share of the tokens that is masked.
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
    /// Masked language modelling whose encoder reads a generator's samples in place of [MASK] and predicts the
    /// originals there (ELECTRA, section 3.4, "Replace MLM"). The generator is trained as in rtd.
    ReplaceMlm {
        /// Weight of the encoder's loss beside the generator's. The paper names none; both are cross-entropies
        /// over the vocabulary at the same positions, so ours is 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        restore_weight: f64,
        /// Share of the tokens that is masked.
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
    /// As replace_mlm, but the encoder predicts every token, with a copy mechanism: p = D·1[token read] +
    /// (1 - D)·softmax, where D is a sigmoid of one linear unit (ELECTRA, section 3.4, "All-Tokens MLM").
    AllTokensMlm {
        /// Weight of the encoder's loss, a mean over all tokens, beside the generator's, a mean over the masked
        /// ones. The paper names none; ours is 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        restore_weight: f64,
        /// Share of the tokens that is masked.
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
    /// First the generator alone by masked language modelling, then, with the generator frozen, the discriminator
    /// alone (ELECTRA, section 3.2, "Two-Stage"). Needs `model.sharing: none`, since a frozen generator can share
    /// nothing with a network that is trained. Adam's moments and their bias correction begin anew with the second
    /// stage; the frozen generator samples without dropout (ours: the paper does not say).
    TwoStage {
        /// Share of the steps that the generator gets. The paper gives both stages the same number.
        #[serde(default = "default_generator_share")]
        #[schemars(range(min = 0.01, max = 0.99))]
        generator_share: f64,
        /// Whether embeddings and encoder of the discriminator start as copies of the generator's, which needs
        /// `model.generator_ratio: 1`. Without it, says the paper, the discriminator sometimes learns nothing.
        #[serde(default = "yes")]
        initialise: bool,
        /// Learning rate of the two stages; the paper does not say.
        #[serde(default)]
        schedule: StageSchedule,
        /// Share of the tokens that is masked.
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
    /// Replaced-token detection whose generator is trained to maximise the discriminator's loss by REINFORCE with a
    /// learnt baseline (ELECTRA, appendix F): one sample a position, at temperature 1, with the paper's masking. Its
    /// sums over positions are means here, as in the generator's usual loss. The baseline's loss stops at the
    /// generator's hidden states (ours: the paper does not say).
    Adversarial {
        /// Weight of the discriminator's loss (λ of the paper).
        #[serde(default = "default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        disc_weight: f64,
        /// Weight of the generator's policy gradient. The paper names none; ours is 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        policy_weight: f64,
        /// Weight of the baseline's loss. The paper names none; ours is 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        baseline_weight: f64,
        /// Weight of the generator's masked-language-model loss, mixed in; the paper has none.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 100000.0))]
        mle_weight: f64,
        /// Weight of the generator's entropy, which is raised; the paper has none, and reports outputs of low
        /// entropy.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 100000.0))]
        entropy_bonus: f64,
        /// Share of the tokens that is masked.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
    },
    /// COCO-LM (Meng et al. 2021, arXiv 2102.08473, section 4): the encoder reads a generator's samples as in rtd and
    /// learns to correct them (CLM) and to tell a text from others (SCL). A copy gate learns at every token whether it
    /// is the original, by binary cross-entropy; a softmax over the words, tied to the embeddings, learns the
    /// originals at the masked positions, with the gate as a constant (`correction`); and the [CLS] vectors of the text and
    /// of a crop of its original, two views of one text, learn to be each other's nearest by cosine in the batch. The
    /// paper's generator is as wide as the encoder and shallower: `model.generator_ratio: 1` and `model.generator_layers`.
    /// Ours: every loss is a mean (over tokens, slots, views) like ELECTRA's; the softmax has ELECTRA's dense layer and
    /// LayerNorm, which transformers has a class for; no head on the [CLS] vectors (the released code has one);
    /// the generator keeps its dropout while it is sampled (the released code's default turns it off).
    CocoLm {
        /// Weight of the correction, gate and softmax together; 0 turns it off. The paper has 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0, max = 100000.0))]
        clm_weight: f64,
        /// Weight of the gate's loss beside the softmax's (λ_copy of the paper; 50 in the released code).
        #[serde(default = "default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        copy_weight: f64,
        /// What the softmax is trained on.
        #[serde(default)]
        correction: Correction,
        /// Weight of the contrastive loss; 0 turns it off, and with it the second view. The paper has 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0, max = 100000.0))]
        scl_weight: f64,
        /// Temperature that divides the cosines (τ of the paper, which has 1).
        #[serde(default = "one")]
        #[schemars(range(min = 0.001, max = 100.0))]
        scl_temperature: f64,
        /// Share of the tokens between [CLS] and the last [SEP] that the crop keeps, one contiguous run of them.
        #[serde(default = "default_crop")]
        #[schemars(range(min = 0.01, max = 1.0))]
        crop: f64,
        /// Share of the tokens that is masked.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
        /// Temperature of the generator's samples.
        #[serde(default = "default_temperature")]
        #[schemars(range(min = 0.01, max = 100.0))]
        temperature: f64,
    },
    /// Electric (Clark et al. 2020b, "Pre-Training Transformers as Energy-Based Cloze Models", arXiv 2012.08561): the
    /// discriminator's logit at a token is its energy E, with e^-E the unnormalised probability of the token in its
    /// context, and is trained by noise-contrastive estimation. k of n tokens are drawn from a noise distribution q, and a
    /// token is noise with probability k·q / ((n - k)·e^-E + k·q). q is a cloze model of two towers of the
    /// generator's shape, one reading from the left and one from the right, so that no token sees itself; it is trained
    /// at every token but [CLS] and [SEP], and q is a constant to the energy's loss. As in the released code k / (n - k) is
    /// that of `mask_fraction`, and a draw is noise also where it is the original. Ours: where a tower has nothing
    /// to read (the ends) zeros stand for it, and the towers have one table of embeddings, whatever is shared.
    Electric {
        /// Weight of the energy's loss beside the cloze model's (as ELECTRA's λ in the released code).
        #[serde(default = "default_disc_weight")]
        #[schemars(range(min = 0.000001, max = 100000.0))]
        disc_weight: f64,
        /// Share of the tokens that is drawn from the noise.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
    },
    /// Masked language modelling: the tokens that were chosen and masked are predicted (BERT).
    Mlm {
        /// Share of the tokens that is predicted.
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
            masking: Masking::default(),
            generator: GeneratorKind::default(),
            disallow_correct: false,
        }
    }
}

impl ObjectiveSpec {
    /// The word of the specification.
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
            Self::Mlm { .. } => "mlm",
        }
    }

    /// Share of the tokens that is masked.
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
            | Self::Mlm { mask_fraction, .. } => *mask_fraction,
        }
    }

    /// What the encoder that is fine-tuned does.
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
            Self::Mlm { .. } => MainTask::Unmask,
        }
    }

    /// Whether a generator network stands beside that encoder.
    pub fn has_generator(&self) -> bool {
        let Self::Rtd { generator, .. } = self else { return !matches!(self, Self::Mlm { .. }) };
        *generator == GeneratorKind::Network
    }

    /// Whether that generator is two towers (no class of transformers).
    pub fn has_two_towers(&self) -> bool {
        matches!(self, Self::Electric { .. })
    }

    /// Whether a baseline of the generator's reward is learnt.
    pub fn has_baseline(&self) -> bool {
        matches!(self, Self::Adversarial { .. })
    }

    /// Whether the heads of [`MainTask::Correct`] are used.
    pub fn corrects(&self) -> bool {
        matches!(self, Self::CocoLm { clm_weight, .. } if *clm_weight > 0.0)
    }

    /// Share of a text that a second view of it keeps, where a step has two views.
    pub fn crop(&self) -> Option<f64> {
        match self {
            Self::CocoLm { crop, scl_weight, .. } if *scl_weight > 0.0 => Some(*crop),
            _ => None,
        }
    }

    /// Steps of `n_steps` that train the generator alone, before all others; at least one is left for the rest.
    pub fn generator_steps(&self, n_steps: u64) -> u64 {
        match self {
            Self::TwoStage { generator_share, .. } => {
                let share = (n_steps as f64 * generator_share).round() as u64;
                share.max(1).min(n_steps.saturating_sub(1))
            }
            _ => 0,
        }
    }

    /// Steps of the shortest learning-rate schedule in a run of `n_steps`: of the shorter stage where each has its own.
    pub fn shortest_schedule(&self, n_steps: u64) -> u64 {
        let first = self.generator_steps(n_steps);
        match self {
            Self::TwoStage { schedule: StageSchedule::Restart, .. } => first.min(n_steps - first),
            _ => n_steps,
        }
    }

    /// What step `step` of `n_steps` trains.
    pub fn stage(&self, step: u64, n_steps: u64) -> Stage {
        match self {
            Self::TwoStage { .. } if step < self.generator_steps(n_steps) => Stage::Generator,
            Self::TwoStage { .. } => Stage::Discriminator,
            _ => Stage::Joint,
        }
    }

    /// Whether the frequencies of the training text's tokens are needed.
    pub fn needs_token_counts(&self) -> bool {
        matches!(self, Self::Rtd { generator: GeneratorKind::Unigram, .. })
    }

    /// Whether a step costs what the budgets `rtd_flops` and `rtd_paper_flops` measure in, so that they are `steps` steps.
    pub fn is_the_budgets_measure(&self) -> bool {
        matches!(self, Self::Rtd { .. } | Self::Electra15 { .. }) && self.has_generator()
    }
}
