//! The sweep: its lists as axes, and the grid of points that they span.
//!
//! The first axis varies slowest. The grid is built only after its size is known. Must never: judge a value.
//! Each point is applied to the base and then checked like a document (`expand`).

use serde_json::{Map, Value};

use super::overrides;
use crate::experiment::document::problem::Problem;
use crate::experiment::document::schema::Schema;
use crate::experiment::document::suggest::nearest;
use crate::experiment::document::value_path::ValuePath;

/// Sections whose values can be varied.
const SECTIONS: [&str; 7] = ["model", "objective", "data", "train", "published", "init", "evaluate"];

/// One list of the sweep: of one path, or of several that vary together.
#[derive(Debug)]
pub(crate) struct Axis {
    key: String,
    paths: Vec<String>,
    /// For each value of the axis, one entry per path.
    values: Vec<Vec<Value>>,
}

/// One value of a point.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// `model.generator_ratio`.
    pub name: String,
    /// The same from the top of the document: `base.model.generator_ratio`.
    pub path: ValuePath,
    /// The value.
    pub value: Value,
    /// Its path in the sweep: `sweep.model.generator_ratio[1]`.
    pub written: ValuePath,
}

/// The paths that a sweep names, valid or not.
pub(crate) fn names(sweep: &Map<String, Value>) -> Vec<String> {
    sweep.keys().flat_map(|key| split(key)).collect()
}

fn split(key: &str) -> Vec<String> {
    key.split(',').map(|path| path.trim().to_string()).collect()
}

/// The axes of a sweep and its mistakes; axes with a mistake are left out.
pub(crate) fn axes(schema: &Schema, sweep: &Map<String, Value>) -> (Vec<Axis>, Vec<Problem>) {
    let (mut axes, mut problems) = (Vec::new(), Vec::new());
    let mut taken: Vec<(ValuePath, String)> = Vec::new();
    for (key, value) in sweep {
        let before = problems.len();
        let at = ValuePath::of_keys(&["sweep", key]);
        let paths = split(key);
        for name in &paths {
            match resolve(schema, name) {
                Err((what, hint)) => problems.push(Problem::at(&at, what, hint)),
                Ok(path) => {
                    if let Some((_, other)) = taken.iter().find(|(other, _)| other.overlaps(&path)) {
                        let by = if other == name { String::new() } else { format!(", by {other}") };
                        let what = format!("{name} is already swept{by}");
                        problems.push(Problem::at(&at, what, "sweep each value once"));
                    }
                    taken.push((path, name.clone()));
                }
            }
        }
        let values = entries(&at, value, &paths, &mut problems);
        if problems.len() == before {
            axes.push(Axis { key: key.clone(), paths, values });
        }
    }
    (axes, problems)
}

/// The full path of a swept name, or what is wrong and the remedy.
fn resolve(schema: &Schema, name: &str) -> Result<ValuePath, (String, String)> {
    if name == "seed" || name == "seeds" {
        let hint = "list the seeds under the top-level key `seeds`: every point runs with each of them";
        return Err((format!("`{name}` cannot be swept"), hint.into()));
    }
    if let Some(short) = name.strip_prefix("base.") {
        return Err((format!("unknown path `{name}`"), format!("paths start below base: write `{short}`")));
    }
    let path = ValuePath::expand(name);
    let is_section = SECTIONS.iter().any(|section| name.split('.').next() == Some(section));
    if is_section && !schema.at(&path).is_empty() {
        return Ok(path);
    }
    let known = schema.paths();
    let known: Vec<&str> = known.iter().map(|path| path.strip_prefix("base.").unwrap_or(path)).collect();
    let last = name.rsplit('.').next().unwrap_or(name);
    let same_end = known.iter().find(|path| path.rsplit('.').next() == Some(last));
    let hint = match nearest(name, known.iter().copied()).or(same_end.copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write a dotted path that starts with one of {}", SECTIONS.join(", ")),
    };
    Err((format!("unknown path `{name}`"), hint))
}

/// The values of one list, each with one entry per path.
fn entries(at: &ValuePath, value: &Value, paths: &[String], problems: &mut Vec<Problem>) -> Vec<Vec<Value>> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if paths.len() == 1 {
        return list.iter().map(|value| vec![value.clone()]).collect();
    }
    let mut entries = Vec::new();
    for (index, value) in list.iter().enumerate() {
        match value.as_array() {
            Some(entry) if entry.len() == paths.len() => entries.push(entry.clone()),
            _ => {
                let what = format!("must be a list of {} values, one per path of the key", paths.len());
                let hint = format!("write [{}]", paths.join(", "));
                problems.push(Problem::of(&at.index(index), value, what, hint));
            }
        }
    }
    entries
}

/// The number of points of the grid.
pub(crate) fn n_points(axes: &[Axis]) -> u128 {
    axes.iter().fold(1, |count: u128, axis| count.saturating_mul(axis.values.len() as u128))
}

/// `4 × 3`: the lengths of the lists.
pub(crate) fn lengths(axes: &[Axis]) -> String {
    let lengths: Vec<String> = axes.iter().map(|axis| axis.values.len().to_string()).collect();
    lengths.join(" × ")
}

