//! The names of measures, as `report.y`, gates and contrasts write them, and what a name tells: the unit, and
//! which direction is better.

use super::task_name::TaskName;

/// The name of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureName<'a> {
    /// `glue.mean`: the mean over the evaluated tasks.
    Mean,
    /// A task.
    Task(TaskName),
    /// `pairs.SET.SCORER`.
    Pairs {
        /// The set of minimal pairs.
        set: &'a str,
        /// How a sentence is scored.
        scorer: &'a str,
    },
    /// `probe.TASK`.
    Probe(TaskName),
    /// `held_out.NAME`: a value of metrics.jsonl on held-out text.
    HeldOut(&'a str),
}

/// The values on held-out text: the names that metrics.jsonl has for them.
pub const HELD_OUT: [&str; 31] = [
    "loss",
    "mlm_loss",
    "masked_loss",
    "rtd_loss",
    "restore_loss",
    "mlm_accuracy",
    "masked_accuracy",
    "sample_accuracy",
    "restore_accuracy",
    "generator_entropy",
    "replaced_share",
    "disc_accuracy",
    "disc_accuracy_replaced",
    "disc_accuracy_original",
    "disc_precision",
    "disc_recall",
    "disc_recall_at_50",
    "disc_auc",
    "disc_loss",
    "rtd_loss_ratio",
    "reward",
    "baseline",
    "baseline_loss",
    "policy_loss",
    "copy_loss",
    "lm_loss",
    "contrast_loss",
    "contrast_accuracy",
    "cloze_loss",
    "nce_loss",
    "energy_auc",
];

/// How minimal pairs are scored; `generator_` before a name means by the generator.
pub const PAIR_SCORERS: [&str; 6] = ["disc_sum", "disc_diff", "pll", "pll_word_l2r", "electric", "restore"];

impl<'a> MeasureName<'a> {
    /// Reads a name; None if it has none of the forms.
    pub fn parse(text: &'a str) -> Option<Self> {
        let task = |word: &str| TaskName::ALL.into_iter().find(|task| task.as_str() == word);
        if text == "glue.mean" {
            return Some(Self::Mean);
        }
        if let Some(rest) = text.strip_prefix("pairs.") {
            let (set, scorer) = rest.split_once('.')?;
            return (!set.is_empty() && !scorer.is_empty()).then_some(Self::Pairs { set, scorer });
        }
        if let Some(word) = text.strip_prefix("probe.") {
            return task(word).map(Self::Probe);
        }
        match text.strip_prefix("held_out.") {
            Some(name) => (!name.is_empty()).then_some(Self::HeldOut(name)),
            None => task(text).map(Self::Task),
        }
    }

    /// Whether a smaller value is the better one: losses, their ratios and entropies.
    pub fn lower_is_better(self) -> bool {
        matches!(self, Self::HeldOut(name) if name.contains("loss") || name.contains("entropy"))
    }

    /// The factor between the value in the records and the one in tables: shares on held-out text are shown
    /// × 100, all other values are recorded as they are shown.
    pub fn factor(self) -> f64 {
        let is_share = |name: &str| {
            ["accuracy", "recall", "precision", "share", "rate"].iter().any(|word| name.contains(word))
        };
        match self {
            Self::HeldOut(name) if is_share(name) => 100.0,
            _ => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_their_direction_and_unit() {
        let parse = MeasureName::parse;
        assert_eq!(parse("glue.mean"), Some(MeasureName::Mean));
        assert_eq!(parse("rte"), Some(MeasureName::Task(TaskName::Rte)));
        let pairs = MeasureName::Pairs { set: "blimp", scorer: "disc_sum" };
        assert_eq!(parse("pairs.blimp.disc_sum"), Some(pairs));
        assert_eq!(parse("probe.cola"), Some(MeasureName::Probe(TaskName::Cola)));
        for wrong in ["glue", "pairs.blimp", "pairs..x", "probe.mean", "held_out.", "Mean", ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        let of = |name| (MeasureName::HeldOut(name).lower_is_better(), MeasureName::HeldOut(name).factor());
        assert_eq!(of("rtd_loss_ratio"), (true, 1.0));
        assert_eq!(of("generator_entropy"), (true, 1.0));
        assert_eq!(of("disc_auc"), (false, 1.0));
        assert_eq!(of("disc_recall_at_50"), (false, 100.0));
        assert!(!pairs.lower_is_better());
    }
}
