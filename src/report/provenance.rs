//! What made the numbers: code, machine, text and revisions, over all finished trials.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::records::DoneTrial;

/// A Markdown list. Where trials differ, every value is listed with its trials' number.
pub fn list(done: &[DoneTrial]) -> String {
    type Fact = (&'static str, fn(&DoneTrial) -> String);
    let facts: [Fact; 14] = [
        ("electra-lab", |done| done.record.provenance.crate_version.clone()),
        ("commit", |done| commit(done)),
        ("device", |done| done.record.devices()),
        ("threads", |done| done.record.provenance.threads.to_string()),
        ("instruction set", |done| done.record.provenance.simd.clone()),
        ("pre-training taken over from", |done| {
            done.record.provenance.reused_from.clone().unwrap_or_else(|| "nobody".into())
        }),
        ("pre-training text", |done| done.record.provenance.corpus.source.clone()),
        ("its revision", |done| done.record.provenance.corpus.revision.clone()),
        ("its hash when packed", |done| done.record.provenance.corpus.corpus_hash.clone()),
        ("packed examples", |done| done.record.provenance.corpus.n_examples.to_string()),
        ("packed tokens", |done| done.record.provenance.corpus.n_tokens.to_string()),
        ("tokenizer's hash", |done| done.record.provenance.corpus.tokenizer_hash.clone()),
        ("vocabulary", |done| done.record.provenance.corpus.vocab_size.to_string()),
        ("tasks' revision", |done| done.record.provenance.tasks_revision.clone()),
    ];
    let mut text = String::new();
    for (name, value) in facts {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for done in done {
            *counts.entry(value(done)).or_default() += 1;
        }
        let words = match counts.len() {
            1 => counts.into_keys().collect(),
            n => {
                let values: Vec<String> = counts
                    .into_iter()
                    .map(|(value, count)| format!("{value} ({})", plural(count, "trial")))
                    .collect();
                format!("**{n} different values**: {}", values.join("; "))
            }
        };
        let _ = writeln!(text, "- {name}: {words}");
    }
    text
}

/// The commit that the program was built from; where it is unknown, that of the folder in which the trial ran.
fn commit(done: &DoneTrial) -> String {
    let provenance = &done.record.provenance;
    let dirty = if provenance.working_dirty == Some(true) { ", with uncommitted changes" } else { "" };
    let working = || provenance.working_commit.as_ref().map(|commit| format!("{commit}{dirty}"));
    provenance.commit.clone().or_else(working).unwrap_or_else(|| "unknown".into())
}

/// `1 trial`, `2 trials`.
fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
