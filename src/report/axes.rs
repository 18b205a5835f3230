//! The layout of the sweep: which value goes on the x axis, which trials make a point, which points make a
//! line.
//!
//! Must never: look at a score. Next: `statistics.rs`.

use serde_json::{Map, Value};

use crate::experiment::{ReportSpec, SweepPoint, Trial, idle_values, same_value, value_label, value_labels};

/// One point of the sweep with its trials, which differ in nothing but the seed.
pub struct Point {
    /// Index into [`Axes::x_values`].
    pub x: usize,
    /// Index into [`Axes::lines`].
    pub line: usize,
    /// Indices into the plan's trials.
    pub trials: Vec<usize>,
    /// The swept paths and their values.
    pub values: SweepPoint,
}

/// The sweep, laid out for a figure.
pub struct Axes {
    /// Dotted path on the x axis; None if nothing is swept.
    pub x_path: Option<String>,
    /// Distinct values on the x axis: numbers in ascending order, others in the plan's order.
    pub x_values: Vec<Value>,
    /// Labels of `x_values`.
    pub x_labels: Vec<String>,
    /// Names of the lines; a single line has an empty name.
    pub lines: Vec<String>,
    /// Value of `report.series` on each line; null if it is not swept.
    pub series: Vec<Value>,
    /// Points in the plan's order.
    pub points: Vec<Point>,
}

impl Axes {
    /// Lays out the trials of a plan.
    ///
    /// `report.series` tells the lines apart. If two points would still have the same x on the same line,
    /// further swept paths tell them apart too.
    pub fn new(report: &ReportSpec, trials: &[Trial]) -> Self {
        let points = group(trials);
        let paths: Vec<String> =
            points.first().map(|(point, _)| point.paths().map(String::from).collect()).unwrap_or_default();
        let x_path =
            paths.iter().find(|path| **path == report.x).or_else(|| standing_in(report, &paths, &points));
        let x_path = x_path.or_else(|| paths.first()).cloned();
        let line_paths = line_paths(report, &paths, x_path.as_deref(), &points);

        let mut x_values: Vec<Value> = Vec::new();
        for (values, _) in &points {
            push_distinct(&mut x_values, value_at(values, x_path.as_deref()));
        }
        if x_values.iter().all(Value::is_number) {
            x_values.sort_by(|a, b| number(a).total_cmp(&number(b)));
        }
        let mut keys: Vec<Vec<Value>> = Vec::new();
        let points = points
            .into_iter()
            .map(|(values, trials)| {
                let x_value = value_at(&values, x_path.as_deref());
                let x = x_values.iter().position(|value| same_value(value, &x_value)).unwrap_or_default();
                let key: Vec<Value> =
                    line_paths.iter().map(|path| value_at(&values, Some(path.as_str()))).collect();
                let line = keys.iter().position(|known| same_values(known, &key)).unwrap_or_else(|| {
                    keys.push(key);
                    keys.len() - 1
                });
                Point { x, line, trials, values }
            })
            .collect();
        let x_labels =
            if x_path.is_some() { value_labels(&x_values) } else { vec!["base configuration".into()] };
        let place = line_paths.iter().position(|path| *path == report.series);
        let series_of =
            |key: &Vec<Value>| place.and_then(|place| key.get(place)).cloned().unwrap_or_default();
        let series = keys.iter().map(series_of).collect();
        Self { x_path, x_values, x_labels, lines: line_names(&line_paths, &keys), series, points }
    }

    /// Index of the last point of a line.
    pub fn end_of(&self, line: usize) -> Option<usize> {
        let of_line = self.points.iter().enumerate().filter(|(_, point)| point.line == line);
        of_line.max_by_key(|(_, point)| point.x).map(|(index, _)| index)
    }

    /// The points that a selector names.
    pub fn selected(&self, selector: &Map<String, Value>) -> Vec<usize> {
        let points = self.points.iter().enumerate();
        points.filter(|(_, point)| point.values.is_selected_by(selector)).map(|(index, _)| index).collect()
    }

