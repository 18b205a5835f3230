//! Pre-training objectives. `objective::build` alone turns a word into behaviour.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    },
    /// Masked language modelling as BERT does it: 80 % [MASK], 10 % a random token, 10 % unchanged.
    Mlm {
        /// Share of the tokens that is predicted.
        #[serde(default = "default_mask_fraction")]
        #[schemars(range(min = 0.01, max = 0.9))]
        mask_fraction: f64,
    },
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
        }
    }
}

impl ObjectiveSpec {
    /// The word of the specification.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rtd { .. } => "rtd",
            Self::Mlm { .. } => "mlm",
        }
    }

    /// Share of the tokens that is masked.
    pub fn mask_fraction(&self) -> f64 {
        match self {
            Self::Rtd { mask_fraction, .. } | Self::Mlm { mask_fraction } => *mask_fraction,
        }
    }
}
