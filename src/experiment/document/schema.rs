//! The JSON Schema of the format: generated from the types, and read back to check documents.
//!
//! `validate` walks it, and `overrides` and `sweep` look paths up in it, so an editor underlines exactly what
//! a run rejects. Must never: hold a rule that the types do not state.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::value_path::{Segment, ValuePath};
use crate::experiment::format::top_level::{ExperimentSpec, ProfileSpec};

/// Names of experiments and profiles; folders have these names.
pub(crate) const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,63}$";

/// The format of experiment files as JSON Schema (draft 2020-12).
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let profile = generator.subschema_for::<ProfileSpec>().to_value();
    let mut root = generator.into_root_schema_for::<ExperimentSpec>().to_value();
    let lists = json!({"type": "array", "minItems": 1});
    for (place, key, refined) in [
        ("/properties/profiles", "additionalProperties", profile),
        ("/properties/profiles", "propertyNames", json!({"pattern": NAME_PATTERN})),
        ("/properties/sweep", "additionalProperties", lists.clone()),
        ("/$defs/ProfileSpec/properties/sweep", "additionalProperties", lists),
    ] {
        if let Some(Value::Object(section)) = root.pointer_mut(place) {
            section.insert(key.to_string(), refined);
        }
    }
    root
}

/// The schema, with the look-ups that checks need.
pub(crate) struct Schema {
    root: Value,
}

impl Schema {
    /// Generates the schema.
    pub fn new() -> Self {
        Self { root: schema() }
    }

    /// The node of the whole document.
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// Follows references; of an optional node, returns the node of the value.
    pub fn resolve<'s>(&'s self, mut node: &'s Value) -> &'s Value {
        loop {
            let optional = node.get("anyOf").and_then(Value::as_array);
            let next = match (node.get("$ref").and_then(Value::as_str), optional) {
                (Some(reference), _) => self.root.pointer(reference.trim_start_matches('#')),
                (None, Some(choices)) => choices.iter().find(|choice| !allows_null(choice)),
                (None, None) => None,
            };
            match next {
                Some(found) => node = found,
                None => return node,
            }
        }
    }

    /// The nodes that describe the value at a path: none for an unknown path, several below a tagged mapping
    /// with several kinds that have the key.
    pub fn at(&self, path: &ValuePath) -> Vec<&Value> {
        let mut nodes = vec![&self.root];
        for segment in path.segments() {
            nodes = nodes.into_iter().flat_map(|node| self.step(node, segment)).collect();
        }
        nodes
    }

    fn step<'s>(&'s self, node: &'s Value, segment: &Segment) -> Vec<&'s Value> {
        let node = self.resolve(node);
        match segment {
            Segment::Index(_) => node.get("items").into_iter().collect(),
            Segment::Key(key) => {
                let own = std::iter::once(node).chain(variants(node));
                own.filter_map(|variant| {
                    let declared = variant.pointer("/properties").and_then(|keys| keys.get(key));
                    declared.or_else(|| variant.get("additionalProperties").filter(|rest| rest.is_object()))
                })
                .collect()
            }
        }
    }

    /// Keys of the tagged mapping at a path for this `kind`; `None` for an unknown kind.
    pub fn keys_of_kind(&self, path: &ValuePath, kind: &str) -> Option<Vec<&str>> {
        let nodes = self.at(path);
        let node = self.resolve(nodes.first()?);
        variants(node).find(|variant| kind_of(variant) == Some(kind)).map(keys)
    }

    /// The default of the value at a path.
    pub fn default_at(&self, path: &ValuePath) -> Option<&Value> {
        self.at(path).first()?.get("default")
    }

