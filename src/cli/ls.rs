//! `electra-lab ls`: lists what lies in the results folder.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use indicatif::HumanBytes;

use super::experiment_arguments::ResultsArgument;
use super::table::{age_text, numbers, or_dash, table, words};
use super::{exit, output};
use crate::error::Result;
use crate::records::{InventoryEntry, TrialState, inventory};

/// Arguments of `ls`.
#[derive(Args, Debug)]
pub struct LsArguments {
    /// Experiments whose trials are listed [default: one line for each experiment]
    #[arg(value_name = "NAME")]
    experiments: Vec<String>,

    /// Order of the lines
    #[arg(long, value_enum, value_name = "KEY", default_value_t = Sort::Name)]
    sort: Sort,

    #[command(flatten)]
    results: ResultsArgument,

    /// Prints all trials as JSON [default: a table]
    #[arg(long)]
    json: bool,
}

/// What lines are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Experiment, then id
    Name,
    /// What changed last comes first
    Age,
    /// The largest comes first
    Size,
    /// Damaged, failed, partial, pre-trained, running, done
    State,
}

/// Prints the list and returns the exit code.
pub fn ls(arguments: &LsArguments) -> Result<u8> {
    let mut entries = inventory(&arguments.results.results, &arguments.experiments)?;
    sort(&mut entries, arguments.sort);
    let now = Utc::now();
    if arguments.json {
        output::json(&entries.iter().map(|entry| as_json(entry, now)).collect::<Vec<_>>())?;
    } else if entries.is_empty() {
        output::data(&format!("{} has no trial\n", arguments.results.results.display()))?;
    } else if arguments.experiments.is_empty() {
        output::data(&experiments_text(&entries, arguments.sort, now))?;
    } else {
        output::data(&trials_text(&entries, now))?;
    }
    Ok(exit::OK)
}

fn sort(entries: &mut [InventoryEntry], by: Sort) {
    match by {
        Sort::Name => {}
        Sort::Age => entries.sort_by_key(|entry| std::cmp::Reverse(entry.changed)),
        Sort::Size => entries.sort_by_key(|entry| std::cmp::Reverse(entry.bytes)),
        Sort::State => entries.sort_by_key(|entry| rank(&entry.state)),
    }
}

/// Where a state stands among the others: what needs attention first.
fn rank(state: &TrialState) -> u8 {
    match state {
        TrialState::Damaged { .. } => 0,
        TrialState::Failed { .. } => 1,
        TrialState::New | TrialState::Partial { .. } => 2,
        TrialState::Pretrained => 3,
        TrialState::Running => 4,
        TrialState::Done => 5,
    }
}

/// Seconds since a file was written; None if it is not known or lies ahead.
fn age_s(entry: &InventoryEntry, now: DateTime<Utc>) -> Option<f64> {
    Some((now - entry.changed?).to_std().ok()?.as_secs_f64())
}

fn as_json(entry: &InventoryEntry, now: DateTime<Utc>) -> serde_json::Value {
    serde_json::json!({
        "experiment": entry.experiment,
        "id": entry.id,
        "profile": entry.profile,
        "label": entry.label,
        "status": entry.state,
        "bytes": entry.bytes,
        "age_s": age_s(entry, now),
        "folder": entry.folder.path(),
    })
}

