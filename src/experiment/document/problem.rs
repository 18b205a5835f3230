//! Mistakes in a specification: reported all at once, each with its line and a remedy.
//!
//! A [`Problem`] knows the path of a value. [`Problems`] collects them with the [`Origin`] of that value
//! (`layers` finds it) and makes one error of them. Must never: print.

use std::collections::BTreeSet;

use serde_json::Value;

use super::value_path::ValuePath;
use crate::error::{Error, ErrorKind};

/// Longer values are shortened in messages; in characters.
const SHOWN_VALUE: usize = 60;

/// The remedy that fits every mistake.
const HINT: &str = "`electra-lab schema` prints every key of the format with its type, range and default";

/// One mistake about the value at a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// The value's path.
    pub path: ValuePath,
    /// The value as it is shown; nothing is shown if empty.
    pub value: String,
    /// What is wrong with it, to be read after `path = value: `.
    pub what: String,
    /// The remedy.
    pub hint: String,
    /// Paths whose line is a better one to name than the value's own, the best first.
    pub look_at: Vec<ValuePath>,
}

impl Problem {
    /// A mistake in a value.
    pub fn of(path: &ValuePath, value: &Value, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { value: shown(value), ..Self::at(path, what, hint) }
    }

    /// A mistake at a path, without showing a value: an unknown or missing key, a whole section.
    pub fn at(path: &ValuePath, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            path: path.clone(),
            value: String::new(),
            what: what.into(),
            hint: hint.into(),
            look_at: Vec::new(),
        }
    }
}

/// A value on one line, shortened; a tagged mapping by its kind.
pub(crate) fn shown(value: &Value) -> String {
    if let (Some(kind), Some(map)) = (value.get("kind").and_then(Value::as_str), value.as_object()) {
        let more = if map.len() > 1 { ", …" } else { "" };
        return format!("{{ kind: {kind}{more} }}");
    }
    let text = value.to_string();
    if text.chars().count() <= SHOWN_VALUE {
        return text;
    }
    let start: String = text.chars().take(SHOWN_VALUE).collect();
    format!("{start}…")
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// In the file; the line, where it is known.
    Line(Option<usize>),
    /// In an override of the command line, as it was typed.
    Set(String),
}

/// The mistakes of one load.
#[derive(Debug)]
pub(crate) struct Problems {
    file: String,
    placed: Vec<(Origin, Problem)>,
    /// Paths of mistakes beyond [`MOST_SHOWN`], each once and without the profile that it is in.
    others: BTreeSet<ValuePath>,
}

/// So many mistakes are shown. Each is looked for in the text, so the time for them must not grow with their
/// square.
pub(crate) const MOST_SHOWN: usize = 50;

impl Problems {
    /// Starts without a mistake in `file`.
    pub fn new(file: impl Into<String>) -> Self {
        Self { file: file.into(), placed: Vec::new(), others: BTreeSet::new() }
    }

    /// Whether so many mistakes are known that further ones need no place: they are only counted.
    pub fn is_full(&self) -> bool {
        self.placed.len() >= MOST_SHOWN
    }

    /// Counts a mistake without showing it.
    pub fn count(&mut self, problem: Problem) {
        if !self.placed.iter().any(|(_, known)| ends_alike(&known.path, &problem.path)) {
            let is_profiled = inside_profile(&problem.path);
            self.others.insert(if is_profiled { problem.path.without_first(2) } else { problem.path });
        }
    }

    /// Adds a mistake, unless the same one is known at the same place (found through another profile).
    pub fn add(&mut self, place: Origin, problem: Problem) {
        let same = |(other_place, other): &(Origin, Problem)| {
            *other_place == place && other.what == problem.what && ends_alike(&other.path, &problem.path)
        };
        if !self.placed.iter().any(same) {
            self.placed.push((place, problem));
        }
    }

    /// One error that lists all mistakes in the order of the file; `Ok` if there are none.
    pub fn into_result(mut self) -> crate::error::Result<()> {
        if self.placed.is_empty() {
            return Ok(());
        }
        self.placed.sort_by(|(left, _), (right, _)| left.cmp(right));
        let count = self.placed.len() + self.others.len();
        let mut paragraphs: Vec<String> = Vec::with_capacity(count + 1);
        if count > 1 {
            paragraphs.push(format!("{} has {count} mistakes", self.file));
        }
        for (number, (place, problem)) in self.placed.iter().enumerate() {
            let text = self.paragraph(place, problem);
            paragraphs.push(if count == 1 { text } else { numbered(number + 1, &text) });
        }
        if !self.others.is_empty() {
            paragraphs.push(format!("and {} more", self.others.len()));
        }
        Err(Error::new(ErrorKind::Spec, paragraphs.join("\n"), HINT))
    }

