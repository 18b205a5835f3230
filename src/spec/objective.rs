//! Pre-training objectives. `objective::build` alone turns a word into behaviour.

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
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

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
            Self::Rtd { mask_fraction, .. } | Self::Mlm { mask_fraction, .. } => *mask_fraction,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trial's id hashes this text: what was written before there were modes must still be written.
    #[test]
    fn the_default_masking_is_not_written() {
        let written = |masking| {
            let mlm = ObjectiveSpec::Mlm { mask_fraction: 0.15, masking };
            serde_json::to_string(&mlm).unwrap()
        };
        assert_eq!(written(Masking::Paper), r#"{"kind":"mlm","mask_fraction":0.15}"#);
        let other = written(Masking::ReleasedCode);
        assert_eq!(other, r#"{"kind":"mlm","mask_fraction":0.15,"masking":"released_code"}"#);
        let text = serde_json::to_string(&ObjectiveSpec::default()).unwrap();
        assert_eq!(text, r#"{"kind":"rtd","disc_weight":50.0,"mask_fraction":0.15,"temperature":1.0}"#);
        for text in [text, other] {
            let read: ObjectiveSpec = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }
}