    /// The listed values of a selector that no selected point has, such as `model.generator_ratio = 0.125`;
    /// None if each has one.
    pub fn without_a_point(&self, selector: &Map<String, Value>) -> Option<String> {
        let points: Vec<&SweepPoint> = self.points.iter().map(|point| &point.values).collect();
        let idle = idle_values(selector, &points).into_iter();
        let words: Vec<String> =
            idle.map(|(path, value)| format!("{path} = {}", value_label(value))).collect();
        (!words.is_empty()).then(|| words.join(" or "))
    }

    /// The label of a point on the x axis.
    pub fn x_label(&self, point: &Point) -> &str {
        self.x_labels.get(point.x).map_or("", String::as_str)
    }

    /// A short name of a point: its x value, and its line if there are several.
    pub fn point_name(&self, point: &Point) -> String {
        let x = self.x_label(point);
        match self.lines.get(point.line) {
            Some(line) if !line.is_empty() => format!("{x}, {line}"),
            _ => x.into(),
        }
    }
}

/// A point, and the indices of the trials at it.
type Group = (SweepPoint, Vec<usize>);

/// Points in order of appearance, each with its trials.
fn group(trials: &[Trial]) -> Vec<Group> {
    let mut points: Vec<Group> = Vec::new();
    for (index, trial) in trials.iter().enumerate() {
        match points.iter_mut().find(|(point, _)| *point == trial.point) {
            Some((_, members)) => members.push(index),
            None => points.push((trial.point.clone(), vec![index])),
        }
    }
    points
}

/// The swept path that tells the points of a line apart if the x axis is a cost: a number that is swept
/// besides the words, as a budget is, and not one that changes with them; else the first path that is not the
/// series.
fn standing_in<'p>(report: &ReportSpec, paths: &'p [String], points: &[Group]) -> Option<&'p String> {
    report.cost_axis()?;
    let is_number = |path: &str| points.iter().all(|(values, _)| value_at(values, Some(path)).is_number());
    let words: Vec<&str> = paths.iter().map(String::as_str).filter(|path| !is_number(path)).collect();
    let alike = |a: &Group, b: &Group, path: &str| {
        same_value(&value_at(&a.0, Some(path)), &value_at(&b.0, Some(path)))
    };
    let is_budget = |path: &&String| {
        let differ = |a: &Group, b: &Group| words.iter().all(|word| alike(a, b, word)) && !alike(a, b, path);
        is_number(path) && points.iter().any(|a| points.iter().any(|b| differ(a, b)))
    };
    let others = || paths.iter().filter(|path| **path != report.series);
    others().find(is_budget).or_else(|| others().next())
}

fn line_paths(report: &ReportSpec, paths: &[String], x_path: Option<&str>, points: &[Group]) -> Vec<String> {
    let others = || paths.iter().filter(|path| Some(path.as_str()) != x_path);
    let mut chosen: Vec<String> = others().filter(|path| **path == report.series).cloned().collect();
    let falls_together = |chosen: &[String], path: &str| {
        points.iter().enumerate().any(|(index, (a, _))| {
            points.iter().skip(index + 1).any(|(b, _)| {
                let same = |path: Option<&str>| same_value(&value_at(a, path), &value_at(b, path));
                same(x_path) && chosen.iter().all(|path| same(Some(path.as_str()))) && !same(Some(path))
            })
        })
    };
    for path in others() {
        if !chosen.contains(path) && falls_together(&chosen, path) {
            chosen.push(path.clone());
        }
    }
    chosen
}

