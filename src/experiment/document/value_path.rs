//! The path of a value in a YAML document: `base.train.steps`, `seeds[1]`.
//!
//! Keys of a sweep contain dots, so a path is a list of segments, not a string. Must never: look at a schema.
//! Next: `locate` finds the line of a path, `overrides` writes at a path.

use std::fmt;

use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// Into a mapping.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

/// The steps from the top of a document to a value; the empty path is the document itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ValuePath(Vec<Segment>);

/// Sections of `base` that overrides and sweeps may name without the prefix `base.`.
const SECTIONS_OF_BASE: [&str; 6] = ["model", "objective", "data", "train", "published", "init"];

impl ValuePath {
    /// The document itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// A path of keys.
    pub fn of_keys(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Segment::Key((*key).to_string())).collect())
    }

    /// The full path of a dotted one: `train.steps` is short for `base.train.steps`, and everything after
    /// `sweep.` is one key.
    pub fn expand(dotted: &str) -> Self {
        if let Some(axis) = dotted.strip_prefix("sweep.") {
            return Self::of_keys(&["sweep", axis]);
        }
        let mut keys: Vec<&str> = dotted.split('.').collect();
        if keys.first().is_some_and(|first| SECTIONS_OF_BASE.contains(first)) {
            keys.insert(0, "base");
        }
        Self::of_keys(&keys)
    }

    /// The path of an entry of the mapping at `self`.
    pub fn key(&self, key: &str) -> Self {
        let mut longer = self.clone();
        longer.0.push(Segment::Key(key.to_string()));
        longer
    }

    /// The path of an element of the list at `self`.
    pub fn index(&self, index: usize) -> Self {
        let mut longer = self.clone();
        longer.0.push(Segment::Index(index));
        longer
    }

    /// `self` followed by `rest`.
    pub fn join(&self, rest: &[Segment]) -> Self {
        let mut longer = self.clone();
        longer.0.extend_from_slice(rest);
        longer
    }

    /// The steps from the top.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The path without its last step; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// The first step's key; `None` at the top.
    pub fn first_key(&self) -> Option<&str> {
        match self.0.first()? {
            Segment::Key(key) => Some(key),
            Segment::Index(_) => None,
        }
    }

    /// The last step's key; `None` at the top and inside lists.
    pub fn last_key(&self) -> Option<&str> {
        match self.0.last()? {
            Segment::Key(key) => Some(key),
            Segment::Index(_) => None,
        }
    }

    /// The steps after `prefix`; `None` unless `self` is at or below it.
    pub fn below(&self, prefix: &ValuePath) -> Option<&[Segment]> {
        self.0.strip_prefix(prefix.segments())
    }

    /// Whether one of the two is at or below the other.
    pub fn overlaps(&self, other: &ValuePath) -> bool {
        self.below(other).is_some() || other.below(self).is_some()
    }

    /// The value at this path.
    pub fn get<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(document, |value, segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.get(index),
        })
    }

    /// The path without its first segments.
    pub fn without_first(&self, n: usize) -> Self {
        Self(self.0.iter().skip(n).cloned().collect())
    }

    /// Removes the value at this path, keeping the order of its neighbours.
    pub fn remove(&self, document: &mut Value) {
        let Some((last, parents)) = self.0.split_last() else { return };
        let parent = parents.iter().try_fold(document, |value, segment| match segment {
            Segment::Key(key) => value.get_mut(key),
            Segment::Index(index) => value.get_mut(index),
        });
        match (parent, last) {
            (Some(Value::Object(map)), Segment::Key(key)) => {
                map.shift_remove(key);
            }
            (Some(Value::Array(list)), Segment::Index(index)) if *index < list.len() => {
                list.remove(*index);
            }
            _ => {}
        }
    }
}

impl fmt::Display for ValuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    let is_plain = !key.is_empty() && !key.contains([' ', ',', '[', ']', '"', '\n']);
                    if is_plain { f.write_str(key)? } else { write!(f, "{key:?}")? }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shortened_paths_are_expanded() {
        let shown = |text: &str| ValuePath::expand(text).to_string();
        assert_eq!(shown("train.steps"), "base.train.steps");
        assert_eq!(shown("base.train.steps"), "base.train.steps");
        assert_eq!(shown("published.model"), "base.published.model");
        assert_eq!(shown("evaluate.tasks"), "evaluate.tasks");
        assert_eq!(ValuePath::expand("sweep.model.hidden").segments().len(), 2);
    }

    #[test]
    fn values_are_found_and_removed_in_order() {
        let mut document = json!({"a": {"x": 1, "y": 2, "z": 3}, "list": [10, 20, 30]});
        let second = ValuePath::of_keys(&["list"]).index(1);
        assert_eq!(second.get(&document), Some(&json!(20)));
        second.remove(&mut document);
        ValuePath::of_keys(&["a", "x"]).remove(&mut document);
        ValuePath::of_keys(&["nowhere", "x"]).remove(&mut document);
        assert_eq!(document.to_string(), r#"{"a":{"y":2,"z":3},"list":[10,30]}"#);
    }

    #[test]
    fn odd_keys_are_quoted() {
        assert_eq!(ValuePath::root().key("sweep").key("a, b").index(0).to_string(), r#"sweep."a, b"[0]"#);
    }
}
