//! The layers of a specification (the file, a profile, each `--set`), merged into one document, and where
//! each value was written.
//!
//! Must never: judge a value. Next: `overrides` merges a layer into the one below; `locate` finds lines.

use serde_json::Value;

use super::overrides;
use super::overrides::Override;
use crate::experiment::document::locate::line_of;
use crate::experiment::document::problem::{Origin, Problem, Problems};
use crate::experiment::document::schema::Schema;
use crate::experiment::document::value_path::ValuePath;

/// The layers of one load, the lowest first.
pub(crate) struct Layers<'a> {
    /// The file's text.
    pub text: &'a str,
    /// The file's document.
    pub document: &'a Value,
    /// The profile that is merged into it.
    pub profile: Option<&'a str>,
    /// The overrides of the command line, the last on top.
    pub overrides: &'a [Override],
}

impl Layers<'_> {
    /// The document of all layers together, and the overrides whose path runs through a value that is no
    /// mapping.
    pub fn effective(&self, schema: &Schema) -> (Value, Vec<(Origin, Problem)>) {
        let mut document = self.document.clone();
        if let Some(profile) = self.profile_path().and_then(|path| path.get(self.document)) {
            overrides::apply_profile(schema, &mut document, profile);
        }
        let mut problems = Vec::new();
        for set in self.overrides {
            if let Err(stuck) = overrides::put(schema, &mut document, &set.path, set.value.clone()) {
                let what = format!("nothing can be set below {stuck}, which is not a mapping");
                let problem = Problem::at(&set.path, what, "see the paths with `electra-lab schema`");
                problems.push((Origin::Set(set.word.clone()), problem));
            }
        }
        (document, problems)
    }

    fn profile_path(&self) -> Option<ValuePath> {
        Some(ValuePath::of_keys(&["profiles", self.profile?]))
    }

    /// Adds mistakes to `problems`, each with the place where its value was written.
    pub fn report(&self, mistakes: impl IntoIterator<Item = Problem>, problems: &mut Problems) {
        for mistake in mistakes {
            match problems.is_full() {
                true => problems.count(mistake),
                false => problems.add(self.place(&mistake), mistake),
            }
        }
    }

    /// Where the value of a problem was written.
    pub fn place(&self, problem: &Problem) -> Origin {
        let mut candidates = problem.look_at.iter().chain(std::iter::once(&problem.path));
        if let Some(place) = candidates.find_map(|path| self.writer(path)) {
            return place;
        }
        let under =
            |set: &&Override| set.path.below(&problem.path).is_some() && !set.path.segments().is_empty();
        if !problem.path.segments().is_empty()
            && let Some(set) = self.overrides.iter().rev().find(under)
        {
            return Origin::Set(set.word.clone());
        }
        let mut ancestor = problem.path.parent();
        while let Some(path) = ancestor {
            if let Some(place) = self.writer(&path) {
                return place;
            }
            ancestor = path.parent();
        }
        Origin::Line(None)
    }

    /// Whether any layer has a value at this path.
    pub fn is_written(&self, path: &ValuePath) -> bool {
        self.writer(path).is_some()
    }

    /// The topmost layer that has this value, alone or as part of a section.
    fn writer(&self, path: &ValuePath) -> Option<Origin> {
        if path.segments().is_empty() {
            return None;
        }
        let covers = |set: &&Override| path.below(&set.path).is_some();
        if let Some(set) = self.overrides.iter().rev().find(covers) {
            return set_holds(set, path).then(|| Origin::Set(set.word.clone()));
        }
        let is_profiled = path.first_key().is_some_and(overrides::is_profile_section);
        let in_profile = self.profile_path().filter(|_| is_profiled);
        let in_profile = in_profile.map(|profile| profile.join(path.segments()));
        let line =
            in_profile.and_then(|path| line_of(self.text, &path)).or_else(|| line_of(self.text, path))?;
        Some(Origin::Line(Some(line)))
    }
}

fn set_holds(set: &Override, path: &ValuePath) -> bool {
    let rest = path.below(&set.path).unwrap_or_default();
    ValuePath::root().join(rest).get(&set.value).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::document::yaml;

    const TEXT: &str = "\
base:
  train:
    steps: 10
    batch: 4
sweep: { train.steps: [1, 2] }
profiles:
  quick:
    base:
      train:
        steps: 5
";

    fn place(profile: Option<&str>, sets: &[&str], path: &str) -> Origin {
        let document = yaml::read(TEXT).unwrap();
        let overrides: Vec<Override> = sets.iter().map(|word| overrides::parse(word).unwrap()).collect();
        let layers = Layers { text: TEXT, document: &document, profile, overrides: &overrides };
        layers.place(&Problem::at(&ValuePath::expand(path), "", ""))
    }

    #[test]
    fn the_topmost_layer_is_named() {
        assert_eq!(place(None, &[], "train.steps"), Origin::Line(Some(3)));
        assert_eq!(place(Some("quick"), &[], "train.steps"), Origin::Line(Some(10)));
        assert_eq!(place(Some("quick"), &[], "train.batch"), Origin::Line(Some(4)));
        let sets = ["train.steps=1", "train.steps=2", "train.batch=3"];
        assert_eq!(place(Some("quick"), &sets, "train.steps"), Origin::Set("train.steps=2".into()));
        assert_eq!(
            place(None, &["base.train={steps: 3}"], "train.steps"),
            Origin::Set("base.train={steps: 3}".into())
        );
        assert_eq!(
            place(None, &["sweep={train.steps: [0]}"], "sweep.train.steps"),
            Origin::Set("sweep={train.steps: [0]}".into())
        );
    }

    #[test]
    fn an_unwritten_value_is_placed_at_its_section() {
        assert_eq!(place(None, &[], "train.warmup"), Origin::Line(Some(2)));
        assert_eq!(place(None, &[], "model.hidden"), Origin::Line(Some(1)));
        assert_eq!(place(None, &["trian.steps=4"], "trian"), Origin::Set("trian.steps=4".into()));
        assert_eq!(place(None, &[], "evaluate"), Origin::Line(None));
    }
}
