//! The line on which a value of a YAML text was written.
//!
//! The deserializer reports a line only when it fails, so it is made to fail on purpose: a seed walks down
//! the path and raises an error at the target, whose location is the answer. Each question parses the text
//! once, which is cheap for a few hundred lines. Must never: return the value itself; `value_path` does that.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::value_path::{Segment, ValuePath};

/// Line (from 1) of a key or of an element of a list; `None` if the text has no such value.
pub(crate) fn line_of(text: &str, path: &ValuePath) -> Option<usize> {
    let walk = Walk { rest: path.segments() };
    let error = walk.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    error.location().map(|location| location.line())
}

/// Walks down the rest of the path and fails at its end.
#[derive(Clone, Copy)]
struct Walk<'p> {
    rest: &'p [Segment],
}

fn arrived<E: de::Error>() -> E {
    E::custom("arrived")
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    /// A value without entries: the target, or not on the path.
    fn leaf<E: de::Error>(self) -> Result<(), E> {
        if self.rest.is_empty() { Err(arrived()) } else { Ok(()) }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.leaf()
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.leaf()
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.leaf()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.leaf()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.leaf()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.leaf()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.leaf()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let (wanted, rest) = match self.rest.split_first() {
            None => return Err(arrived()),
            Some((Segment::Index(wanted), rest)) => (Some(*wanted), rest),
            Some((Segment::Key(_), rest)) => (None, rest),
        };
        for index in 0.. {
            let more = if wanted == Some(index) {
                list.next_element_seed(Walk { rest })?.is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<(), A::Error> {
        let (wanted, rest) = match self.rest.split_first() {
            None => return Err(arrived()),
            Some((Segment::Key(wanted), rest)) => (Some(wanted.as_str()), rest),
            Some((Segment::Index(_), rest)) => (None, rest),
        };
        while let Some(found) = mapping.next_key_seed(KeyWalk { wanted, is_last: rest.is_empty() })? {
            if found {
                mapping.next_value_seed(Walk { rest })?;
            } else {
                mapping.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Compares a key, and fails at it if it is the target: the location of a mapping would be that of its first
/// entry.
struct KeyWalk<'p> {
    wanted: Option<&'p str>,
    is_last: bool,
}

impl<'de> DeserializeSeed<'de> for KeyWalk<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeyWalk<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        let found = self.wanted == Some(key);
        if found && self.is_last { Err(arrived()) } else { Ok(found) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
name: x   # 2

base:
  # about the model
  model: { size: tiny,
           positions: 64 }
  \"train\":

    'steps': 10
    warmup: &ten 10
sweep:
  model.hidden: [64,
    128, 256]
  \"a, b\":
    - [1, 2]
    - - 3
      - 4
seeds: [1,
  2]
list:
  - kind: a
    n: 1

  - kind: b
    n: *ten
";

    fn line(path: &ValuePath) -> Option<usize> {
        line_of(TEXT, path)
    }

    #[test]
    fn lines_of_keys() {
        let of = |keys: &[&str]| line(&ValuePath::of_keys(keys));
        assert_eq!(of(&["name"]), Some(2));
        assert_eq!(of(&["base"]), Some(4));
        assert_eq!(of(&["base", "model"]), Some(6));
        assert_eq!(of(&["base", "model", "size"]), Some(6));
        assert_eq!(of(&["base", "model", "positions"]), Some(7));
        assert_eq!(of(&["base", "train"]), Some(8));
        assert_eq!(of(&["base", "train", "steps"]), Some(10));
        assert_eq!(of(&["base", "train", "warmup"]), Some(11));
        assert_eq!(of(&["sweep", "model.hidden"]), Some(13));
        assert_eq!(of(&["seeds"]), Some(19));
    }

    #[test]
    fn lines_inside_lists() {
        let hidden = ValuePath::of_keys(&["sweep", "model.hidden"]);
        assert_eq!(line(&hidden.index(0)), Some(13));
        assert_eq!(line(&hidden.index(2)), Some(14));
        let joint = ValuePath::of_keys(&["sweep", "a, b"]);
        assert_eq!(line(&joint.index(0).index(1)), Some(16));
        assert_eq!(line(&joint.index(1).index(1)), Some(18));
        assert_eq!(line(&ValuePath::of_keys(&["seeds"]).index(1)), Some(20));
        let list = ValuePath::of_keys(&["list"]);
        assert_eq!(line(&list.index(1)), Some(25));
        assert_eq!(line(&list.index(1).key("n")), Some(26));
    }

    #[test]
    fn an_unwritten_value_has_no_line() {
        assert_eq!(line(&ValuePath::of_keys(&["base", "trian"])), None);
        assert_eq!(line(&ValuePath::of_keys(&["name", "x"])), None);
        assert_eq!(line(&ValuePath::of_keys(&["seeds"]).index(2)), None);
        assert_eq!(line(&ValuePath::of_keys(&["seeds", "x"])), None);
        assert_eq!(line(&ValuePath::of_keys(&["base"]).index(0)), None);
    }
}
