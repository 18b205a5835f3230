//! What was expected, and what the seeds say about it: gates first, then contrasts, each with one of three
//! words.
//!
//! Must never: conclude where a gate does not hold, or from a sweep that is not finished.

use super::axes::{Axes, last_word};
use super::contrast::{Obstacle, Planned, Tested, Word, evaluate, expects_a_line, planned};
use super::frame::PlanFrames;
use super::gates::{self, Gate};
use super::inference::{Estimate, LEVEL};
use super::quantity::Quantity;
use super::statistics::Summary;
use super::table::Table;
use crate::error::Result;
use crate::experiment::{ExpectSpec, ExperimentSpec, value_labels};

/// How the verdict is reached, for the page that shows it.
pub const RULE: &str = "Each contrast was named before the run. Its difference is taken seed by seed, since the same seed \
gives both sides the same text, order and masks; several points of one side are averaged within a seed. The 95 % interval \
and p are by Student's t over the differences of the seeds (by Welch's t where the sides share fewer than two). p is corrected for \
the number of contrasts by Holm's method; the interval is not. *agrees*: the difference is as claimed and the corrected p is \
below 0.05. *contradicts*: it is the opposite and the corrected p is below 0.05. *open*: anything else, a gate that does not \
hold, or a trial that is missing. If nothing is there to be found, at most 5 % of experiments conclude anything. The number \
of seeds that would decide is the smallest one that finds the effect with a probability of 80 %, if the spread of a seed is \
the measured one; few seeds know their spread only roughly.";

/// The verdict on an experiment.
pub struct Verdict {
    /// The gates, in the order of the file.
    pub gates: Vec<Gate>,
    /// The contrasts, the primary one first.
    pub contrasts: Vec<Tested>,
    /// The word on the primary contrast; None if nothing was claimed.
    pub word: Option<Word>,
    /// The verdict in sentences, one a line.
    pub text: String,
}

/// What the experiment expects, as a sentence.
pub fn expectation(expect: &ExpectSpec, axes: &Axes) -> String {
    let mut parts = Vec::new();
    if !expect.shape.is_empty() {
        parts.push(expect.shape.clone());
    }
    if !expect.best_at.is_empty() {
        let labels = value_labels(&expect.best_at).join(" or ");
        parts.push(if expects_a_line(&expect.best_at, axes) {
            format!("the best mean is expected at the end of the line of {labels}")
        } else {
            let path = axes.x_path.as_deref().unwrap_or("the x axis");
            format!("the best mean is expected at {path} = {labels}")
        });
    }
    if parts.is_empty() && expect.contrasts.is_empty() {
        return "No expectation was given.".into();
    }
    let names: Vec<&str> = expect.contrasts.iter().map(|contrast| contrast.name.as_str()).collect();
    if !names.is_empty() {
        parts.push(format!("planned contrasts: {}", names.join(", ")));
    }
    let source = if expect.source.is_empty() { String::new() } else { format!(" ({})", expect.source) };
    format!("{}{source}.", parts.join("; "))
}

/// Judges an experiment.
///
/// # Errors
/// A frame lacks the columns of `records/frame.rs`.
pub fn judge(
    experiment: &ExperimentSpec,
    axes: &Axes,
    summary: &Summary,
    frames: &PlanFrames,
) -> Result<Verdict> {
    let gates = gates::evaluate(&experiment.expect.gates, axes, summary, frames)?;
    let mut contrasts = evaluate(planned(experiment, axes, summary), summary);
    let has_failed = gates.iter().any(|gate| !gate.holds());
    if has_failed {
        contrasts.iter_mut().for_each(|contrast| contrast.word = Word::Open);
    }
    let mut lines = sentences_of_gates(&gates);
    let family = contrasts.iter().filter(|contrast| contrast.is_of_the_family()).count();
    for (index, contrast) in contrasts.iter().enumerate() {
        let is_primary = index == 0 && contrasts.len() > 1;
        lines.push(sentence(contrast, axes, summary, (family, is_primary, has_failed)));
    }
    if contrasts.is_empty() {
        lines.push(no_contrast(&experiment.expect, axes, summary));
    }
    lines.extend(best(axes, summary));
    let word = contrasts.first().map(|contrast| contrast.word).or(has_failed.then_some(Word::Open));
    Ok(Verdict { gates, contrasts, word, text: lines.join("\n") })
}