/// The grid, row by row; one empty point if nothing is swept.
pub(crate) fn points(axes: &[Axis]) -> Vec<Vec<Setting>> {
    axes.iter().fold(vec![Vec::new()], |points, axis| {
        let longer = |point: &Vec<Setting>| -> Vec<Vec<Setting>> {
            let entries = 0..axis.values.len();
            entries.map(|index| point.iter().cloned().chain(axis.settings(index)).collect()).collect()
        };
        points.iter().flat_map(longer).collect()
    })
}

impl Axis {
    fn settings(&self, index: usize) -> impl Iterator<Item = Setting> {
        let at = ValuePath::of_keys(&["sweep", &self.key]).index(index);
        let values = self.values.get(index).map(Vec::as_slice).unwrap_or_default();
        self.paths.iter().zip(values).enumerate().map(move |(position, (name, value))| Setting {
            name: name.clone(),
            path: ValuePath::expand(name),
            value: value.clone(),
            written: if self.paths.len() == 1 { at.clone() } else { at.index(position) },
        })
    }
}

/// The base with the values of a point. Kinds are set first, since they decide which other keys exist.
pub(crate) fn apply(schema: &Schema, base: &Value, point: &[Setting]) -> Value {
    let mut document = base.clone();
    let (kinds, others): (Vec<_>, Vec<_>) =
        point.iter().partition(|setting| setting.path.last_key() == Some("kind"));
    for setting in kinds.into_iter().chain(others) {
        // This cannot fail: `axes` has checked that the path exists.
        let _ = overrides::put(schema, &mut document, &setting.path, setting.value.clone());
    }
    document
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(sweep: Value) -> (Vec<Axis>, Vec<String>) {
        let (axes, problems) = axes(&Schema::new(), sweep.as_object().unwrap());
        (axes, problems.into_iter().map(|problem| format!("{} -> {}", problem.what, problem.hint)).collect())
    }

    #[test]
    fn the_grid_is_built_row_by_row_and_joined_paths_vary_together() {
        let sweep =
            json!({"model.hidden": [64, 128], "objective.kind, train.steps": [["rtd", 10], ["mlm", 20]]});
        let (axes, problems) = read(sweep);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((n_points(&axes), lengths(&axes).as_str()), (4, "2 × 2"));
        let text: Vec<String> = points(&axes)
            .iter()
            .map(|point| point.iter().map(|setting| format!("{} ", setting.value)).collect())
            .collect();
        assert_eq!(text, ["64 \"rtd\" 10 ", "64 \"mlm\" 20 ", "128 \"rtd\" 10 ", "128 \"mlm\" 20 "]);
        let last = points(&axes).last().and_then(|point| point.last().cloned()).unwrap();
        assert_eq!(last.written.to_string(), r#"sweep."objective.kind, train.steps"[1][1]"#);
    }

    #[test]
    fn no_sweep_is_one_point() {
        assert_eq!(points(&[]).len(), 1);
        assert_eq!(n_points(&[]), 1);
    }

    #[test]
    fn paths_that_cannot_be_swept() {
        let sweep = json!({"model.generator_raito": [1], "steps": [1], "base.train.batch": [1], "seeds": [1],
                           "train.batch": [1], "train.batch, train.steps": [[1, 2]], "model.x.y": [1], "name": [1]});
        insta::assert_snapshot!(read(sweep).1.join("\n"), @r"
            unknown path `model.generator_raito` -> did you mean `model.generator_ratio`?
            unknown path `steps` -> did you mean `train.steps`?
            unknown path `base.train.batch` -> paths start below base: write `train.batch`
            `seeds` cannot be swept -> list the seeds under the top-level key `seeds`: every point runs with each of them
            train.batch is already swept -> sweep each value once
            unknown path `model.x.y` -> did you mean `model.ffn`?
            unknown path `name` -> write a dotted path that starts with one of model, objective, data, train, published, init, evaluate
        ");
        insta::assert_snapshot!(read(json!({"train.batch, train.steps": [[1, 2], [3], 4]})).1.join("\n"), @r"
            must be a list of 2 values, one per path of the key -> write [train.batch, train.steps]
            must be a list of 2 values, one per path of the key -> write [train.batch, train.steps]
        ");
    }

    #[test]
    fn a_swept_kind_is_set_before_its_keys() {
        let (axes, _) = read(json!({"objective.temperature": [2.0], "objective.kind": ["rtd"]}));
        let base = json!({"base": {"objective": {"kind": "mlm", "mask_fraction": 0.3}}});
        let document = apply(&Schema::new(), &base, &points(&axes)[0]);
        assert_eq!(
            document["base"]["objective"],
            json!({"kind": "rtd", "mask_fraction": 0.3, "temperature": 2.0})
        );
    }

    #[test]
    fn a_huge_grid_is_counted_without_being_built() {
        let axis = json!((0..1000).collect::<Vec<_>>());
        let (axes, _) = read(json!({"train.steps": axis, "train.batch": axis, "model.hidden": axis}));
        assert_eq!(n_points(&axes), 1_000_000_000);
    }
}
