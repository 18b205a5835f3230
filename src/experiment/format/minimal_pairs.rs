//! Sets of minimal pairs: a good and a bad sentence that differ in one respect, scored without a label or
//! fine-tuning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A set of minimal pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PairSetSpec {
    /// Pairs of the built-in language, which break one rule of its grammar at a time. Balanced in both
    /// directions, so that a preference for one word is right half the time. Marked synthetic.
    Language {
        /// Pairs in all, spread evenly over the rules.
        #[serde(default = "default_pairs")]
        #[schemars(range(min = 10, max = 10000000))]
        pairs: usize,
    },
    /// BLiMP (Warstadt et al. 2020): 67 paradigms of 1,000 English pairs, grouped in 12 phenomena.
    Blimp {
        /// Repository, `owner/name`.
        #[serde(default = "default_blimp")]
        repo: String,
        /// Branch, tag or commit.
        #[serde(default = "default_revision")]
        revision: String,
        /// Scores only the first pairs of each paradigm.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1))]
        max_pairs: Option<usize>,
        /// Which paradigms are scored.
        #[serde(default, skip_serializing_if = "Paradigms::is_all")]
        #[schemars(extend("default" = "all"))]
        paradigms: Paradigms,
    },
    /// Zorro (Huebner et al. 2021): 23 paradigms of 2,000 pairs with the words of child-directed speech.
    Zorro {
        /// Repository, `owner/name`.
        #[serde(default = "default_zorro")]
        repo: String,
        /// Branch, tag or commit.
        #[serde(default = "default_revision")]
        revision: String,
        /// Scores only the first pairs of each paradigm.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1))]
        max_pairs: Option<usize>,
        /// Which paradigms are scored.
        #[serde(default, skip_serializing_if = "Paradigms::is_all")]
        #[schemars(extend("default" = "all"))]
        paradigms: Paradigms,
    },
}

/// The paradigms of a set that are scored. Settings that were tuned on the pairs of a claim favour that
/// claim, so a search scores one half and a claim the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Paradigms {
    /// All of them.
    #[default]
    All,
    /// The first, third, fifth and so on in alphabetical order: 34 of BLiMP's, 12 of Zorro's.
    Tuning,
    /// The others: 33 of BLiMP's, 11 of Zorro's.
    Claims,
}

impl Paradigms {
    fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether the paradigm at this place in alphabetical order, counted from 0, is scored.
    pub fn has(self, place: usize) -> bool {
        match self {
            Self::All => true,
            Self::Tuning => place.is_multiple_of(2),
            Self::Claims => !place.is_multiple_of(2),
        }
    }
}

fn default_pairs() -> usize {
    4000
}

fn default_blimp() -> String {
    "nyu-mll/blimp".into()
}

fn default_zorro() -> String {
    "corpora/zorro".into()
}

fn default_revision() -> String {
    "main".into()
}

impl PairSetSpec {
    /// The word in the experiment file and in the names of its measures, `pairs.WORD.SCORER`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Language { .. } => "language",
            Self::Blimp { .. } => "blimp",
            Self::Zorro { .. } => "zorro",
        }
    }

    /// The repository on the hub and its revision; None for the built-in language.
    pub fn on_hub(&self) -> Option<(&str, &str)> {
        match self {
            Self::Language { .. } => None,
            Self::Blimp { repo, revision, .. } | Self::Zorro { repo, revision, .. } => Some((repo, revision)),
        }
    }

    /// Whether the pairs are the built-in language's: their scores are marked synthetic.
    pub fn is_synthetic(&self) -> bool {
        matches!(self, Self::Language { .. })
    }
}
