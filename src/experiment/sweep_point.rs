//! A point of the sweep as a value: the swept paths and what each is set to, without the seed.
//!
//! Two points are equal if their values are: 1 and 1.0 are one number, and the order of a mapping's keys does
//! not matter. Must never: hold the seed, which is no part of a point.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Swept paths and their values, in the order of the sweep; empty where nothing is swept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SweepPoint(Vec<(String, Value)>);

impl SweepPoint {
    /// Paths with their values, in the order of the sweep.
    pub fn iter(&self) -> std::slice::Iter<'_, (String, Value)> {
        self.0.iter()
    }

    /// The swept paths, in the order of the sweep.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(path, _)| path.as_str())
    }

    /// What a path is set to; None where it is not swept.
    pub fn value(&self, path: &str) -> Option<&Value> {
        self.0.iter().find(|(swept, _)| swept == path).map(|(_, value)| value)
    }

    /// Whether the point has the values of a selector: every path is swept and has the value, or one of a
    /// list of values. An empty selector selects every point.
    pub fn is_selected_by(&self, selector: &Map<String, Value>) -> bool {
        let has = |wanted: &Value, actual: &Value| match wanted {
            Value::Array(any) => {
                same_value(wanted, actual) || any.iter().any(|one| matches_value(one, actual))
            }
            one => matches_value(one, actual),
        };
        selector.iter().all(|(path, wanted)| self.value(path).is_some_and(|actual| has(wanted, actual)))
    }

    /// Whether nothing is swept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `model.generator_ratio=0.25`; `base configuration` where nothing is swept.
    pub fn label(&self) -> String {
        let words: Vec<String> =
            self.iter().map(|(path, value)| format!("{path}={}", value_label(value))).collect();
        if words.is_empty() { "base configuration".into() } else { words.join(" ") }
    }
}

impl PartialEq for SweepPoint {
    fn eq(&self, other: &Self) -> bool {
        let same = |((path, value), (other_path, other)): (&(String, Value), &(String, Value))| {
            path == other_path && same_value(value, other)
        };
        self.0.len() == other.0.len() && self.iter().zip(other.iter()).all(same)
    }
}

impl FromIterator<(String, Value)> for SweepPoint {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(settings: I) -> Self {
        Self(settings.into_iter().collect())
    }
}

/// The listed values of a selector without which it selects as many points: each with its path. A value that
/// only occurs beside others than the selector names is one of them.
pub fn idle_values<'s>(
    selector: &'s Map<String, Value>,
    points: &[&SweepPoint],
) -> Vec<(&'s str, &'s Value)> {
    let mut idle = Vec::new();
    for (path, wanted) in selector {
        let Value::Array(any) = wanted else { continue };
        // A list may itself be a value of the sweep.
        if points.iter().filter_map(|point| point.value(path)).any(|actual| same_value(wanted, actual)) {
            continue;
        }
        for value in any {
            let mut narrowed = selector.clone();
            narrowed.insert(path.clone(), value.clone());
            if !points.iter().any(|point| point.is_selected_by(&narrowed)) {
                idle.push((path.as_str(), value));
            }
        }
    }
    idle
}

/// Whether two values of a sweep are the same: 1 and 1.0 are, and the order of a mapping's keys does not
/// matter.
pub fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same_value(value, other)))
        }
        _ => a == b,
    }
}

/// Whether a written value names a value of the sweep: by the same value, by the `kind` of a mapping, or by
/// some of a mapping's entries.
pub fn matches_value(wanted: &Value, actual: &Value) -> bool {
    match (wanted, actual) {
        (Value::String(_), Value::Object(actual)) => actual.get("kind") == Some(wanted),
        (Value::Object(wanted), Value::Object(actual)) => {
            wanted.iter().all(|(key, value)| actual.get(key).is_some_and(|other| same_value(value, other)))
        }
        _ => same_value(wanted, actual),
    }
}

/// A value as a person writes it: strings without quotes, a tagged mapping by its kind.
pub fn value_label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".into(),
        Value::Object(map) => {
            map.get("kind").and_then(Value::as_str).map_or_else(|| value.to_string(), str::to_string)
        }
        _ => value.to_string(),
    }
}

/// Up to so many mappings of a kind are labelled in full.
const FEW: usize = 3;

/// Labels of values, as short as tells the distinct ones apart: a tagged mapping gets the entries in which
/// mappings of its kind differ.
pub fn value_labels(values: &[Value]) -> Vec<String> {
    let brief: Vec<String> = values.iter().map(value_label).collect();
    let ambiguous = values.iter().zip(&brief).enumerate().any(|(index, (a, text))| {
        values.iter().zip(&brief).skip(index + 1).any(|(b, other)| text == other && !same_value(a, b))
    });
    if ambiguous { values.iter().map(|value| detailed_label(value, values)).collect() } else { brief }
}

