//! From an experiment file to checked trials: the entry point of `experiment`.
//!
//! All mistakes of the file, of each of its profiles and of the overrides are collected before any is
//! reported. The result needs no further check. Must never: touch anything but the file itself.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::layers::Layers;
use super::overrides::Override;
use super::trial::Trial;
use super::{expand, overrides};
use crate::error::{Error, Result};
use crate::experiment::check::expect::check_selectors;
use crate::experiment::check::experiment::check_experiment;
use crate::experiment::document::problem::{Origin, Problem, Problems};
use crate::experiment::document::schema::Schema;
use crate::experiment::document::suggest::nearest;
use crate::experiment::document::validate::Completeness;
use crate::experiment::document::value_path::ValuePath;
use crate::experiment::document::{source, validate};
use crate::experiment::format::top_level::ExperimentSpec;

/// Name of the profile of a file that has none.
pub const DEFAULT_PROFILE: &str = "default";

/// An experiment, with every value checked.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The file.
    pub path: PathBuf,
    /// The profile in use; `default` where the file has none.
    pub profile: String,
    /// The file's profiles, the default first.
    pub profiles: Vec<String>,
    /// The file with the profile and the overrides applied.
    pub spec: ExperimentSpec,
    /// Every point of the sweep with every seed, without repetitions.
    pub trials: Vec<Trial>,
    /// The control trials of `trials`, each once.
    pub controls: Vec<Trial>,
}

impl Experiment {
    /// All that a run computes: the controls, then the points of the sweep.
    pub fn all_trials(&self) -> impl Iterator<Item = &Trial> {
        self.controls.iter().chain(&self.trials)
    }
}

/// Reads an experiment with a profile (the file's first if `None`) and overrides (`path=value`; the last one
/// wins).
///
/// A profile merges mappings key by key and replaces everything else. An override replaces the value at its
/// path: one value by `train.steps=100`, a whole section by `sweep={model.generator_ratio: [0.25]}`.
///
/// # Errors
/// One error of kind `Spec` that lists every mistake with its line, path, value and remedy.
pub fn load(path: &Path, profile: Option<&str>, sets: &[String]) -> Result<Experiment> {
    let (text, document) = source::read(path)?;
    let schema = Schema::new();
    let mut problems = Problems::new(path.display().to_string());
    let overrides = read_sets(sets, &mut problems);
    let profiles = profiles_of(&document);
    check_layers(&schema, &text, &document, &profiles, &mut problems);
    let Some(chosen) = choose(profile, &profiles, &mut problems) else {
        problems.into_result()?;
        return Err(Error::internal("a profile was rejected without a reason"));
    };

    let layers = Layers { text: &text, document: &document, profile: chosen, overrides: &overrides };
    let (mut effective, stuck) = layers.effective(&schema);
    for (place, problem) in stuck {
        problems.add(place, problem);
    }
    let section = ValuePath::of_keys(&["profiles"]);
    let written_profiles = section.get(&effective).cloned();
    section.remove(&mut effective);
    layers.report(validate::document(&schema, &effective, Completeness::Whole), &mut problems);
    let mut doubtful = Vec::new();
    let read = without_mistakes(&schema, effective.clone(), &mut doubtful);
    let loaded = read.map(|mut spec| {
        layers.report(check_experiment(&spec, &effective, &overrides), &mut problems);
        let trials = expand::trials(&schema, &spec, &layers, &doubtful, &mut problems);
        let sweep = ValuePath::of_keys(&["sweep"]);
        // An overridden sweep may lack the points that the file speaks of.
        if !trials.is_empty() && !overrides.iter().any(|set| set.path.overlaps(&sweep)) {
            layers.report(check_selectors(&spec, &trials), &mut problems);
        }
        match_expectation(&mut spec, &trials);
        (spec, trials)
    });
    problems.into_result()?;
    let Some((mut spec, trials)) = loaded else {
        return Err(Error::internal("a specification without mistakes could not be read"));
    };
    if let Some(Value::Object(written)) = written_profiles {
        spec.profiles = written;
    }
    let profile = chosen.unwrap_or(DEFAULT_PROFILE).to_string();
    let controls = super::controls::controls(&trials);
    Ok(Experiment { path: path.to_path_buf(), profile, profiles, spec, trials, controls })
}

