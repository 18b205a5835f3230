//! What was expected, and whether it was seen.
//!
//! Must never: call a difference clear that is within its spread, or judge a sweep that is not finished.

use serde_json::Value;

use super::axes::{Axes, last_word, matches_expected};
use super::statistics::{Spread, Summary, student_t};
use crate::experiment::{ExpectSpec, value_labels};

/// How the verdict is reached, for the page that shows it.
pub const RULE: &str = "the best mean among the expected values is compared with the best mean among the other \
values. d is their difference and s its pooled standard error, √(v (1/n₁ + 1/n₂)) with v the pooled sample \
variance over pre-training seeds. A difference of at most t(0.975, n₁ + n₂ - 2) × s is \"within the spread\". \
There is no correction for picking the best of several values.";

/// A point that may have the best mean.
struct Candidate<'a> {
    label: &'a str,
    spread: &'a Spread,
    /// Whether the experiment expects it to be the best.
    expected: bool,
}

/// What the experiment expects, as a sentence.
pub fn expectation(expect: &ExpectSpec, axes: &Axes) -> String {
    let mut parts = Vec::new();
    if !expect.shape.is_empty() {
        parts.push(expect.shape.clone());
    }
    if !expect.best_at.is_empty() {
        let labels = value_labels(&expect.best_at).join(" or ");
        parts.push(if expects_a_line(expect, axes) {
            format!("the best mean is expected at the end of the line of {labels}")
        } else {
            let path = axes.x_path.as_deref().unwrap_or("the x axis");
            format!("the best mean is expected at {path} = {labels}")
        });
    }
    if parts.is_empty() {
        return "No expectation was given.".into();
    }
    let source = if expect.source.is_empty() { String::new() } else { format!(" ({})", expect.source) };
    format!("{}{source}.", parts.join("; "))
}

/// Whether the expectation names a line of the figure, such as an algorithm over FLOPs, and not a value on
/// its x axis.
fn expects_a_line(expect: &ExpectSpec, axes: &Axes) -> bool {
    let named = |values: &[Value]| values.iter().any(|value| is_expected(expect, value));
    named(&axes.series) && !named(&axes.x_values)
}

fn is_expected(expect: &ExpectSpec, value: &Value) -> bool {
    expect.best_at.iter().any(|wanted| matches_expected(wanted, value))
}

/// Whether the expectation was seen: one sentence per line of the figure, or one that compares the ends of
/// the lines.
pub fn judge(expect: &ExpectSpec, axes: &Axes, summary: &Summary) -> String {
    let Some(y) = summary.y_quantity() else {
        return "Nothing to judge: no task of the y axis was evaluated.".into();
    };
    if expects_a_line(expect, axes) {
        let ends = axes.lines.iter().zip(&axes.series).enumerate().filter_map(|(line, (label, value))| {
            Some((axes.end_of(line)?, label.as_str(), is_expected(expect, value)))
        });
        return judge_points(expect, axes, summary, &ends.collect::<Vec<_>>(), "the end of", &y.label);
    }
    let sentences: Vec<String> = axes
        .lines
        .iter()
        .enumerate()
        .map(|(line, name)| {
            let points = axes.points.iter().enumerate().filter(|(_, point)| point.line == line);
            let described = points.map(|(index, point)| {
                let expected = axes.x_values.get(point.x).is_some_and(|value| is_expected(expect, value));
                (index, axes.x_label(point), expected)
            });
            let path = axes.x_path.as_deref().map(last_word).unwrap_or_default();
            let sentence =
                judge_points(expect, axes, summary, &described.collect::<Vec<_>>(), &path, &y.label);
            if name.is_empty() { sentence } else { format!("{name}: {sentence}") }
        })
        .collect();
    sentences.join("\n")
}

