//! Reads a YAML text as one JSON-like value, and rejects the parts of YAML that a specification must not use.
//!
//! Rejected with line and column: duplicate keys (the last would silently win), keys that are not text, tags,
//! merge keys, several documents, numbers that are not finite. Anchors and aliases work. Must never: know
//! what the keys mean. Next: `locate` finds the lines of values.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text was rejected.
#[derive(Debug, PartialEq)]
pub(crate) struct YamlMistake {
    /// Line and column, from 1, where they are known.
    pub position: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// Reads one document; an empty text is `Null`.
pub(crate) fn read(text: &str) -> Result<Value, YamlMistake> {
    ValueSeed.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| mistake(&error))
}

fn mistake(error: &serde_yaml::Error) -> YamlMistake {
    let position = error.location().map(|location| (location.line(), location.column()));
    let mut what = error.to_string();
    if let Some((line, column)) = position {
        let place = format!(" at line {line} column {column}");
        what = what.replacen(&place, "", 1);
    }
    let (what, hint) = if what.contains("more than one document") {
        (
            "holds several YAML documents".to_string(),
            "keep one experiment per file: remove the `---` between them",
        )
    } else if let Some((what, hint)) = what.split_once(HINT_MARK) {
        return YamlMistake { position, what: what.to_string(), hint: hint.to_string() };
    } else {
        (
            format!("is not valid YAML: {what}"),
            "check this line and the one above it: indent with spaces, not tabs; close quotes and brackets; quote a \
             text that contains `: ` or ` #`",
        )
    };
    YamlMistake { position, what, hint: hint.to_string() }
}

/// Separates the message from its remedy in an error of the deserializer, which holds one text.
const HINT_MARK: &str = "\u{1}";

fn refuse<E: de::Error>(what: impl fmt::Display, hint: &str) -> E {
    E::custom(format!("{what}{HINT_MARK}{hint}"))
}

struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        Err(refuse(
            format_args!("the number {value} is too large"),
            "whole numbers go up to 18446744073709551615",
        ))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        Err(refuse(format_args!("the number {value} is too small"), "no key takes a number this small"))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value)
            .ok_or_else(|| refuse(format_args!("{value} is not a finite number"), "write a finite number"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(ValueSeed)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = mapping.next_key_seed(KeySeed { known: &values })? {
            let value = mapping.next_value_seed(ValueSeed)?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(refuse(
            "a YAML tag (`!name`) has no meaning here",
            "remove the tag, or quote the text that starts with `!`",
        ))
    }
}

/// Reads a key, which must be text and new in its mapping. Its errors point at the key, not at the mapping.
struct KeySeed<'m> {
    known: &'m Map<String, Value>,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if key == "<<" {
            return Err(refuse(
                "merge keys (`<<`) are not supported",
                "write the keys out, or use a profile",
            ));
        }
        if self.known.contains_key(key) {
            return Err(refuse(format_args!("the key `{key}` is written twice"), "remove one of the two"));
        }
        Ok(key.to_string())
    }

    fn visit_u64<E: de::Error>(self, key: u64) -> Result<String, E> {
        not_text(key)
    }

    fn visit_i64<E: de::Error>(self, key: i64) -> Result<String, E> {
        not_text(key)
    }

    fn visit_f64<E: de::Error>(self, key: f64) -> Result<String, E> {
        not_text(key)
    }

    fn visit_bool<E: de::Error>(self, key: bool) -> Result<String, E> {
        not_text(key)
    }

    fn visit_unit<E: de::Error>(self) -> Result<String, E> {
        not_text("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        not_text("[…]")
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        not_text("{…}")
    }
}

fn not_text<T, E: de::Error>(key: impl fmt::Display) -> Result<T, E> {
    Err(refuse(
        format_args!("the key `{key}` is not text"),
        "keys are names: put it in quotes if it is meant",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(text: &str) -> String {
        match read(text) {
            Ok(value) => format!("accepted: {value}"),
            Err(mistake) => format!("{:?} {}", mistake.position.unwrap_or_default(), mistake.what),
        }
    }

    #[test]
    fn values_keep_their_type_and_order() {
        let text = "b: 5e-4\na: {z: 1, y: [true, ~, 'x', 0.5, -3]}\nc: &list [1]\nd: *list\n";
        let value = read(text).unwrap();
        assert_eq!(
            value.to_string(),
            r#"{"b":0.0005,"a":{"z":1,"y":[true,null,"x",0.5,-3]},"c":[1],"d":[1]}"#
        );
        assert_eq!(read("# nothing\n").unwrap(), json!(null));
    }

    #[test]
    fn forbidden_parts_of_yaml_are_rejected_with_their_line() {
        insta::assert_snapshot!(refusal("a: 1\nb:\n  c: 1\n  c: 2\n"), @"(4, 3) b: the key `c` is written twice");
        insta::assert_snapshot!(refusal("a: 1\n2: b\n"), @"(2, 1) the key `2` is not text");
        insta::assert_snapshot!(refusal("a: .inf\n"), @"(1, 4) a: inf is not a finite number");
        insta::assert_snapshot!(refusal("a: 99999999999999999999999\n"), @"(1, 4) a: the number 99999999999999999999999 is too large");
        insta::assert_snapshot!(refusal("a: !tag 3\n"), @"(1, 4) a: a YAML tag (`!name`) has no meaning here");
        insta::assert_snapshot!(refusal("x: &x {b: 1}\ny:\n  <<: *x\n"), @"(3, 3) y: merge keys (`<<`) are not supported");
        insta::assert_snapshot!(refusal("a: 1\n---\nb: 2\n"), @"(0, 0) holds several YAML documents");
    }

    #[test]
    fn broken_yaml_names_the_line() {
        insta::assert_snapshot!(refusal("a: 1\nb: [1, 2\nc: 3\n"), @"(3, 2) is not valid YAML: did not find expected ',' or ']', while parsing a flow sequence at line 2 column 4");
        insta::assert_snapshot!(refusal("a: 1\n\tb: 2\n"), @"(2, 1) is not valid YAML: found a tab character that violates indentation, while scanning a plain scalar at line 1 column 4");
        insta::assert_snapshot!(refusal("a: b: c\n"), @"(1, 5) is not valid YAML: mapping values are not allowed in this context");
        insta::assert_snapshot!(refusal("a: *nowhere\n"), @"(1, 4) is not valid YAML: unknown anchor");
    }
}
