//! What changes the file's values: a profile, then each `--set path=value`.
//!
//! A profile merges mappings key by key. It replaces everything else, including a mapping of another `kind`.
//! A `--set`, like a point of a sweep, replaces the value at its path. Must never: decide whether a value is
//! right. An override of an unknown key creates the key, so that `validate` reports it like any other.

use serde_json::{Map, Value};

use crate::experiment::document::problem::Problem;
use crate::experiment::document::schema::Schema;
use crate::experiment::document::value_path::{Segment, ValuePath};
use crate::experiment::document::yaml;

/// One `--set`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Override {
    /// As it was typed.
    pub word: String,
    /// The path of the value that it replaces.
    pub path: ValuePath,
    /// The new value.
    pub value: Value,
}

/// Reads `path=value`.
pub(crate) fn parse(word: &str) -> Result<Override, Problem> {
    let refuse = |what: String, hint: &str| Err(Problem::at(&ValuePath::root(), what, hint));
    let Some((path, value)) = word.split_once('=') else {
        let hint = "write --set path=value, such as --set base.train.steps=100";
        return refuse("has no `=`".into(), hint);
    };
    let path = path.trim();
    if path.is_empty() || path.split('.').any(str::is_empty) {
        let hint = "write a dotted path before the `=`, such as base.train.steps, seeds or sweep";
        return refuse(format!("{path:?} is not a path"), hint);
    }
    let value = match yaml::read(value) {
        Ok(value) => value,
        // Broken YAML has its own remedy on the command line; other mistakes bring theirs.
        Err(mistake) if mistake.what.starts_with("is not valid YAML") => {
            return refuse(
                format!("the value {}", mistake.what),
                "close brackets and quotes, and write lists as seeds=[1, 2]",
            );
        }
        Err(mistake) => return refuse(format!("the value is not allowed: {}", mistake.what), &mistake.hint),
    };
    let path = ValuePath::expand(path);
    if path.below(&ValuePath::of_keys(&["profiles"])).is_some() {
        let hint = "choose a profile with --profile NAME, and set the value itself, such as --set seeds=[1]";
        return refuse("a profile cannot be overridden".into(), hint);
    }
    Ok(Override { word: word.to_string(), path, value })
}

/// Whether a section of a profile changes the file's section; a profile's `about` describes the profile
/// itself.
pub(crate) fn is_profile_section(section: &str) -> bool {
    ["expect", "base", "sweep", "seeds", "evaluate", "report"].contains(&section)
}

/// Merges a profile into the file's document.
pub(crate) fn apply_profile(schema: &Schema, document: &mut Value, profile: &Value) {
    let (Some(document), Some(profile)) = (document.as_object_mut(), profile.as_object()) else { return };
    for (section, value) in profile {
        // The check of the profile itself reports an unknown section.
        if value.is_null() || !is_profile_section(section) {
            continue;
        }
        if ["expect", "base", "evaluate", "report"].contains(&section.as_str()) {
            merge(schema, &ValuePath::of_keys(&[section]), document, section, value);
        } else {
            document.insert(section.clone(), value.clone());
        }
    }
}

/// Merges `above` into the entry `key` of a mapping.
fn merge(schema: &Schema, path: &ValuePath, below: &mut Map<String, Value>, key: &str, above: &Value) {
    if let Value::Object(entries) = above {
        if !below.contains_key(key) {
            below.insert(key.to_string(), start_of(schema, path));
        }
        if let Some(Value::Object(map)) = below.get_mut(key)
            && entries.get("kind").is_none_or(|kind| map.get("kind") == Some(kind))
        {
            for (entry, value) in entries {
                merge(schema, &path.key(entry), map, entry, value);
            }
            return;
        }
    }
    below.insert(key.to_string(), above.clone());
}

/// The start of a mapping that is not written: its default where a `kind` decides its keys, else an empty
/// one.
fn start_of(schema: &Schema, path: &ValuePath) -> Value {
    let default = schema.default_at(path).filter(|default| default.get("kind").is_some());
    default.cloned().unwrap_or_else(|| Value::Object(Map::new()))
}

