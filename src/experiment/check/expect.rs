//! Checks of the claim: gates with one condition, measures that are measured, sides of contrasts that select
//! points.
//!
//! Must never: look at a result.

use serde_json::{Map, Value};

use crate::experiment::document::problem::Problem;
use crate::experiment::document::suggest::nearest;
use crate::experiment::document::value_path::ValuePath;
use crate::experiment::format::expect::{ContrastSpec, GateSpec, Reference, UNTRAINED};
use crate::experiment::format::measure_name::{HELD_OUT, MeasureName, PAIR_SCORERS};
use crate::experiment::format::task_name::TaskName;
use crate::experiment::format::top_level::ExperimentSpec;
use crate::experiment::sweep_point::{SweepPoint, idle_values, value_labels};
use crate::experiment::trial::Trial;

/// The forms of a measure's name, for hints.
const FORMS: &str = "use glue.mean, a task, pairs.SET.SCORER, probe.TASK or held_out.NAME";

/// All mistakes of gates and contrasts that do not depend on the points of the sweep.
pub(crate) fn check(spec: &ExperimentSpec, swept: &[String]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (gate, at) in spec.expect.gates.iter().zip(entries("gates")) {
        problems.extend(self::gate(gate, &at, spec, swept));
    }
    for (index, (contrast, at)) in spec.expect.contrasts.iter().zip(entries("contrasts")).enumerate() {
        problems.extend(self::contrast(contrast, &at, spec, swept));
        let earlier = spec.expect.contrasts.iter().take(index);
        if earlier.map(|other| &other.name).any(|name| *name == contrast.name) {
            let hint = "give every contrast a name of its own";
            let name = Value::from(contrast.name.clone());
            problems.push(Problem::of(&at.key("name"), &name, "names another contrast, too", hint));
        }
    }
    problems
}

/// The paths of the entries of a list below `expect`.
fn entries(list: &str) -> impl Iterator<Item = ValuePath> {
    let at = ValuePath::of_keys(&["expect", list]);
    (0..).map(move |index| at.index(index))
}

fn gate(gate: &GateSpec, at: &ValuePath, spec: &ExperimentSpec, swept: &[String]) -> Vec<Problem> {
    let n_conditions = [
        gate.above.is_some(),
        gate.below.is_some(),
        gate.at_least.is_some(),
        gate.at_most.is_some(),
        gate.collapsed.is_some(),
    ];
    if n_conditions.into_iter().filter(|is_set| *is_set).count() != 1 {
        let hint = "write one of above, below, at_least, at_most, or collapsed: none; another condition is another gate";
        return vec![Problem::at(at, "needs exactly one condition", hint)];
    }
    if gate.collapsed.is_some() {
        let name = Value::from(gate.measure.clone());
        let hint = "remove the measure: collapsed looks at every fine-tuning run";
        return match gate.measure.is_empty() {
            true => Vec::new(),
            false => vec![Problem::of(&at.key("measure"), &name, "has no meaning beside collapsed", hint)],
        };
    }
    if gate.measure.is_empty() {
        return vec![Problem::at(at, "the key `measure` is missing", format!("add `measure:`; {FORMS}"))];
    }
    let mut problems: Vec<Problem> =
        measure(&at.key("measure"), &gate.measure, spec, swept).into_iter().collect();
    for (key, reference) in [("above", gate.above), ("below", gate.below)] {
        let Some(reference) = reference else { continue };
        if let Some(hint) = why_not(reference, &gate.measure) {
            let what = format!("never stands beside {}, so that the gate could not hold", gate.measure);
            problems.push(Problem::of(&at.key(key), &written(reference), what, hint));
            continue;
        }
        let controls = spec.evaluate.controls;
        let missing = match reference.label() {
            UNTRAINED if !controls.untrained => Some("evaluate.controls.untrained"),
            _ if reference.is_text_model() && !controls.text_models => Some("evaluate.controls.text_models"),
            _ => None,
        };
        if let Some(control) = missing {
            let what = format!("is not measured, since {control} is false");
            let hint = format!("set {control} to true, or remove the gate");
            problems.push(Problem::of(&at.key(key), &reference.label().into(), what, hint));
        }
    }
    problems
}

/// The word of a reference in the file.
fn written(reference: Reference) -> Value {
    serde_json::to_value(reference).unwrap_or_default()
}

