//! Checks that an experiment agrees as a whole: its seeds, the axes of its report, its overrides.
//!
//! Must never: look at the numbers of one trial; `check_trial` does that.

use serde_json::Value;

use super::expect;
use crate::experiment::document::problem::Problem;
use crate::experiment::document::suggest::nearest;
use crate::experiment::document::value_path::ValuePath;
use crate::experiment::format::top_level::ExperimentSpec;
use crate::experiment::overrides::Override;
use crate::experiment::sweep;
use crate::experiment::trial::value_text;
use crate::papers::PaperNumbers;

/// All mistakes of the experiment. `written` is the document that the specification was read from.
pub(crate) fn check_experiment(
    spec: &ExperimentSpec,
    written: &Value,
    overrides: &[Override],
) -> Vec<Problem> {
    let mut problems = repeated_seeds(spec);
    let swept = written.get("sweep").and_then(Value::as_object).map(sweep::names).unwrap_or_default();
    if spec.report.cost_axis().is_none() {
        problems.extend(axis("x", &spec.report.x, &swept));
    }
    problems.extend(axis("series", &spec.report.series, &swept));
    if !spec.report.series.is_empty() && spec.report.series == spec.report.x {
        let at = ValuePath::of_keys(&["report", "series"]);
        let hint = "use another swept path for the lines, or remove report.series";
        problems.push(Problem::of(&at, &spec.report.series.clone().into(), "is already the x axis", hint));
    }
    let y = ValuePath::of_keys(&["report", "y"]);
    if y.get(written).is_some() {
        problems.extend(expect::measure(&y, &spec.report.y, spec, &swept));
    }
    problems.extend(expect::check(spec, &swept));
    problems.extend(logarithm(spec));
    problems.extend(paper_rows(spec));
    problems.extend(overrides.iter().filter_map(|set| hidden_by_sweep(set, spec, &swept)));
    problems
}

fn repeated_seeds(spec: &ExperimentSpec) -> Vec<Problem> {
    let seeds = &spec.seeds;
    let repeated =
        seeds.iter().enumerate().filter(|(index, seed)| seeds.iter().take(*index).any(|s| s == *seed));
    let problem = |(index, seed): (usize, &u64)| {
        let at = ValuePath::of_keys(&["seeds"]).index(index);
        let hint = "use another seed: the same seed gives the same numbers";
        Problem::of(&at, &(*seed).into(), "is listed twice", hint)
    };
    repeated.map(problem).collect()
}

/// An axis of the report must be swept.
fn axis(key: &str, value: &str, swept: &[String]) -> Option<Problem> {
    if value.is_empty() || swept.iter().any(|path| path == value) {
        return None;
    }
    let at = ValuePath::of_keys(&["report", key]);
    let hint = match nearest(value, swept.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None if swept.is_empty() => format!("sweep it, or remove report.{key}"),
        None => format!("use a swept path ({}), or remove report.{key}", swept.join(", ")),
    };
    Some(Problem::of(&at, &value.into(), "is not swept", hint))
}

/// The published table and its rows must exist, and each row must name its points of the sweep.
fn paper_rows(spec: &ExperimentSpec) -> Vec<Problem> {
    let (Some(paper), Ok(numbers)) = (&spec.expect.paper, PaperNumbers::published()) else {
        return Vec::new();
    };
    let at = ValuePath::of_keys(&["expect", "paper"]);
    let guess = |word: &str, known: &[&str]| match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean {near}? Known are {}", known.join(", ")),
        None => format!("known are {}", known.join(", ")),
    };
    let Some(table) = numbers.table(&paper.table) else {
        let known: Vec<&str> = numbers.tables.iter().map(|table| table.id.as_str()).collect();
        let hint = guess(&paper.table, &known);
        return vec![Problem::of(
            &at.key("table"),
            &paper.table.clone().into(),
            "is not a published table",
            hint,
        )];
    };
    let known: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
    let mut problems = Vec::new();
    for (name, point) in &paper.rows {
        let here = at.key("rows").key(name);
        if table.row(name).is_none() {
            let what = format!("is not a row of {}", table.source);
            problems.push(Problem::at(&here, what, guess(name, &known)));
        } else if !point.is_object() {
            let hint = "write the swept paths and values of its points, such as { objective.kind: mlm }, or {} for all";
            problems.push(Problem::of(&here, point, "is not a point of the sweep", hint));
        }
    }
    problems
}

/// A logarithmic axis needs positive numbers.
fn logarithm(spec: &ExperimentSpec) -> Option<Problem> {
    let values = spec.sweep.get(&spec.report.x).and_then(Value::as_array)?;
    let is_positive = |value: &Value| value.as_f64().is_some_and(|number| number > 0.0);
    let wrong = values.iter().find(|value| spec.report.log_x && !is_positive(value))?;
    let at = ValuePath::of_keys(&["report", "log_x"]);
    let what = format!("does not fit {}, which has the value {wrong}", spec.report.x);
    Some(Problem::of(
        &at,
        &true.into(),
        what,
        "a logarithmic axis needs positive numbers: remove report.log_x",
    ))
}

/// The sweep is applied after the overrides, so an override of a swept value would silently have no effect.
fn hidden_by_sweep(set: &Override, spec: &ExperimentSpec, swept: &[String]) -> Option<Problem> {
    let name = swept.iter().find(|name| set.path.below(&ValuePath::expand(name)).is_some())?;
    let hint = if spec.sweep.contains_key(name) {
        format!("override the sweep instead: --set 'sweep.{name}=[{}]'", value_text(&set.value))
    } else {
        "override the sweep instead: --set 'sweep={…}'".to_string()
    };
    Some(Problem::at(&set.path, "has no effect: the sweep sets this value", hint))
}
