//! From a checked specification to its trials: every point of the sweep with every seed.
//!
//! Must never: build a grid before its size is checked, or list a trial twice.

use serde_json::{Value, json};

use super::layers::Layers;
use super::sweep;
use super::sweep::{Axis, Setting};
use super::trial::{Trial, TrialSpec, value_text};
use crate::experiment::check::trial::check_trial;
use crate::experiment::check::violation::Violation;
use crate::experiment::document::problem::{Problem, Problems, shown};
use crate::experiment::document::schema::Schema;
use crate::experiment::document::validate;
use crate::experiment::document::validate::Completeness;
use crate::experiment::document::value_path::ValuePath;
use crate::experiment::format::evaluate::EvaluateSpec;
use crate::experiment::format::recipe;
use crate::experiment::format::top_level::{BaseSpec, ExperimentSpec};

/// More trials than this in one experiment are taken for a typing error.
pub const MAX_TRIALS: usize = 1000;

/// The trials of a specification. Adds mistakes to `problems`. Values at the paths in `doubtful` were found
/// wrong before and have their default here, so mistakes that involve them are left out.
pub(crate) fn trials(
    schema: &Schema,
    spec: &ExperimentSpec,
    layers: &Layers,
    doubtful: &[ValuePath],
    problems: &mut Problems,
) -> Vec<Trial> {
    let (axes, mistakes) = sweep::axes(schema, &spec.sweep);
    let mut doubtful = doubtful.to_vec();
    if !mistakes.is_empty() {
        doubtful.extend(sweep::names(&spec.sweep).iter().map(|name| ValuePath::expand(name)));
    }
    layers.report(mistakes, problems);
    if let Some(problem) = too_many(&axes, spec.seeds.len()) {
        layers.report([problem], problems);
        return Vec::new();
    }
    let points = check_points(schema, spec, &axes, layers, problems);
    layers.report(gather(&points, layers, &doubtful), problems);
    let mut trials: Vec<Trial> = Vec::new();
    for trial in points.iter().flat_map(|point| spec.seeds.iter().map(|seed| point.trial(*seed))) {
        // Two points may be the same trial (replaced-token detection under two budgets): it runs once and is
        // shown at both.
        if !trials.iter().any(|known| known.id == trial.id && known.point == trial.point) {
            trials.push(trial);
        }
    }
    trials
}

/// The mistake of a sweep with too many trials.
fn too_many(axes: &[Axis], n_seeds: usize) -> Option<Problem> {
    let count = sweep::n_points(axes).saturating_mul(n_seeds as u128);
    (count > MAX_TRIALS as u128).then(|| {
        let what = format!(
            "makes {count} trials ({} points × {n_seeds} seed{}), more than {MAX_TRIALS}",
            sweep::lengths(axes),
            if n_seeds == 1 { "" } else { "s" }
        );
        let hint = "shorten the lists, or split the question over several files";
        Problem::at(&ValuePath::of_keys(&["sweep"]), what, hint)
    })
}

/// The points of the sweep whose values fit the schema; the mistakes of the others go to `problems`.
fn check_points(
    schema: &Schema,
    spec: &ExperimentSpec,
    axes: &[Axis],
    layers: &Layers,
    problems: &mut Problems,
) -> Vec<CheckedPoint> {
    let base = json!({"base": spec.base, "evaluate": spec.evaluate});
    let (written, _) = layers.effective(schema);
    let mut checked: Vec<CheckedPoint> = Vec::new();
    for point in sweep::points(axes) {
        let mut document = sweep::apply(schema, &base, &point);
        recipe::fill(&mut document, &sweep::apply(schema, &written, &point));
        match typed(schema, &document) {
            Ok((base, evaluate)) => checked.push(CheckedPoint { point, base, evaluate }),
            Err(mistakes) => {
                let mistakes = mistakes.into_iter().map(|mistake| at_written_path(mistake, &point));
                layers.report(mistakes, problems);
            }
        }
    }
    checked
}

/// A point of the sweep whose values fit the schema.
struct CheckedPoint {
    point: Vec<Setting>,
    base: BaseSpec,
    evaluate: EvaluateSpec,
}

impl CheckedPoint {
    fn resolved(&self) -> Value {
        json!({"base": self.base, "evaluate": self.evaluate})
    }