/// Judges points, each with its label and whether it is expected to be the best. `place` is written before a
/// label.
fn judge_points(
    expect: &ExpectSpec,
    axes: &Axes,
    summary: &Summary,
    points: &[(usize, &str, bool)],
    place: &str,
    y_label: &str,
) -> String {
    let candidates: Vec<Candidate> = points
        .iter()
        .filter_map(|&(index, label, expected)| {
            Some(Candidate { label, spread: summary.y_cell(index)?.spread.as_ref()?, expected })
        })
        .collect();
    let best = |wanted: &dyn Fn(&Candidate) -> bool| {
        let among = candidates.iter().filter(|candidate| wanted(candidate));
        among.reduce(|best, other| if other.spread.mean > best.spread.mean { other } else { best })
    };
    let Some(top) = best(&|_| true) else {
        return format!("Cannot be judged: {y_label} has no defined score.");
    };
    if axes.x_path.is_none() {
        return format!("Nothing to judge: no value is swept. The {y_label} is {}.", in_words(top.spread));
    }
    let where_best = format!("the best {y_label} is {} at {place} {}", in_words(top.spread), top.label);

    let n_done: usize =
        points.iter().filter_map(|(index, ..)| Some(summary.points.get(*index)?.n_done)).sum();
    let trials = |index: usize| axes.points.get(index).map_or(0, |point| point.trials.len());
    let n_trials: usize = points.iter().map(|(index, ..)| trials(*index)).sum();
    if n_done < n_trials {
        return format!("Not yet decided ({n_done} of {n_trials} trials done): so far {where_best}.");
    }
    if expect.best_at.is_empty() {
        return format!("No expectation was given: {where_best}.");
    }
    match (best(&|candidate| candidate.expected), best(&|candidate| !candidate.expected)) {
        (Some(inside), Some(outside)) => compare(inside, outside, &where_best),
        (None, _) => {
            format!("Cannot be judged: no expected value is in the sweep and has a score; {where_best}.")
        }
        (_, None) => format!("Cannot be judged: there is no other value to compare with; {where_best}."),
    }
}

fn compare(inside: &Candidate, outside: &Candidate, where_best: &str) -> String {
    let difference = inside.spread.mean - outside.spread.mean;
    let counts = format!("n = {} and {}", inside.spread.n, outside.spread.n);
    let (qualifier, size) = match standard_error(inside.spread, outside.spread) {
        None => (", but there is no spread with n = 1", format!("{difference:+.2}, {counts}")),
        Some((error, degrees)) => {
            let within = difference.abs() <= student_t(degrees) * error;
            let qualifier = if within { ", but within the spread" } else { "" };
            (qualifier, format!("{difference:+.2} ± {error:.2}, {counts}"))
        }
    };
    let (word, whose, other) = if difference > 0.0 {
        ("Seen", "as expected; the best of the other values", outside)
    } else {
        ("Not seen", "which is not expected; the best of the expected values", inside)
    };
    let other = format!("{} at {}", in_words(other.spread), other.label);
    format!("{word}{qualifier} (difference {size}): {where_best}, {whose} is {other}.")
}

/// Pooled standard error of the difference of two means, with its degrees of freedom; None if either mean is
/// of a single measurement.
fn standard_error(a: &Spread, b: &Spread) -> Option<(f64, usize)> {
    let degrees = a.n + b.n - 2;
    let sum_of_squares = |spread: &Spread| Some(spread.sd?.powi(2) * (spread.n - 1) as f64);
    let variance = (sum_of_squares(a)? + sum_of_squares(b)?) / degrees as f64;
    Some(((variance * (1.0 / a.n as f64 + 1.0 / b.n as f64)).sqrt(), degrees))
}