    fn paragraph(&self, place: &Origin, problem: &Problem) -> String {
        let shown_place = match place {
            Origin::Line(Some(line)) => format!("{}:{line}", self.file),
            Origin::Line(None) => self.file.clone(),
            Origin::Set(word) => format!("--set {word}"),
        };
        let path = problem.path.to_string();
        let subject = match (path.is_empty() || shows_path(&problem.path, place), problem.value.is_empty()) {
            (true, _) => String::new(),
            (false, true) => format!(" {path}:"),
            (false, false) => format!(" {path} = {}:", problem.value),
        };
        format!("{shown_place}:{subject} {}\nhint: {}", problem.what, problem.hint)
    }
}

/// Whether an override as typed already shows the path and the value.
fn shows_path(path: &ValuePath, place: &Origin) -> bool {
    let Origin::Set(word) = place else { return false };
    word.split_once('=').is_some_and(|(named, _)| ValuePath::expand(named.trim()) == *path)
}

/// The same path, or the same path inside a profile.
fn ends_alike(left: &ValuePath, right: &ValuePath) -> bool {
    let (short, long) =
        if left.segments().len() <= right.segments().len() { (left, right) } else { (right, left) };
    long == short || inside_profile(long) && long.segments().get(2..) == Some(short.segments())
}

fn inside_profile(path: &ValuePath) -> bool {
    path.first_key() == Some("profiles")
}

fn numbered(number: usize, text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let rest: String = lines.map(|line| format!("\n    {line}")).collect();
    format!("{number:>2}. {first}{rest}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_mistake_is_a_paragraph_and_several_are_a_list() {
        let path = ValuePath::of_keys(&["base", "train", "steps"]);
        let wrong = Problem::of(&path, &json!("many"), "must be a whole number", "write a number");
        let mut problems = Problems::new("a.yaml");
        problems.add(Origin::Line(Some(4)), wrong.clone());
        problems.add(Origin::Line(Some(4)), wrong.clone());
        let unknown = Problem::at(&ValuePath::of_keys(&["x"]), "unknown key", "remove it");
        let mut both = Problems::new("a.yaml");
        both.add(Origin::Set("x=1".into()), unknown);
        both.add(Origin::Line(Some(4)), wrong);
        insta::assert_snapshot!(problems.into_result().unwrap_err(), @r#"
            a.yaml:4: base.train.steps = "many": must be a whole number
            hint: write a number
            hint: `electra-lab schema` prints every key of the format with its type, range and default
        "#);
        insta::assert_snapshot!(both.into_result().unwrap_err(), @r#"
            a.yaml has 2 mistakes
             1. a.yaml:4: base.train.steps = "many": must be a whole number
                hint: write a number
             2. --set x=1: unknown key
                hint: remove it
            hint: `electra-lab schema` prints every key of the format with its type, range and default
        "#);
    }

    #[test]
    fn a_mistake_of_a_profile_is_reported_once() {
        let mut problems = Problems::new("a.yaml");
        let inside = ValuePath::of_keys(&["profiles", "quick", "seeds"]);
        problems.add(Origin::Line(Some(9)), Problem::at(&inside, "is bad", "do"));
        problems.add(Origin::Line(Some(9)), Problem::at(&ValuePath::of_keys(&["seeds"]), "is bad", "do"));
        assert_eq!(problems.placed.len(), 1);
    }

    #[test]
    fn of_very_many_mistakes_the_first_are_shown() {
        let mut problems = Problems::new("a.yaml");
        for key in 0..MOST_SHOWN + 7 {
            for path in [ValuePath::of_keys(&["profiles", "quick"]), ValuePath::root()] {
                let problem = Problem::at(&path.key(&format!("key{key}")), "unknown key", "remove it");
                match problems.is_full() {
                    true => problems.count(problem),
                    false => problems.add(Origin::Line(Some(key)), problem),
                }
            }
        }
        let text = problems.into_result().unwrap_err().message;
        assert!(text.starts_with("a.yaml has 57 mistakes\n 1. "), "{text}");
        assert!(text.ends_with("\nand 7 more") && !text.contains("key50"), "{text}");
    }

    #[test]
    fn long_values_are_shortened() {
        let text = shown(&json!((0..100).collect::<Vec<_>>()));
        assert!(text.chars().count() == SHOWN_VALUE + 1 && text.ends_with('…'), "{text}");
    }
}