/// A tagged mapping by its kind and those of its entries in which mappings of the same kind differ. Of more
/// than [`FEW`] mappings the first stands for the usual values, and the others name what they change.
fn detailed_label(value: &Value, peers: &[Value]) -> String {
    let Value::Object(map) = value else { return value_label(value) };
    let same_kind: Vec<&Value> = peers.iter().filter(|peer| peer.get("kind") == map.get("kind")).collect();
    let compared = if same_kind.len() > FEW { same_kind.get(..1) } else { Some(same_kind.as_slice()) };
    let entries: Vec<String> = map
        .iter()
        .filter(|(key, entry)| {
            let has_same = |peer: &&Value| peer.get(*key).is_some_and(|other| same_value(entry, other));
            !compared.unwrap_or_default().iter().all(has_same)
        })
        .map(|(key, entry)| format!("{} {}", key.replace('_', " "), value_label(entry)))
        .collect();
    if entries.is_empty() {
        value_label(value)
    } else {
        format!("{} ({})", value_label(value), entries.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn point(settings: &[(&str, Value)]) -> SweepPoint {
        settings.iter().map(|(path, value)| (path.to_string(), value.clone())).collect()
    }

    #[test]
    fn equal_points_have_equal_values() {
        let ratio = |value: Value| point(&[("model.generator_ratio", value)]);
        assert_eq!(ratio(json!(1)), ratio(json!(1.0)));
        assert_ne!(ratio(json!(1)), ratio(json!("1")));
        assert_ne!(ratio(json!(1)), point(&[("train.steps", json!(1))]));
        assert_ne!(ratio(json!(1)), point(&[]));
        let rtd = |text: &str| point(&[("objective", serde_json::from_str(text).unwrap())]);
        assert_eq!(
            rtd(r#"{"kind": "rtd", "disc_weight": 50}"#),
            rtd(r#"{"disc_weight": 50.0, "kind": "rtd"}"#)
        );
    }

    #[test]
    fn a_selector_names_values_or_lists_of_them() {
        let heavy = json!({"kind": "rtd", "disc_weight": 50, "temperature": 1.0});
        assert!(matches_value(&json!("rtd"), &heavy));
        assert!(matches_value(&json!({"kind": "rtd", "disc_weight": 50.0}), &heavy));
        assert!(!matches_value(&json!({"kind": "rtd", "disc_weight": 1}), &heavy));
        assert!(matches_value(&json!(1), &json!(1.0)));
        let at = point(&[("model.hidden", json!(128)), ("objective", heavy)]);
        let selects = |selector: Value| at.is_selected_by(selector.as_object().unwrap());
        assert!(selects(json!({})) && selects(json!({"model.hidden": [64, 128.0], "objective": "rtd"})));
        assert!(!selects(json!({"model.hidden": [64, 256]})) && !selects(json!({"train.steps": 1})));
    }

    /// The first of many stands for the usual values.
    #[test]
    fn many_mappings_of_a_kind_name_what_they_change() {
        let rtd = |weight: f64, fraction: f64| json!({"kind": "rtd", "disc_weight": weight, "mask_fraction": fraction});
        let many = [rtd(50.0, 0.15), rtd(1.0, 0.15), rtd(50.0, 0.4), rtd(1.0, 0.4), json!({"kind": "mlm"})];
        let expected = [
            "rtd",
            "rtd (disc weight 1.0)",
            "rtd (mask fraction 0.4)",
            "rtd (disc weight 1.0, mask fraction 0.4)",
            "mlm",
        ];
        assert_eq!(value_labels(&many), expected);
        assert_eq!(value_labels(&many[..2]), ["rtd (disc weight 50.0)", "rtd (disc weight 1.0)"]);
    }

    #[test]
    fn a_listed_value_without_a_point_is_named() {
        let at = |width: u64, kind: &str| {
            point(&[("model.hidden", json!(width)), ("objective.kind", json!(kind))])
        };
        let points = [at(64, "rtd"), at(64, "mlm"), at(128, "rtd")];
        let points: Vec<&SweepPoint> = points.iter().collect();
        let idle = |selector: Value| -> Vec<String> {
            let found = idle_values(selector.as_object().unwrap(), &points);
            found.into_iter().map(|(path, value)| format!("{path} {value}")).collect()
        };
        assert!(idle(json!({"model.hidden": [64, 128.0], "objective.kind": ["rtd", "mlm"]})).is_empty());
        assert_eq!(idle(json!({"model.hidden": [64, 256]})), ["model.hidden 256"]);
        // 128 is in the sweep, but not with this objective.
        assert_eq!(idle(json!({"model.hidden": [64, 128], "objective.kind": "mlm"})), ["model.hidden 128"]);
        let lists = point(&[("evaluate.tasks", json!(["cola", "rte"]))]);
        let selector = json!({"evaluate.tasks": ["cola", "rte"]});
        assert!(idle_values(selector.as_object().unwrap(), &[&lists]).is_empty());
    }

    /// trial.json holds a point as a list of pairs.
    #[test]
    fn a_point_is_a_list_of_pairs_in_a_record() {
        let text = r#"[["model.generator_ratio",0.25],["objective",{"kind":"mlm"}]]"#;
        let read: SweepPoint = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert_eq!(read.label(), "model.generator_ratio=0.25 objective=mlm");
        assert_eq!(read.value("objective"), Some(&json!({"kind": "mlm"})));
        assert_eq!(
            (read.value("train.steps"), SweepPoint::default().label().as_str()),
            (None, "base configuration")
        );
    }

    #[test]
    fn mappings_are_named_by_kind_until_that_is_ambiguous() {
        let light = json!({"kind": "rtd", "disc_weight": 1.0, "temperature": 1});
        let heavy = json!({"kind": "rtd", "disc_weight": 50, "temperature": 1.0});
        assert_eq!(value_labels(&[json!({"kind": "mlm"}), heavy.clone()]), ["mlm", "rtd"]);
        assert_eq!(value_labels(&[light, heavy]), ["rtd (disc weight 1.0)", "rtd (disc weight 50)"]);
    }
}
