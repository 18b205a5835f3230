//! The provenance of the finished trials: code, machine, text and revisions.

use std::fmt::Write;

use polars::prelude::DataFrame;

use super::query::{counts, has};
use crate::error::Result;
use crate::escape::markdown;

/// The facts of the list: their names on the page, their columns in the frame, and the words for an empty
/// cell. A column that has such words may be missing.
const FACTS: [(&str, &str, &str); 15] = [
    ("electra-lab", "provenance.crate_version", ""),
    ("commit", "commit", ""),
    ("device", "devices", ""),
    ("threads", "provenance.threads", ""),
    ("instruction set", "provenance.simd", ""),
    ("pre-training reused from", "provenance.reused_from", "no other trial"),
    ("pre-training text", "provenance.corpus.source", ""),
    ("its revision", "provenance.corpus.revision", ""),
    ("its hash when packed", "provenance.corpus.corpus_hash", ""),
    ("packed examples", "provenance.corpus.n_examples", ""),
    ("packed tokens", "provenance.corpus.n_tokens", ""),
    ("share of the text's tokens that packing keeps", "provenance.corpus.kept_share", "not recorded"),
    ("tokenizer's hash", "provenance.corpus.tokenizer_hash", ""),
    ("vocabulary", "provenance.corpus.vocab_size", ""),
    ("tasks' revision", "provenance.tasks_revision", ""),
];

/// The same for facts that only some trials have: they are left out where no trial has them.
const RARE_FACTS: [(&str, &str, &str); 4] = [
    ("discriminator started from", "provenance.init.discriminator.source", "random values"),
    ("hash of those weights", "provenance.init.discriminator.weights_hash", "none"),
    ("generator started from", "provenance.init.generator.source", "random values"),
    ("hash of those weights", "provenance.init.generator.weights_hash", "none"),
];

/// A Markdown list of a frame of trials. If trials differ, every value is listed with its number of trials.
pub fn list(trials: &DataFrame) -> Result<String> {
    let mut text = String::new();
    let rare = RARE_FACTS.into_iter().filter(|(_, column, _)| has(trials, column));
    for (name, column, empty) in FACTS.into_iter().chain(rare) {
        let is_missing = !empty.is_empty() && !has(trials, column);
        let counted = if is_missing { vec![(None, trials.height())] } else { counts(trials, column)? };
        let is_fraction = trials.column(column).is_ok_and(|column| column.dtype().is_float());
        let shown = |value: Option<String>| match (value, is_fraction) {
            (Some(value), true) => value.parse().map_or(value, |number: f64| format!("{number:.3}")),
            (value, _) => value.map_or_else(|| empty.to_string(), |value| markdown(&value)),
        };
        let mut values: Vec<(String, usize)> =
            counted.into_iter().map(|(value, count)| (shown(value), count)).collect();
        values.sort();
        let words = match &values[..] {
            [(value, _)] => value.clone(),
            several => {
                let each =
                    several.iter().map(|(value, count)| format!("{value} ({})", plural(*count, "trial")));
                format!("**{} different values**: {}", several.len(), each.collect::<Vec<_>>().join("; "))
            }
        };
        let _ = writeln!(text, "- {name}: {words}");
    }
    Ok(text)
}

/// `1 trial`, `2 trials`.
fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
