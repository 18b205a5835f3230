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
        ("integer" | "number", Value::String(text)) => number_hint(wanted == "integer", text),
        ("boolean", _) => "write true or false".into(),
        ("object", _) => "write keys and values below it, or {} for none".into(),
        _ => "write digits".into(),
    }
}

/// The remedy for a number that is written as text.
fn number_hint(is_whole: bool, text: &str) -> String {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let text = text.replace(['_', ' '], "");
    let grouped = has_groups_of_three(&text).then(|| number(&text.replace(',', ""))).flatten();
    let decimal = number(&text.replacen(',', ".", 1)).filter(|_| text.contains(',') && !is_whole);
    match (number(&text).or(grouped), decimal) {
        (Some(number), None) => format!("write {number} without quotes or separators"),
        (None, Some(decimal)) => format!("write {decimal}: the decimal sign is a full stop"),
        (Some(number), Some(decimal)) => {
            format!("write {number}, or {decimal} if the comma is a decimal one")
        }
        (None, None) => "write digits".into(),
    }
}

/// Whether every comma stands before three digits, as in `1,000,000`.
fn has_groups_of_three(text: &str) -> bool {
    let whole = text.split('.').next().unwrap_or_default();
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default().trim_start_matches(['+', '-']);
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    (1..=3).contains(&first.len())
        && digits(first)
        && first != "0"
        && groups.all(|group| group.len() == 3 && digits(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_comma_is_no_separator() {
        for (wanted, text, hint) in [
            ("number", "0,0005", "write 0.0005: the decimal sign is a full stop"),
            ("number", "5e-4", "write 0.0005 without quotes or separators"),
            ("number", "1,5e-4", "write 0.00015: the decimal sign is a full stop"),
            ("number", "0,125", "write 0.125: the decimal sign is a full stop"),
            ("number", "1,000", "write 1000, or 1 if the comma is a decimal one"),
            ("number", "1,000.5", "write 1000.5 without quotes or separators"),
            ("integer", "1,000,000", "write 1000000 without quotes or separators"),
            ("integer", "10 000", "write 10000 without quotes or separators"),
            ("integer", "1,5", "write digits"),
            ("integer", "many", "write digits"),
        ] {
            assert_eq!(type_hint(wanted, &Value::String(text.into())), hint, "{text}");
        }
    }
}