    /// The path of every value of a trial, such as `base.train.steps` and `evaluate.tasks`, sections
    /// included.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for section in ["base", "evaluate"] {
            for node in self.at(&ValuePath::of_keys(&[section])) {
                self.collect(node, section, &mut paths);
            }
        }
        paths
    }

    fn collect(&self, node: &Value, prefix: &str, paths: &mut Vec<String>) {
        let node = self.resolve(node);
        for variant in std::iter::once(node).chain(variants(node)) {
            let declared = variant.get("properties").and_then(Value::as_object);
            for (key, below) in declared.into_iter().flatten() {
                let path = format!("{prefix}.{key}");
                if !paths.contains(&path) {
                    self.collect(below, &path, paths);
                    paths.push(path);
                }
            }
        }
    }
}

/// The alternatives of an enumeration or a tagged mapping; none for other nodes.
pub(crate) fn variants(node: &Value) -> impl Iterator<Item = &Value> {
    node.get("oneOf").and_then(Value::as_array).into_iter().flatten()
}

/// The `kind` of one alternative of a tagged mapping.
pub(crate) fn kind_of(variant: &Value) -> Option<&str> {
    variant.pointer("/properties/kind/const").and_then(Value::as_str)
}

/// The keys that a mapping may have.
pub(crate) fn keys(node: &Value) -> Vec<&str> {
    let declared = node.get("properties").and_then(Value::as_object);
    declared.into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// Whether a node allows `null`.
pub(crate) fn allows_null(node: &Value) -> bool {
    match node.get("type") {
        Some(Value::String(word)) => word == "null",
        Some(Value::Array(words)) => words.iter().any(|word| word == "null"),
        _ => {
            node.get("anyOf").and_then(Value::as_array).is_some_and(|choices| choices.iter().any(allows_null))
        }
    }
}

/// Whether a name fits [`NAME_PATTERN`].
pub(crate) fn is_name(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 64
        && text.bytes().next().is_some_and(is_first)
        && text.bytes().all(|byte| is_first(byte) || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_schema_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/experiment.schema.json");
        let checked_in = std::fs::read_to_string(path).unwrap_or_default();
        let generated = format!("{:#}\n", schema());
        assert!(
            checked_in == generated,
            "experiments/experiment.schema.json differs from the types of src/experiment: regenerate it with \
             `cargo run -- schema > experiments/experiment.schema.json`"
        );
    }

    #[test]
    fn paths_are_looked_up_through_references_options_and_kinds() {
        let schema = Schema::new();
        let at = |keys: &[&str]| schema.at(&ValuePath::of_keys(keys)).len();
        assert_eq!(at(&["base", "train", "steps"]), 1);
        assert_eq!(at(&["base", "objective", "mask_fraction"]), 10, "every kind has one");
        assert_eq!(at(&["base", "train", "stepz"]), 0);
        assert_eq!(at(&["profiles", "any", "base", "train", "steps"]), 1);
        assert_eq!(schema.default_at(&ValuePath::of_keys(&["base", "train", "batch"])), Some(&json!(32)));
        let objective = ValuePath::of_keys(&["base", "objective"]);
        assert_eq!(schema.keys_of_kind(&objective, "mlm"), Some(vec!["kind", "mask_fraction", "masking"]));
        assert_eq!(schema.keys_of_kind(&objective, "gan"), None);
        assert!(schema.paths().contains(&"base.data.tokenizer.revision".to_string()));
    }

    /// `validate` implements one pattern by hand. It would ignore a second one in the types.
    #[test]
    fn the_types_have_one_pattern() {
        fn patterns<'v>(node: &'v Value, found: &mut Vec<&'v str>) {
            match node {
                Value::Object(map) => {
                    found.extend(map.get("pattern").and_then(Value::as_str));
                    map.values().for_each(|below| patterns(below, found));
                }
                Value::Array(list) => list.iter().for_each(|below| patterns(below, found)),
                _ => {}
            }
        }
        let schema = schema();
        let mut found = Vec::new();
        patterns(&schema, &mut found);
        assert!(found.len() >= 2 && found.iter().all(|pattern| *pattern == NAME_PATTERN), "{found:?}");
        assert!(is_name("gen_ratio-2") && is_name("0"));
        for wrong in ["", "_a", "A", "../a", "a/b", "a b", &"a".repeat(65)] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