/// Failures of a gate that are listed, at most.
const MOST_FAILURES: usize = 4;

fn sentence_of_gate(gate: &Gate) -> String {
    let shown: Vec<&str> = gate.failures.iter().take(MOST_FAILURES).map(String::as_str).collect();
    let more = match gate.failures.len().saturating_sub(MOST_FAILURES) {
        0 => String::new(),
        n => format!("; and {n} more"),
    };
    format!("Gate that does not hold: {} ({}{more}).", gate.condition, shown.join("; "))
}

/// What is said first if a gate does not hold.
fn sentences_of_gates(gates: &[Gate]) -> Vec<String> {
    let failed: Vec<&Gate> = gates.iter().filter(|gate| !gate.holds()).collect();
    let first = match (failed.len(), gates.len()) {
        (0, _) => return Vec::new(),
        (1, 1) => "Nothing is concluded, since the gate does not hold.".to_string(),
        (1, all) => format!("Nothing is concluded, since one of {all} gates does not hold."),
        (n, all) => format!("Nothing is concluded, since {n} of {all} gates do not hold."),
    };
    std::iter::once(first).chain(failed.into_iter().map(sentence_of_gate)).collect()
}

fn no_contrast(expect: &ExpectSpec, axes: &Axes, summary: &Summary) -> String {
    if axes.x_path.is_none() && expect.best_at.is_empty() && expect.shape.is_empty() {
        return "Nothing to judge: no value is swept and no contrast is planned.".into();
    }
    if axes.x_path.is_none() || !expect.best_at.is_empty() || summary.y.is_none() {
        return "open: nothing is compared, since no value is swept or the measure of the y axis was not taken.".into();
    }
    "Nothing to judge: no contrast is planned.".into()
}

/// The sentence about a contrast.
fn sentence(
    contrast: &Tested,
    axes: &Axes,
    summary: &Summary,
    (family, is_primary, has_failed): (usize, bool, bool),
) -> String {
    let planned = &contrast.planned;
    let primary = if is_primary { " (primary)" } else { "" };
    let head = format!("{}: {}{primary}.", contrast.word.as_str(), planned.name);
    let Some((quantity, estimate)) = planned
        .quantity
        .and_then(|quantity| summary.quantities.get(quantity))
        .zip(contrast.estimate.as_ref())
    else {
        return format!("{head} {}", no_estimate(contrast, axes));
    };
    let claim = claim(planned, quantity);
    let numbers = numbers(contrast, estimate, quantity, family);
    let rest = match (&contrast.obstacle, contrast.word) {
        (Some(obstacle), _) => format!(" {}", because(obstacle, &planned.measure, axes)),
        (None, Word::Open) if has_failed => " Open, since a gate does not hold.".into(),
        (None, Word::Open) => undecided(planned, estimate, quantity, family),
        (None, _) => String::new(),
    };
    format!("{head} {claim}; {numbers}.{rest}")
}

fn no_estimate(contrast: &Tested, axes: &Axes) -> String {
    let obstacle = contrast.obstacle.as_ref();
    obstacle.map_or_else(|| "It has no value.".into(), |one| because(one, &contrast.planned.measure, axes))
}

/// What is claimed: `The mean of cola, rte should be higher at rtd than at mlm`.
fn claim(planned: &Planned, quantity: &Quantity) -> String {
    let direction = if quantity.lower_is_better() { "lower" } else { "higher" };
    let label = |index: usize| planned.sides.get(index).map_or("", |side| side.label.as_str());
    let between = |first: usize| match label(first + 1) {
        "untrained" => format!("{} than before training", label(first)),
        second => format!("{} than at {second}", label(first)),
    };
    let more = match planned.sides.len() {
        4 => format!(", by more than at {}", between(2)),
        _ => String::new(),
    };
    format!("The {} should be {direction} at {}{more}", quantity.label, between(0))
}