/// What to use in place of a reference that no control has for a measure. None if one has it, or if the
/// measure is no measure.
fn why_not(reference: Reference, measure: &str) -> Option<&'static str> {
    use MeasureName::{HeldOut, Mean, Pairs, Probe, Task};
    let name = MeasureName::parse(measure)?;
    let (is_measured, hint) = match reference {
        Reference::Untrained => (
            !matches!(name, Pairs { scorer: "electric" | "restore", .. }),
            "an untrained control has no such network: use chance",
        ),
        Reference::Chance => (
            matches!(name, Pairs { .. } | HeldOut("disc_auc")),
            "chance is for pairs and held_out.disc_auc: use majority for tasks and probes, at_least or at_most for others",
        ),
        Reference::Majority => (
            matches!(name, Task(_) | Mean | Probe(_)),
            "the majority class is for tasks, glue.mean and probes: use chance for pairs, at_least or at_most for others",
        ),
        Reference::BagOfWords => (
            matches!(name, Mean | Probe(_)) || matches!(name, Task(task) if !task.is_squad()),
            "a bag of words is for tasks other than SQuAD, glue.mean and probes: use trigram for pairs",
        ),
        Reference::Unigram | Reference::Trigram => (
            matches!(name, Pairs { .. } | HeldOut("masked_loss")),
            "it is for pairs and held_out.masked_loss: use bag_of_words for tasks and probes",
        ),
        Reference::Ceiling => (
            matches!(name, HeldOut("masked_loss")),
            "the ceiling is of held_out.masked_loss: use at_least or at_most",
        ),
    };
    (!is_measured).then_some(hint)
}

fn contrast(
    contrast: &ContrastSpec,
    at: &ValuePath,
    spec: &ExperimentSpec,
    swept: &[String],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(name) = &contrast.measure {
        problems.extend(measure(&at.key("measure"), name, spec, swept));
    }
    if contrast.name.trim().is_empty() {
        let hint = "name the claim in a few words, such as RTD above MLM";
        problems.push(Problem::of(&at.key("name"), &contrast.name.clone().into(), "is empty", hint));
    }
    let measured = contrast.measure.as_deref().unwrap_or(&spec.report.y);
    let second = contrast.by_more_than.as_ref().map(|pair| (at.key("by_more_than"), &pair.than));
    for (place, than) in [(at.clone(), &contrast.than)].into_iter().chain(second) {
        let place = place.key("than");
        let hint = "write swept paths and values, such as { objective.kind: mlm }, or untrained";
        if than == UNTRAINED {
            if !spec.evaluate.controls.untrained {
                let what = "is not measured, since evaluate.controls.untrained is false";
                let hint = "set evaluate.controls.untrained to true, or compare with points of the sweep";
                problems.push(Problem::of(&place, than, what, hint));
            } else if why_not(Reference::Untrained, measured).is_some() {
                let what = format!("never has {measured}");
                let hint = "an untrained control has no such network: compare with points of the sweep";
                problems.push(Problem::of(&place, than, what, hint));
            }
        } else if !than.is_object() {
            problems.push(Problem::of(&place, than, "selects no points", hint));
        }
    }
    if let Some(effect) = contrast.smallest_effect.filter(|effect| *effect <= 0.0) {
        let hint = "write the smallest difference that matters, above 0, or remove the key";
        problems.push(Problem::of(&at.key("smallest_effect"), &effect.into(), "is not above 0", hint));
    }
    problems
}

/// The mistake of a measure that the experiment does not have. `at` is where its name is written.
pub(crate) fn measure(
    at: &ValuePath,
    name: &str,
    spec: &ExperimentSpec,
    swept: &[String],
) -> Option<Problem> {
    let evaluate = &spec.evaluate;
    if swept.iter().any(|path| path.starts_with("evaluate.")) {
        return None;
    }
    let problem = |what: &str, hint: String| Some(Problem::of(at, &name.into(), what, hint));
    let tasks: Vec<&str> = evaluate.tasks.iter().map(|task| task.as_str()).collect();
    match MeasureName::parse(name) {
        None => {
            let known = TaskName::ALL.iter().map(|task| task.as_str()).chain(["glue.mean"]);
            let near = nearest(name, known).map(|near| format!("did you mean {near}? Else "));
            problem("is not a measure", format!("{}{FORMS}", near.unwrap_or_default()))
        }
        Some(MeasureName::Mean | MeasureName::Task(_)) if tasks.is_empty() => {
            let hint = "list tasks under evaluate.tasks, or use another measure";
            problem("has no value, since no task is evaluated", hint.into())
        }
        Some(MeasureName::Task(task)) if !evaluate.tasks.contains(&task) => {
            let hint =
                format!("add {task} to evaluate.tasks, or use glue.mean or one of {}", tasks.join(", "));
            problem("is a task that is not evaluated", hint)
        }
        Some(MeasureName::Pairs { set, scorer }) => {
            let bare = scorer.strip_prefix("generator_").unwrap_or(scorer);
            if !evaluate.minimal_pairs.iter().any(|pairs| pairs.word() == set) {
                let hint = format!("add {{ kind: {set} }} to evaluate.minimal_pairs");
                problem("is of minimal pairs that are not scored", hint)
            } else if !PAIR_SCORERS.contains(&bare) {
                let hint = match nearest(bare, PAIR_SCORERS.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("use one of {}", PAIR_SCORERS.join(", ")),
                };
                problem("has a scorer that is not known", hint)
            } else {
                None
            }
        }
        Some(MeasureName::Probe(task)) if !evaluate.probe.tasks.contains(&task) => {
            problem("is a task that is not probed", format!("add {task} to evaluate.probe.tasks"))
        }
        Some(MeasureName::HeldOut(value)) if !HELD_OUT.contains(&value) => {
            let hint = match nearest(value, HELD_OUT.iter().copied()) {
                Some(near) => format!("did you mean held_out.{near}?"),
                None => format!("known are {}", HELD_OUT.join(", ")),
            };
            problem("is not a value on held-out text", hint)
        }
        Some(_) => None,
    }
}