    fn trial(&self, seed: u64) -> Trial {
        let resolved = self.resolved();
        let value = |setting: &Setting| match setting.path.get(&resolved) {
            // 1 and 1.0 are the same ratio: records hold the value as its type writes it.
            Some(number @ Value::Number(_)) => number.clone(),
            _ => setting.value.clone(),
        };
        let point = self.point.iter().map(|setting| (setting.name.clone(), value(setting))).collect();
        let BaseSpec { model, objective, data, train, published, init } = self.base.clone();
        let evaluate = self.evaluate.clone();
        let spec =
            TrialSpec { seed, model, objective, data, train, published, init, evaluate, control: None };
        Trial { id: spec.id(), point, spec }
    }

    fn label(&self) -> String {
        let words =
            self.point.iter().map(|setting| format!("{}={}", setting.name, value_text(&setting.value)));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Reads a point's document into types, or lists its mistakes.
fn typed(schema: &Schema, document: &Value) -> Result<(BaseSpec, EvaluateSpec), Vec<Problem>> {
    let mut mistakes = Vec::new();
    for section in ["base", "evaluate"] {
        let path = ValuePath::of_keys(&[section]);
        for (node, value) in schema.at(&path).into_iter().zip(document.get(section)) {
            mistakes.extend(validate::below(schema, node, value, &path, Completeness::Whole));
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let part = |section: &str| document.get(section).cloned().unwrap_or_default();
    let read = serde_json::from_value(part("base"))
        .and_then(|base| Ok((base, serde_json::from_value(part("evaluate"))?)));
    read.map_err(|error| {
        let what = format!("is not understood: {error}");
        vec![Problem::at(&ValuePath::of_keys(&["base"]), what, "compare it with `electra-lab schema`")]
    })
}

/// The path at which the user wrote a point's value: in the sweep if it is swept, else its own path.
fn written(path: &ValuePath, point: &[Setting]) -> ValuePath {
    let swept = point.iter().find_map(|setting| Some(setting.written.join(path.below(&setting.path)?)));
    swept.unwrap_or_else(|| path.clone())
}

/// The problem with its paths replaced by those that the user wrote.
fn at_written_path(problem: Problem, point: &[Setting]) -> Problem {
    let look_at = problem.look_at.iter().map(|path| written(path, point)).collect();
    Problem { path: written(&problem.path, point), look_at, ..problem }
}

/// A violation, and how many points have it.
struct GatheredViolation {
    violation: Violation,
    at: ValuePath,
    /// The first point that has it.
    first: usize,
    count: usize,
}

/// The disagreements between values of all points, without repetitions.
fn gather(points: &[CheckedPoint], layers: &Layers, doubtful: &[ValuePath]) -> Vec<Problem> {
    let is_doubtful = |path: &ValuePath| doubtful.iter().any(|other| other.overlaps(path));
    let mut gathered: Vec<GatheredViolation> = Vec::new();
    for (first, point) in points.iter().enumerate() {
        // No check depends on the seed, so one seed is enough.
        for violation in check_trial(&point.trial(0).spec) {
            if is_doubtful(&violation.at) || violation.with.iter().any(is_doubtful) {
                continue;
            }
            let at = written(&violation.at, &point.point);
            let is_known =
                |known: &&mut GatheredViolation| known.at == at && known.violation.with == violation.with;
            match gathered.iter_mut().find(is_known) {
                Some(known) => known.count += 1,
                None => gathered.push(GatheredViolation { violation, at, first, count: 1 }),
            }
        }
    }
    gathered.into_iter().filter_map(|gathered| gathered.into_problem(points, layers)).collect()
}

impl GatheredViolation {
    fn into_problem(self, points: &[CheckedPoint], layers: &Layers) -> Option<Problem> {
        let first = points.get(self.first)?;
        let value = self.violation.at.get(&first.resolved()).cloned().unwrap_or_default();
        let mut problem = Problem::of(&self.at, &value, self.violation.what, self.violation.hint);
        if !layers.is_written(&self.at) {
            problem.value = format!("{} (default)", shown(&value));
            problem.look_at = self.violation.with.iter().map(|path| written(path, &first.point)).collect();
        }
        // Only points that have the named value can have the mistake.
        let named = first.point.iter().find(|setting| self.violation.at.below(&setting.path).is_some());
        let could = |point: &&CheckedPoint| {
            named.is_none_or(|named| point.point.iter().any(|other| other.written == named.written))
        };
        if self.count < points.iter().filter(could).count() {
            let others = match self.count - 1 {
                0 => String::new(),
                1 => " and another point".to_string(),
                more => format!(" and {more} other points"),
            };
            problem.what = format!("{} (at {}{others})", problem.what, first.label());
        }
        Some(problem)
    }
}
