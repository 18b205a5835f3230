//! Types of values: which type the schema wants, and the message about a value of another type.
//!
//! Must never: read a value leniently. `"20"` in place of a number is a mistake.

use serde_json::Value;

/// The type that the schema wants, apart from `null`.
pub(crate) fn wanted_type(node: &Value) -> Option<&str> {
    match node.get("type")? {
        Value::String(word) => Some(word),
        Value::Array(words) => words.iter().filter_map(Value::as_str).find(|word| *word != "null"),
        _ => None,
    }
}

/// Whether a value has the schema's type.
pub(crate) fn fits(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        _ => true,
    }
}

/// What is wrong with a value that does not fit, and the remedy.
pub(crate) fn wrong_type(wanted: &str, value: &Value) -> (String, String) {
    let wanted_words = match wanted {
        "object" => "a mapping (keys with values)",
        "array" => "a list",
        "string" => "text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "a number",
    };
    let found = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    let what = match (wanted, value) {
        (_, Value::Null) => format!("has no value, and must be {wanted_words}"),
        ("integer", Value::Number(_)) => "must be a whole number".to_string(),
        _ => format!("must be {wanted_words}, not {found}"),
    };
    (what, type_hint(wanted, value))
}

fn type_hint(wanted: &str, value: &Value) -> String {
    match (wanted, value) {
        (_, Value::Null) => "give it a value, or remove the key to use its default".into(),
        ("array", Value::Object(_)) => "write a list: [a, b]".into(),
        ("array", single) => format!("write a list, even for one entry: [{single}]"),
        ("string", Value::Object(_) | Value::Array(_)) => "write plain text".into(),
        ("string", plain) => format!("put it in quotes: \"{plain}\""),
        ("integer", Value::Number(number)) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("write {float}"),
            _ => "round it".into(),
        },
        ("integer" | "number", Value::String(text)) => match text.replace(['_', ',', ' '], "").parse::<f64>()
        {
            Ok(number) if number.is_finite() => format!("write {number} without quotes or separators"),
            _ => "write digits".into(),
        },
        ("boolean", _) => "write true or false".into(),
        ("object", _) => "write keys and values below it, or {} for none".into(),
        _ => "write digits".into(),
    }
}
