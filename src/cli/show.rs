//! `electra-lab show`: everything that is known of one trial.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clap::Args;
use indicatif::HumanBytes;

use super::experiment_arguments::ResultsArgument;
use super::table::{age_text, count_text, numbers, or_dash, table, words};
use super::{exit, output};
use crate::error::{Error, Result};
use crate::records::{Outcome, TrialFolder, TrialRecord, size_and_age, values_of};
use crate::run::duration_text;
use crate::tools::find_trial;

/// Arguments of `show`.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// Trial: its id, the start of its id, or its folder
    #[arg(value_name = "TRIAL")]
    trial: String,

    #[command(flatten)]
    results: ResultsArgument,

    /// Prints the records as JSON [default: text]
    #[arg(long)]
    json: bool,
}

/// Prints the trial and returns the exit code.
pub fn show(arguments: &ShowArguments) -> Result<u8> {
    let folder = find_trial(&arguments.results.results, &arguments.trial)?;
    let record = folder.trial()?.ok_or_else(|| Error::internal("a trial that was found has no record"))?;
    let outcome = folder.outcome()?;
    if arguments.json {
        output::json(&serde_json::json!({
            "folder": folder.path(),
            "status": folder.state_or_damage(),
            "trial": record,
            "outcome": outcome,
        }))?;
    } else {
        output::data(&text(&folder, &record, outcome.as_ref(), Utc::now())?)?;
    }
    Ok(exit::OK)
}

fn text(
    folder: &TrialFolder,
    record: &TrialRecord,
    outcome: Option<&Outcome>,
    now: DateTime<Utc>,
) -> Result<String> {
    let mut text = format!("{}\n", heading(folder, record, now));
    if let Some(outcome) = outcome {
        text.push_str(&format!("\n{}", measured(outcome)));
    }
    let spec = serde_yaml::to_string(&record.spec)
        .map_err(|error| Error::internal("a specification cannot be written as YAML").because(error))?;
    text.push_str(&format!("\nspecification:\n{}", indented(&spec)));
    Ok(text)
}

/// What the trial is and how far it is, a line each.
fn heading(folder: &TrialFolder, record: &TrialRecord, now: DateTime<Utc>) -> String {
    let (bytes, changed) = size_and_age(folder.path());
    let age = changed.and_then(|changed| (now - changed).to_std().ok());
    let origin = &record.provenance;
    let commit = origin.commit.as_ref().map(|commit| format!(" at commit {commit}")).unwrap_or_default();
    let mut lines = vec![
        ("trial", record.id.to_string()),
        ("experiment", format!("{}, profile {}", record.experiment, record.profile)),
        ("point", record.trial().label()),
        ("state", folder.state_or_damage().phrase()),
        ("folder", folder.path().display().to_string()),
        (
            "size",
            format!("{}, changed {}", HumanBytes(bytes), or_dash(age.map(|age| age_text(age.as_secs_f64())))),
        ),
        ("program", format!("electra-lab {}{commit}", origin.crate_version)),
        ("device", format!("{}, {} threads, {}", record.devices(), origin.threads, origin.simd)),
        ("started", origin.started_at.clone()),
        ("text", format!("{} {}", origin.corpus.source, origin.corpus.revision)),
    ];
    if let Some(source) = &origin.reused_from {
        lines.push(("pre-training", format!("taken from {source}")));
    }
    let lines: Vec<String> = lines.into_iter().map(|(name, value)| format!("{name:<12}  {value}")).collect();
    lines.join("\n")
}

/// What a finished trial took and what it measured.
fn measured(outcome: &Outcome) -> String {
    let time = &outcome.timing;
    let values: BTreeMap<String, f64> = values_of(outcome);
    let rows: Vec<[String; 2]> =
        values.iter().map(|(name, value)| [name.clone(), format!("{value:.3}")]).collect();
    format!(
        "{} steps, {} tokens, {:.2e} FLOPs, {} parameters; pre-training {}, fine-tuning {}\n\n{}",
        outcome.steps,
        count_text(outcome.tokens),
        outcome.flops,
        count_text(outcome.n_parameters),
        duration_text(time.pretrain_s),
        duration_text(time.finetune_s),
        table(&[words("measure"), numbers("value")], &rows)
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::{a_trial, a_trial_record, an_outcome};

    #[test]
    fn a_trial_is_shown_from_its_records() {
        let results = tempfile::tempdir().unwrap();
        let id = a_trial(1).id;
        let folder = TrialFolder::new(results.path(), "test", &id);
        drop(folder.lock().unwrap());
        let (record, outcome) = (a_trial_record(&id), an_outcome(&id));
        folder.write_trial(&record).unwrap();
        folder.write_outcome(&outcome).unwrap();
        let shown = text(&folder, &record, Some(&outcome), Utc::now()).unwrap();
        for part in ["state         done", "seed=1", "specification:\n  seed: 1\n", "1000 steps"] {
            assert!(shown.contains(part), "{part} is missing in\n{shown}");
        }
    }
}