fn read_sets(sets: &[String], problems: &mut Problems) -> Vec<Override> {
    let mut overrides = Vec::new();
    for word in sets {
        match overrides::parse(word) {
            Ok(set) => overrides.push(set),
            Err(problem) => problems.add(Origin::Set(word.clone()), problem),
        }
    }
    overrides
}

fn profiles_of(document: &Value) -> Vec<String> {
    let profiles = document.get("profiles").and_then(Value::as_object);
    profiles.map(|profiles| profiles.keys().cloned().collect()).unwrap_or_default()
}

/// Checks the file as written, then the file under each of its profiles, including those not in use.
fn check_layers(schema: &Schema, text: &str, document: &Value, profiles: &[String], problems: &mut Problems) {
    let file = Layers { text, document, profile: None, overrides: &[] };
    file.report(validate::document(schema, document, Completeness::Part), problems);
    for profile in profiles {
        let layers = Layers { profile: Some(profile), ..file };
        let (mut effective, _) = layers.effective(schema);
        ValuePath::of_keys(&["profiles"]).remove(&mut effective);
        layers.report(validate::document(schema, &effective, Completeness::Whole), problems);
    }
}

/// The profile to apply: `Some(None)` if the file has no profiles, `None` if the wanted one does not exist.
fn choose<'p>(
    wanted: Option<&str>,
    profiles: &'p [String],
    problems: &mut Problems,
) -> Option<Option<&'p str>> {
    let Some(wanted) = wanted else { return Some(profiles.first().map(String::as_str)) };
    if let Some(found) = profiles.iter().find(|profile| *profile == wanted) {
        return Some(Some(found));
    }
    if profiles.is_empty() && wanted == DEFAULT_PROFILE {
        return Some(None);
    }
    let hint = match nearest(wanted, profiles.iter().map(String::as_str)) {
        Some(near) => format!("did you mean --profile {near}? The file has {}", profiles.join(", ")),
        None if profiles.is_empty() => "leave --profile out: the file has no profiles".to_string(),
        None => format!("the file has {}", profiles.join(", ")),
    };
    let what = format!("there is no profile `{wanted}`");
    problems.add(Origin::Line(None), Problem::at(&ValuePath::root(), what, hint));
    None
}

/// With more wrong values than this nothing is said about how the others agree.
const MOST_DOUBTFUL: usize = 1000;

/// The specification without its wrong values, whose paths are added to `doubtful`. So disagreements between
/// the other values are reported too. `None` if too much is wrong.
fn without_mistakes(
    schema: &Schema,
    mut document: Value,
    doubtful: &mut Vec<ValuePath>,
) -> Option<ExperimentSpec> {
    // Removing a wrong `kind` leaves a mapping without a kind, which the next round removes: a few rounds
    // suffice.
    for _ in 0..8 {
        let map = document.as_object_mut()?;
        map.entry("name").or_insert_with(|| "unnamed".into());
        map.entry("about").or_insert_with(|| "".into());
        let found = validate::document(schema, &document, Completeness::Whole);
        if found.is_empty() {
            return serde_json::from_value(document).ok();
        }
        if found.len() > MOST_DOUBTFUL {
            return None;
        }
        let mut paths: Vec<ValuePath> = found.into_iter().map(|problem| problem.path).collect();
        // From the back, so that earlier indices of a list stay valid.
        paths.sort();
        paths.iter().rev().for_each(|path| path.remove(&mut document));
        doubtful.extend(paths);
    }
    None
}

/// Rewrites the expected values of the x axis as the trials hold them: 1 and 1.0 are the same ratio.
fn match_expectation(spec: &mut ExperimentSpec, trials: &[Trial]) {
    let x = spec.report.x.as_str();
    let on_axis = |(path, _): &&(String, Value)| x.is_empty() || path == x;
    let values: Vec<&Value> =
        trials.iter().filter_map(|trial| trial.point.iter().find(on_axis)).map(|(_, value)| value).collect();
    for expected in &mut spec.expect.best_at {
        let same = |value: &&&Value| value.as_f64().is_some() && value.as_f64() == expected.as_f64();
        if let Some(value) = values.iter().find(same) {
            *expected = (*value).clone();
        }
    }
}

#[cfg(test)]
mod refusals;
#[cfg(test)]
pub(crate) mod tests;