/// Replaces the value at a path, creating the mappings on the way. A new `kind` keeps the keys that it shares
/// with the old one and drops the others.
///
/// # Errors
/// The path of the value on the way that is not a mapping.
pub(crate) fn put(
    schema: &Schema,
    document: &mut Value,
    path: &ValuePath,
    value: Value,
) -> Result<(), ValuePath> {
    let Some((Segment::Key(last), parents)) = path.segments().split_last() else { return Err(path.clone()) };
    let mut here = ValuePath::root();
    let mut target = document;
    for segment in parents {
        let Segment::Key(key) = segment else { return Err(here) };
        let Value::Object(map) = target else { return Err(here) };
        here = here.key(key);
        let entry = map.entry(key.clone()).or_insert(Value::Null);
        if entry.is_null() {
            *entry = start_of(schema, &here);
        }
        target = entry;
    }
    let Value::Object(map) = target else { return Err(here) };
    if last == "kind"
        && map.get("kind") != Some(&value)
        && let Some(keys) = value.as_str().and_then(|kind| schema.keys_of_kind(&here, kind))
    {
        map.retain(|key, _| keys.contains(&key.as_str()));
    }
    map.insert(last.clone(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profiled(file: &str, profile: &str) -> Value {
        let mut document = yaml::read(file).unwrap();
        apply_profile(&Schema::new(), &mut document, &yaml::read(profile).unwrap());
        document
    }

    fn set(document: Value, words: &[&str]) -> Value {
        let mut document = document;
        for word in words {
            let read = parse(word).unwrap();
            put(&Schema::new(), &mut document, &read.path, read.value).unwrap();
        }
        document
    }

    #[test]
    fn a_profile_merges_mappings_and_replaces_the_rest() {
        let file =
            "{about: x, base: {train: {steps: 1, batch: 2}}, sweep: {train.steps: [1]}, seeds: [1, 2]}";
        let profile =
            "{about: y, base: {train: {steps: 9}}, sweep: {train.batch: [8]}, seeds: [3], expect: ~}";
        let merged = profiled(file, profile);
        let wanted = json!({"about": "x", "base": {"train": {"steps": 9, "batch": 2}},
                            "sweep": {"train.batch": [8]}, "seeds": [3]});
        assert_eq!(merged, wanted);
    }

    #[test]
    fn another_kind_replaces_the_mapping_and_the_same_kind_merges() {
        let file = "{base: {objective: {kind: rtd, disc_weight: 5, mask_fraction: 0.3}}}";
        let at = ValuePath::of_keys(&["base", "objective"]);
        let of = |profile: &str| at.get(&profiled(file, profile)).cloned().unwrap();
        assert_eq!(of("{base: {objective: {kind: mlm}}}"), json!({"kind": "mlm"}));
        let same = json!({"kind": "rtd", "disc_weight": 7, "mask_fraction": 0.3});
        assert_eq!(of("{base: {objective: {kind: rtd, disc_weight: 7}}}"), same);
        assert_eq!(of("{base: {objective: {disc_weight: 7}}}"), same);
    }

    #[test]
    fn an_unwritten_mapping_starts_from_its_default_kind() {
        let merged = profiled("{}", "{evaluate: {source: {train_examples: 50}}}");
        assert_eq!(merged["evaluate"]["source"]["kind"], "language");
        assert_eq!(merged["evaluate"]["source"]["train_examples"], 50);
        let document = set(json!({"base": null}), &["objective.disc_weight=7"]);
        assert_eq!(document["base"]["objective"]["kind"], "rtd");
    }

    #[test]
    fn a_set_replaces_a_value_and_takes_yaml() {
        let file = json!({"base": {"train": {"steps": 1, "batch": 2}}, "sweep": {"train.steps": [1]}});
        let words =
            ["train.steps=5", "sweep={model.generator_ratio: [0.25]}", "seeds=[1]", "base.model.hidden="];
        let wanted = json!({"base": {"train": {"steps": 5, "batch": 2}, "model": {"hidden": null}},
                            "sweep": {"model.generator_ratio": [0.25]}, "seeds": [1]});
        assert_eq!(set(file, &words), wanted);
        let axis = set(json!({"sweep": {"train.steps": [1]}}), &["sweep.train.steps=[2, 3]"]);
        assert_eq!(axis, json!({"sweep": {"train.steps": [2, 3]}}));
    }

    #[test]
    fn a_new_kind_keeps_the_shared_keys() {
        let file = json!({"base": {"objective": {"kind": "rtd", "disc_weight": 5, "mask_fraction": 0.3}}});
        let document = set(file, &["objective.kind=mlm"]);
        assert_eq!(document["base"]["objective"], json!({"kind": "mlm", "mask_fraction": 0.3}));
    }

    #[test]
    fn malformed_overrides_are_rejected() {
        let refusal = |word: &str| parse(word).map(|read| read.path).unwrap_err().what;
        assert_eq!(refusal("train.steps"), "has no `=`");
        assert_eq!(refusal("=3"), "\"\" is not a path");
        assert_eq!(refusal("base..steps=3"), "\"base..steps\" is not a path");
        assert_eq!(refusal("profiles.quick.seeds=[1]"), "a profile cannot be overridden");
        assert!(refusal("seeds=[1").starts_with("the value is not valid YAML"));
        let hint = |word: &str| parse(word).map(|read| read.path).unwrap_err().hint;
        assert_eq!(refusal("train.lr=.nan"), "the value is not allowed: NaN is not a finite number");
        assert_eq!(hint("train.lr=.inf"), "write a finite number");
        assert_eq!(
            hint("train.steps=99999999999999999999999"),
            "whole numbers go up to 18446744073709551615"
        );
        assert!(hint("seeds=[1").starts_with("close brackets"));
        let path = ValuePath::expand("base.train.steps.x");
        let mut document = json!({"base": {"train": {"steps": 3}}});
        let stuck = put(&Schema::new(), &mut document, &path, json!(1)).unwrap_err();
        assert_eq!(stuck.to_string(), "base.train.steps");
    }
}