/// The selectors of gates and contrasts that select no point of the sweep.
pub(crate) fn check_selectors(spec: &ExperimentSpec, trials: &[Trial]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (gate, at) in spec.expect.gates.iter().zip(entries("gates")) {
        problems.extend(selects_nothing(&at.key("at"), &gate.at, trials));
    }
    for (contrast, at) in spec.expect.contrasts.iter().zip(entries("contrasts")) {
        let pairs = contrast.by_more_than.as_ref();
        let pairs = pairs.map(|pair| (at.key("by_more_than"), &pair.better, &pair.than));
        let first = (at.clone(), &contrast.better, &contrast.than);
        for (place, better, than) in std::iter::once(first).chain(pairs) {
            problems.extend(selects_nothing(&place.key("better"), better, trials));
            if let Some(than) = than.as_object() {
                problems.extend(selects_nothing(&place.key("than"), than, trials));
                problems.extend(overlap(&place.key("than"), better, than, trials));
            }
        }
    }
    problems
}

/// The mistake of two sides that have a point in common.
fn overlap(
    at: &ValuePath,
    better: &Map<String, Value>,
    than: &Map<String, Value>,
    trials: &[Trial],
) -> Option<Problem> {
    let is_both = |trial: &&Trial| trial.point.is_selected_by(better) && trial.point.is_selected_by(than);
    let common = trials.iter().find(is_both)?;
    let what = format!("selects a point that `better` selects, too: {}", common.point.label());
    let hint = "select points that differ in a value, so that there is something to compare";
    Some(Problem::of(at, &Value::Object(than.clone()), what, hint))
}

fn selects_nothing(at: &ValuePath, selector: &Map<String, Value>, trials: &[Trial]) -> Option<Problem> {
    if trials.iter().any(|trial| trial.point.is_selected_by(selector)) {
        return selects_too_little(at, selector, trials);
    }
    let paths: Vec<&str> = trials.first().map(|trial| trial.point.paths().collect()).unwrap_or_default();
    for (path, wanted) in selector {
        let below = at.key(path);
        if !paths.contains(&path.as_str()) {
            let hint = match nearest(path, paths.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None if paths.is_empty() => "sweep it, or select all points by {}".into(),
                None => format!("use a swept path: {}", paths.join(", ")),
            };
            return Some(Problem::at(&below, "is not swept", hint));
        }
        let one = Map::from_iter([(path.clone(), wanted.clone())]);
        if !trials.iter().any(|trial| trial.point.is_selected_by(&one)) {
            return Some(Problem::of(&below, wanted, "is no value of the sweep", values_of(path, trials)));
        }
    }
    let hint = "no single point has all of these values: select points that are in the sweep";
    Some(Problem::of(at, &Value::Object(selector.clone()), "selects no point of the sweep", hint))
}

/// The first listed value that selects no point: the others would silently stand for it.
fn selects_too_little(at: &ValuePath, selector: &Map<String, Value>, trials: &[Trial]) -> Option<Problem> {
    let points: Vec<&SweepPoint> = trials.iter().map(|trial| &trial.point).collect();
    let (path, value) = idle_values(selector, &points).into_iter().next()?;
    let one = Map::from_iter([(path.to_string(), value.clone())]);
    let (what, why) = match points.iter().any(|point| point.is_selected_by(&one)) {
        true => (
            "is at no point with the other values of the selector",
            "the list would be shorter than it reads".into(),
        ),
        false => ("is no value of the sweep", values_of(path, trials)),
    };
    let hint = format!("{why}: remove it from the list, or sweep it");
    Some(Problem::of(&at.key(path), value, what, hint))
}

/// The values that the sweep has at a path, in words.
fn values_of(path: &str, trials: &[Trial]) -> String {
    let mut values: Vec<Value> = Vec::new();
    for value in trials.iter().filter_map(|trial| trial.point.value(path)) {
        if !values.contains(value) {
            values.push(value.clone());
        }
    }
    format!("the sweep has {}", value_labels(&values).join(", "))
}