/// The difference with its interval, n and p.
fn numbers(contrast: &Tested, estimate: &Estimate, quantity: &Quantity, family: usize) -> String {
    let decimals = quantity.decimals();
    let what =
        if contrast.planned.sides.len() == 4 { "the difference of differences" } else { "the difference" };
    let tie = if estimate.effect == 0.0 { ", a tie" } else { "" };
    let interval = estimate
        .interval()
        .map(|(low, high)| format!(", 95 % interval [{low:+.decimals$}, {high:+.decimals$}]"));
    let p = match (contrast.adjusted_p, estimate.p()) {
        (Some(adjusted), Some(p)) if family > 1 => {
            format!(
                ", {}, {} after Holm's correction for {family} contrasts",
                in_words("p", p),
                in_words("p", adjusted)
            )
        }
        (Some(adjusted), _) => format!(", {}", in_words("p", adjusted)),
        _ => String::new(),
    };
    format!(
        "{what} is {:+.decimals$}{tie}{}, n = {}{}{p}",
        estimate.effect,
        interval.unwrap_or_default(),
        seeds(estimate),
        match (estimate.is_paired(), estimate.fewest()) {
            (true, 1) => " paired seed",
            (true, _) => " paired seeds",
            (false, _) => " seeds",
        },
    )
}

/// `5`, or `5 and 4` of two sides.
pub fn seeds(estimate: &Estimate) -> String {
    estimate.n.iter().map(usize::to_string).collect::<Vec<_>>().join(" and ")
}

/// `p = 0.012` or `p < 0.001`.
fn in_words(name: &str, p: f64) -> String {
    if p < 0.001 { format!("{name} < 0.001") } else { format!("{name} = {p:.3}") }
}

fn because(obstacle: &Obstacle, measure: &str, axes: &Axes) -> String {
    match obstacle {
        Obstacle::NotMeasured => format!("No finished trial has {measure}."),
        Obstacle::NoPoint(side) if side == "the other points" => {
            "There is no other point to compare with.".into()
        }
        Obstacle::NoPoint(side) => {
            let path = axes.x_path.as_deref().map(last_word).unwrap_or_default();
            format!("No point of this sweep over the {path} is {side}.")
        }
        Obstacle::NoValue(missing) => format!("Open, since no point of this sweep has {missing}."),
        Obstacle::Unfinished(done, all) => format!("Open, since {done} of {all} trials are done."),
        Obstacle::UnfinishedControls(done, all) => {
            format!("Open, since {done} of {all} untrained controls are done.")
        }
        Obstacle::NoSeed => "No seed has a value on every side.".into(),
        Obstacle::Tie => "Open, since the sides tie on every seed.".into(),
        Obstacle::NoSpread => "Open, since the seeds show no spread: run more of them.".into(),
    }
}

/// What an open contrast needs.
fn undecided(planned: &Planned, estimate: &Estimate, quantity: &Quantity, family: usize) -> String {
    let decimals = quantity.decimals();
    let within = match (planned.smallest_effect, estimate.interval()) {
        (Some(smallest), Some((low, high))) if low > -smallest && high < smallest => {
            return format!(
                " The whole interval lies within ± {smallest}, the smallest effect of interest: a difference that \
                 matters is unlikely."
            );
        }
        (Some(smallest), _) => (smallest, format!("the smallest effect of interest, {smallest}")),
        (None, _) => {
            (estimate.effect, format!("the measured difference, {:.decimals$}", estimate.effect.abs()))
        }
    };
    let (effect, words) = within;
    // The strictest comparison of Holm's method, so that the number suffices for any place in the family.
    match estimate.seeds_to_find(effect, LEVEL / family.max(1) as f64) {
        Some(seeds) => {
            let each = if estimate.is_paired() { "" } else { " on each side" };
            format!(
                " About {seeds} seeds{each} would decide it (80 % power for {words}, with the measured spread)."
            )
        }
        None => format!(
            " More than 1000 seeds would be needed (80 % power for {words}, with the measured spread)."
        ),
    }
}