/// `71.32 ± 0.84 (n = 3)`.
fn in_words(spread: &Spread) -> String {
    match spread.sd {
        Some(sd) => format!("{:.2} ± {sd:.2} (n = {})", spread.mean, spread.n),
        None => format!("{:.2} (n = {})", spread.mean, spread.n),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::experiment::ReportSpec;
    use crate::records::Outcome;
    use crate::report::fixture::{Fixture, outcome};

    fn verdict(fixture: &Fixture) -> String {
        judge(&fixture.experiment.expect, &fixture.axes(), &fixture.summary())
    }

    /// Rewrites the outcome of every trial.
    fn change(fixture: &Fixture, edit: impl Fn(usize, &mut Outcome)) {
        for (index, trial) in fixture.trials.iter().enumerate() {
            let mut changed = outcome(trial);
            edit(index, &mut changed);
            fixture.write(trial, &changed);
        }
    }

    #[test]
    fn seen_when_the_difference_is_beyond_its_spread() {
        insta::assert_snapshot!(verdict(&Fixture::sweep(&[0.25, 0.5, 1.0], &[1, 2, 3])), @"Seen (difference +5.80 ± 0.45, n = 3 and 3): the best mean of cola, rte is 46.46 ± 0.68 (n = 3) at generator ratio 0.5, as expected; the best of the other values is 40.66 ± 0.39 (n = 3) at 1.0.");
    }

    #[test]
    fn within_the_spread_and_not_seen() {
        let fixture = Fixture::new();
        // Equal scores except for the seed's noise: the ratios differ by little, the seeds by a point.
        let level = |lift: f64| {
            move |index: usize, outcome: &mut Outcome| {
                let seed_effect = if index.is_multiple_of(2) { 0.0 } else { 1.0 };
                let ratio_effect = [0.2, 0.1, lift][index / 2];
                for score in &mut outcome.scores {
                    score.value = Some(60.0 + seed_effect + ratio_effect);
                }
            }
        };
        change(&fixture, level(0.0));
        insta::assert_snapshot!(verdict(&fixture), @"Seen, but within the spread (difference +0.20 ± 0.71, n = 2 and 2): the best mean of cola, rte is 60.70 ± 0.71 (n = 2) at generator ratio 0.25, as expected; the best of the other values is 60.50 ± 0.71 (n = 2) at 1.0.");
        change(&fixture, level(0.3));
        insta::assert_snapshot!(verdict(&fixture), @"Not seen, but within the spread (difference -0.10 ± 0.71, n = 2 and 2): the best mean of cola, rte is 60.80 ± 0.71 (n = 2) at generator ratio 1.0, which is not expected; the best of the expected values is 60.70 ± 0.71 (n = 2) at 0.25.");
        change(&fixture, level(20.0));
        insta::assert_snapshot!(verdict(&fixture), @"Not seen (difference -19.80 ± 0.71, n = 2 and 2): the best mean of cola, rte is 80.50 ± 0.71 (n = 2) at generator ratio 1.0, which is not expected; the best of the expected values is 60.70 ± 0.71 (n = 2) at 0.25.");
    }

    #[test]
    fn one_seed_has_no_spread() {
        insta::assert_snapshot!(verdict(&Fixture::sweep(&[0.25, 1.0], &[1])), @"Seen, but there is no spread with n = 1 (difference +4.11, n = 1 and 1): the best mean of cola, rte is 44.73 (n = 1) at generator ratio 0.25, as expected; the best of the other values is 40.62 (n = 1) at 1.0.");
    }

    #[test]
    fn not_decided_while_trials_are_missing() {
        let fixture = Fixture::new();
        fs::remove_file(fixture.results().join(&fixture.trials[0].id.0).join("outcome.json")).unwrap();
        insta::assert_snapshot!(verdict(&fixture), @"Not yet decided (5 of 6 trials done): so far the best mean of cola, rte is 46.68 (n = 1) at generator ratio 0.25.");
    }

    #[test]
    fn expectations_outside_the_sweep_cannot_be_judged() {
        let mut fixture = Fixture::new();
        fixture.experiment.expect.best_at = vec![json!(0.75)];
        assert!(
            verdict(&fixture).starts_with("Cannot be judged: no expected value"),
            "{}",
            verdict(&fixture)
        );
        fixture.experiment.expect.best_at.clear();
        assert!(verdict(&fixture).starts_with("No expectation was given"), "{}", verdict(&fixture));
    }

    #[test]
    fn every_line_has_its_own_verdict() {
        let point = |kind: &str, steps: u64| {
            vec![("objective.kind".to_string(), json!(kind)), ("train.steps".to_string(), json!(steps))]
        };
        let points = vec![point("mlm", 200), point("rtd", 200), point("mlm", 800), point("rtd", 800)];
        let report =
            ReportSpec { x: "objective.kind".into(), series: "train.steps".into(), ..ReportSpec::default() };
        let mut fixture = Fixture::of(points, &[1, 2], report);
        fixture.experiment.expect.best_at = vec![json!("rtd")];
        insta::assert_snapshot!(verdict(&fixture), @r"
        steps 200: Seen, but within the spread (difference +5.00 ± 1.38, n = 2 and 2): the best mean of cola, rte is 45.70 ± 1.38 (n = 2) at objective rtd, as expected; the best of the other values is 40.70 ± 1.38 (n = 2) at mlm.
        steps 800: Seen, but within the spread (difference +5.00 ± 1.38, n = 2 and 2): the best mean of cola, rte is 47.71 ± 1.38 (n = 2) at objective rtd, as expected; the best of the other values is 42.70 ± 1.38 (n = 2) at mlm.
        ");
        // Over FLOPs the expectation names a line: the ends of the lines are compared.
        let report =
            ReportSpec { x: "flops".into(), series: "objective.kind".into(), ..ReportSpec::default() };
        let mut fixture = Fixture::of(
            vec![point("mlm", 200), point("rtd", 200), point("mlm", 800), point("rtd", 800)],
            &[1, 2],
            report,
        );
        fixture.experiment.expect.best_at = vec![json!("rtd")];
        insta::assert_snapshot!(verdict(&fixture), @"Seen, but within the spread (difference +5.00 ± 1.38, n = 2 and 2): the best mean of cola, rte is 47.71 ± 1.38 (n = 2) at the end of objective rtd, as expected; the best of the other values is 42.70 ± 1.38 (n = 2) at objective mlm.");
        let unswept = Fixture::of(vec![vec![]], &[1, 2], ReportSpec::default());
        insta::assert_snapshot!(verdict(&unswept), @"Nothing to judge: no value is swept. The mean of cola, rte is 45.70 ± 1.38 (n = 2).");
    }
}