/// A line for each experiment.
fn experiments_text(entries: &[InventoryEntry], by: Sort, now: DateTime<Utc>) -> String {
    let mut grouped: BTreeMap<&str, Vec<&InventoryEntry>> = BTreeMap::new();
    for entry in entries {
        grouped.entry(&entry.experiment).or_default().push(entry);
    }
    let mut groups: Vec<(&str, Vec<&InventoryEntry>)> = grouped.into_iter().collect();
    let bytes = |entries: &[&InventoryEntry]| entries.iter().map(|entry| entry.bytes).sum::<u64>();
    let changed = |entries: &[&InventoryEntry]| entries.iter().filter_map(|entry| entry.changed).max();
    match by {
        Sort::Name => {}
        Sort::Age => groups.sort_by_key(|(_, entries)| std::cmp::Reverse(changed(entries))),
        Sort::Size => groups.sort_by_key(|(_, entries)| std::cmp::Reverse(bytes(entries))),
        Sort::State => {
            groups.sort_by_key(|(_, entries)| entries.iter().map(|entry| rank(&entry.state)).min());
        }
    }
    let row = |(name, entries): &(&str, Vec<&InventoryEntry>)| {
        let mut states: BTreeMap<u8, (&str, usize)> = BTreeMap::new();
        for entry in entries {
            states.entry(rank(&entry.state)).or_insert((entry.state.word(), 0)).1 += 1;
        }
        let states: Vec<String> = states.values().map(|(word, n)| format!("{n} {word}")).collect();
        let profiles: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.profile.as_deref()).collect();
        let youngest = entries.iter().filter_map(|entry| age_s(entry, now)).min_by(f64::total_cmp);
        [
            (*name).to_string(),
            states.join(", "),
            HumanBytes(bytes(entries)).to_string(),
            or_dash(youngest.map(age_text)),
            profiles.into_iter().collect::<Vec<_>>().join(", "),
        ]
    };
    let rows: Vec<[String; 5]> = groups.iter().map(row).collect();
    let columns =
        [words("experiment"), words("trials"), numbers("size"), numbers("changed"), words("profiles")];
    table(&columns, &rows)
}

/// A line for each trial.
fn trials_text(entries: &[InventoryEntry], now: DateTime<Utc>) -> String {
    let row = |entry: &InventoryEntry| {
        [
            entry.id.to_string(),
            entry.experiment.clone(),
            or_dash(entry.profile.clone()),
            entry.state.word().into(),
            HumanBytes(entry.bytes).to_string(),
            or_dash(age_s(entry, now).map(age_text)),
            or_dash(entry.label.clone()),
        ]
    };
    let rows: Vec<[String; 7]> = entries.iter().map(row).collect();
    let columns = [
        words("trial"),
        words("experiment"),
        words("profile"),
        words("state"),
        numbers("size"),
        numbers("changed"),
        words("point"),
    ];
    table(&columns, &rows)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::experiment::TrialId;
    use crate::records::TrialFolder;

    fn entry(experiment: &str, id: &str, state: TrialState, bytes: u64, age_s: u64) -> InventoryEntry {
        let trial = TrialId(id.into());
        InventoryEntry {
            experiment: experiment.into(),
            profile: Some("quick".into()),
            label: Some("model.generator_ratio=0.25 seed=1".into()),
            state,
            bytes,
            changed: Some(DateTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age_s)),
            folder: TrialFolder::new("results".as_ref(), experiment, &trial),
            id: trial,
        }
    }

    #[test]
    fn lists_are_tables() {
        let now = DateTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut entries = vec![
            entry("gen_ratio", "0123456789ab", TrialState::Done, 12_345_678, 7300),
            entry("gen_ratio", "1123456789ab", TrialState::Partial { step: 5 }, 999, 42),
            entry("small", "2123456789ab", TrialState::Done, 2_000_000_000, 200_000),
        ];
        insta::assert_snapshot!(experiments_text(&entries, Sort::Size, now), @r"
        experiment  trials                  size   changed  profiles
        small       1 done              1.86 GiB   2 d ago  quick
        gen_ratio   1 partial, 1 done  11.77 MiB  42 s ago  quick
        ");
        sort(&mut entries, Sort::Age);
        insta::assert_snapshot!(trials_text(&entries, now), @r"
        trial         experiment  profile  state         size   changed  point
        1123456789ab  gen_ratio   quick    partial      999 B  42 s ago  model.generator_ratio=0.25 seed=1
        0123456789ab  gen_ratio   quick    done     11.77 MiB   2 h ago  model.generator_ratio=0.25 seed=1
        2123456789ab  small       quick    done      1.86 GiB   2 d ago  model.generator_ratio=0.25 seed=1
        ");
    }
}