/// The best points on the y axis. The loss of one objective says nothing about that of another.
fn best(axes: &Axes, summary: &Summary) -> Option<String> {
    let quantity = summary.y_quantity()?;
    let sweeps_objectives =
        axes.points.iter().any(|point| point.values.paths().any(|path| path.starts_with("objective")));
    if quantity.name == "held_out.loss" && sweeps_objectives {
        return Some(
            "No point is called the best, since the loss is not on one scale between objectives.".into(),
        );
    }
    let cells =
        axes.points.iter().enumerate().filter_map(|(index, point)| {
            Some((axes.point_name(point), summary.y_cell(index)?.spread.as_ref()?))
        });
    let cells: Vec<_> = cells.collect();
    let oriented = |mean: f64| if quantity.lower_is_better() { -mean } else { mean };
    let top = cells.iter().map(|(_, spread)| oriented(spread.mean)).reduce(f64::max)?;
    // Means of equal scores in another order may differ in the last bit.
    let at_top: Vec<_> =
        cells.iter().filter(|(_, spread)| (oriented(spread.mean) - top).abs() < 1e-9).collect();
    let names: Vec<&str> = at_top.iter().map(|(name, _)| name.as_str()).collect();
    let spread = at_top.first().map(|(_, spread)| spread)?;
    let decimals = quantity.decimals();
    let at = match &names[..] {
        [one] => format!("at {one}"),
        [most @ .., last] => format!("at {} and {last}, which tie", most.join(", ")),
        [] => return None,
    };
    let sd = spread.sd.map(|sd| format!(" ± {sd:.decimals$} (sd)")).unwrap_or_default();
    Some(format!("The best {} is {:.decimals$}{sd}, n = {}, {at}.", quantity.label, spread.mean, spread.n))
}

/// The gates as a table.
pub fn table_of_gates(gates: &[Gate]) -> Table {
    let mut table = Table::aligned([("gate", true), ("holds", true), ("numbers", true)]);
    for gate in gates {
        let (holds, numbers) = match gate.holds() {
            true => ("yes", gate.evidence.join("; ")),
            false => ("**no**", gate.failures.join("; ")),
        };
        table.row(vec![gate.condition.clone(), holds.into(), numbers]);
    }
    table
}

/// The contrasts as a table.
pub fn table_of_contrasts(contrasts: &[Tested], summary: &Summary) -> Table {
    let mut table = Table::aligned([
        ("contrast", true),
        ("measure", true),
        ("difference", false),
        ("95 % interval", false),
        ("n", false),
        ("p", false),
        ("p (Holm)", false),
        ("verdict", true),
    ]);
    for contrast in contrasts {
        let quantity = contrast.planned.quantity.and_then(|quantity| summary.quantities.get(quantity));
        let decimals = quantity.map_or(2, Quantity::decimals);
        let estimate = contrast.estimate.as_ref();
        let figure = |text: Option<String>| text.unwrap_or_else(|| "–".into());
        let p = |p: f64| if p < 0.001 { "< 0.001".to_string() } else { format!("{p:.3}") };
        table.row(vec![
            contrast.planned.name.clone(),
            quantity.map_or(contrast.planned.measure.clone(), |quantity| quantity.label.clone()),
            figure(estimate.map(|estimate| format!("{:+.decimals$}", estimate.effect))),
            figure(
                estimate
                    .and_then(Estimate::interval)
                    .map(|(low, high)| format!("[{low:+.decimals$}, {high:+.decimals$}]")),
            ),
            figure(estimate.map(seeds)),
            figure(contrast.adjusted_p.and(estimate).and_then(Estimate::p).map(p)),
            figure(contrast.adjusted_p.map(p)),
            contrast.word.as_str().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