fn line_names(paths: &[String], keys: &[Vec<Value>]) -> Vec<String> {
    let columns: Vec<Vec<String>> = (0..paths.len())
        .map(|column| {
            value_labels(&keys.iter().filter_map(|key| key.get(column).cloned()).collect::<Vec<_>>())
        })
        .collect();
    (0..keys.len())
        .map(|row| {
            let words: Vec<String> = paths
                .iter()
                .zip(&columns)
                .filter_map(|(path, column)| {
                    column.get(row).map(|label| format!("{} {label}", last_word(path)))
                })
                .collect();
            words.join(", ")
        })
        .collect()
}

/// `model.generator_ratio` → `generator ratio`.
pub fn last_word(path: &str) -> String {
    let word = path.rsplit('.').next().unwrap_or(path);
    // The last part of `objective.kind` says nothing.
    let word = if word == "kind" { path.split('.').next().unwrap_or(path) } else { word };
    word.replace('_', " ")
}

fn value_at(point: &SweepPoint, path: Option<&str>) -> Value {
    path.and_then(|path| point.value(path)).cloned().unwrap_or_default()
}

fn push_distinct(values: &mut Vec<Value>, value: Value) {
    if !values.iter().any(|known| same_value(known, &value)) {
        values.push(value);
    }
}

/// The number in a value, or NaN.
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn same_values(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::fixture::trial;

    fn axes(report: &ReportSpec, points: &[&[(&str, Value)]]) -> Axes {
        let trials: Vec<Trial> = points
            .iter()
            .flat_map(|point| {
                [1, 2]
                    .map(|seed| trial(seed, point.iter().map(|(p, v)| (p.to_string(), v.clone())).collect()))
            })
            .collect();
        Axes::new(report, &trials)
    }

    #[test]
    fn numbers_are_sorted_and_seeds_share_a_point() {
        let axes = axes(&ReportSpec::default(), &[&[("a", json!(1.0))], &[("a", json!(0.25))]]);
        assert_eq!(axes.x_labels, ["0.25", "1.0"]);
        assert_eq!(axes.points.len(), 2);
        assert_eq!(axes.points[0].trials, [0, 1]);
        assert_eq!(axes.lines, [""]);
    }

    #[test]
    fn a_grid_makes_one_line_per_value_of_the_other_path() {
        let grid: Vec<Vec<(&str, Value)>> = ["mlm", "rtd"]
            .iter()
            .flat_map(|kind| [1, 2].map(|x| vec![("objective.kind", json!(kind)), ("train.steps", json!(x))]))
            .collect();
        let grid: Vec<&[(&str, Value)]> = grid.iter().map(Vec::as_slice).collect();
        let report = ReportSpec { x: "train.steps".into(), ..ReportSpec::default() };
        assert_eq!(axes(&report, &grid).lines, ["objective mlm", "objective rtd"]);
    }

    #[test]
    fn over_a_cost_the_points_of_a_line_are_its_budgets() {
        let report = ReportSpec { x: "flops".into(), ..ReportSpec::default() };
        let point = |kind: &str, ratio: f64, steps: u64| {
            vec![
                ("objective.kind", json!(kind)),
                ("model.ratio", json!(ratio)),
                ("train.steps", json!(steps)),
            ]
        };
        let grid = [point("rtd", 0.25, 1), point("rtd", 0.25, 2), point("two", 1.0, 1), point("two", 1.0, 2)];
        let points: Vec<&[(&str, Value)]> = grid.iter().map(Vec::as_slice).collect();
        let crossed = axes(&report, &points);
        assert_eq!(crossed.x_path.as_deref(), Some("train.steps"));
        assert_eq!(crossed.lines.len(), 2);
        let single = axes(&report, &[points[0], points[2]]);
        assert_eq!(single.x_path.as_deref(), Some("objective.kind"));
    }

    #[test]
    fn paths_that_move_together_stay_on_one_line() {
        let axes = axes(
            &ReportSpec::default(),
            &[&[("a", json!("x")), ("b", json!(1))], &[("a", json!("y")), ("b", json!(2))]],
        );
        assert_eq!(axes.lines, [""]);
        assert_eq!(axes.x_labels, ["x", "y"]);
    }
}
