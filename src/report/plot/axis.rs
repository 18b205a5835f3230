//! The ranges and ticks of axes, and the x axis of scores.

use serde_json::Value;

use crate::report::axes::{Axes, last_word, number};

/// Positions of ticks with their texts.
pub type Ticks = Vec<(f64, String)>;

/// A range that contains all values, with a margin of `share` of its length on both sides.
pub fn padded(values: impl Iterator<Item = f64>, share: f64) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    let margin = if high - low > 1e-9 { (high - low) * share } else { high.abs().max(1.0) * 0.05 };
    (low - margin, high + margin)
}

/// Ticks at round numbers in a range: about `n` of them, at a distance of 1, 2, 2.5 or 5 times a power of
/// ten, with as many decimals as the distance needs.
pub fn round_ticks((low, high): (f64, f64), n: usize) -> Ticks {
    let power = 10f64.powf(((high - low) / n.max(1) as f64).log10().floor());
    let span = |step: f64| ((low / step).ceil() as i64, (high / step).floor() as i64);
    let miss = |step: f64| (span(step).1 - span(step).0 + 1 - n as i64).abs();
    let steps = [0.5, 1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    let Some(step) = steps.into_iter().rev().filter(|step| *step > 0.0).min_by_key(|step| miss(*step)) else {
        return vec![(low, format!("{low}"))];
    };
    let decimals = (0..9).find(|&decimals| is_round(step * 10f64.powi(decimals))).unwrap_or(9) as usize;
    let (first, last) = span(step);
    (first..=last)
        .map(|index| {
            let value = index as f64 * step;
            (value, format!("{value:.decimals$}"))
        })
        .collect()
}

fn is_round(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6
}

/// Ticks of a count such as steps: thousands as `20k`, millions as `1M`.
pub fn count_ticks(range: (f64, f64), n: usize) -> Ticks {
    let ticks = round_ticks(range, n);
    let largest = ticks.last().map_or(0.0, |(value, _)| *value);
    let (unit, suffix) = match largest {
        large if large >= 2e6 => (1e6, "M"),
        large if large >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    ticks
        .into_iter()
        .map(|(value, _)| {
            let text = if value == 0.0 { "0".into() } else { format!("{}{suffix}", value / unit) };
            (value, text)
        })
        .collect()
}

/// The x axis of a figure of scores: the position of each point, and its line.
pub struct PointAxis {
    /// Position of each of [`Axes::points`]; None if it is not known.
    pub positions: Vec<Option<f64>>,
    /// Line of each of them: an index into `lines`.
    pub on_line: Vec<usize>,
    /// Names of the lines; a single line may have an empty name.
    pub lines: Vec<String>,
    /// The values as ticks.
    pub ticks: Ticks,
    /// First and last position, with margins.
    pub range: (f64, f64),
    /// Whether the values are numbers, so that a line between them has a meaning.
    pub is_numeric: bool,
    /// Whether the lines have points at the same positions, which are then moved apart.
    pub steps_aside: bool,
    /// Title of the axis.
    pub title: String,
    /// The same without the path, for small panels.
    pub short_title: String,
}

impl PointAxis {
    /// The axis of a swept path. A number is at its value or its logarithm; other values are side by side.
    pub fn of_sweep(axes: &Axes, log: bool) -> Self {
        let numbers: Vec<f64> = axes.x_values.iter().map(number).collect();
        let numeric = axes.x_values.iter().all(Value::is_number);
        let log = log && numeric && numbers.iter().all(|value| *value > 0.0);
        let positions: Vec<f64> = match (numeric, log) {
            (true, true) => numbers.iter().map(|value| value.ln()).collect(),
            (true, false) => numbers,
            (false, _) => (0..axes.x_values.len()).map(|index| index as f64).collect(),
        };
        let ticks = positions.iter().copied().zip(axes.x_labels.iter().cloned()).collect();
        let range = if numeric {
            padded(positions.iter().copied(), 0.08)
        } else {
            (-0.5, axes.x_values.len() as f64 - 0.5)
        };
        let (title, short_title) = titles(axes, log);
        Self {
            positions: axes.points.iter().map(|point| positions.get(point.x).copied()).collect(),
            on_line: axes.points.iter().map(|point| point.line).collect(),
            lines: axes.lines.clone(),
            ticks,
            range,
            is_numeric: numeric,
            steps_aside: true,
            title,
            short_title,
        }
    }

    /// The logarithmic axis of a cost. Points are joined by a line if a number is swept, and not if words
    /// are.
    pub fn of_cost(axes: &Axes, costs: &[Option<f64>], counter: &str) -> Self {
        let positions: Vec<Option<f64>> = costs.iter().map(|cost| cost.map(f64::log10)).collect();
        let range = padded(positions.iter().flatten().copied(), 0.08);
        let is_joined = axes.x_values.iter().all(Value::is_number);
        let mut lines = if is_joined { axes.lines.clone() } else { Vec::new() };
        let on_line = axes.points.iter().map(|point| {
            if is_joined {
                return point.line;
            }
            let name = axes.point_name(point);
            lines.iter().position(|known| *known == name).unwrap_or_else(|| {
                lines.push(name);
                lines.len() - 1
            })
        });
        let on_line = on_line.collect();
        Self {
            positions,
            on_line,
            lines,
            ticks: power_ticks(range),
            range,
            is_numeric: true,
            steps_aside: false,
            title: format!("Pre-training FLOPs ({counter}, log scale)"),
            short_title: "Pre-training FLOPs (log scale)".into(),
        }
    }

    /// Position of a point.
    pub fn position(&self, point: usize) -> Option<f64> {
        self.positions.get(point).copied().flatten()
    }

    /// Whether some line has two points, so that lines are drawn at all.
    pub fn draws_lines(&self) -> bool {
        let on = |line: usize| self.on_line.iter().filter(|other| **other == line).count();
        self.is_numeric && (0..self.lines.len()).any(|line| on(line) > 1)
    }
}

/// Ticks of an axis of decimal logarithms: powers of ten if there are three, else 1, 2 and 5 times them, else
/// round numbers.
fn power_ticks((low, high): (f64, f64)) -> Ticks {
    let multiples = |factors: &[f64]| -> Ticks {
        let powers = (low.floor() as i32)..=(high.ceil() as i32);
        let values = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
        let places = values.map(|value| (value.log10(), scientific(value)));
        places.filter(|(place, _)| (low..=high).contains(place)).collect()
    };
    for factors in [&[1.0][..], &[1.0, 2.0, 5.0]] {
        let ticks = multiples(factors);
        if ticks.len() >= 3 {
            return ticks;
        }
    }
    let round = round_ticks((10f64.powf(low), 10f64.powf(high)), 4);
    round.into_iter().map(|(value, _)| (value.log10(), scientific(value))).collect()
}

/// `3.5·10¹⁷`, or `10¹⁷` for a power of ten.
fn scientific(value: f64) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let text = format!("{value:.2e}");
    let Some((factor, power)) = text.split_once('e') else { return text };
    let factor = factor.trim_end_matches('0').trim_end_matches('.');
    let power: String = power
        .chars()
        .map(|letter| {
            letter.to_digit(10).and_then(|digit| DIGITS.get(digit as usize).copied()).unwrap_or('⁻')
        })
        .collect();
    if factor == "1" { format!("10{power}") } else { format!("{factor}·10{power}") }
}

fn titles(axes: &Axes, log: bool) -> (String, String) {
    let Some(path) = &axes.x_path else { return Default::default() };
    let word = last_word(path);
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let word = format!("{first}{}", letters.as_str());
    let (more, only) = if log { (", log scale", " (log scale)") } else { ("", "") };
    (format!("{word} ({path}{more})"), format!("{word}{only}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: Ticks) -> Vec<String> {
        ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(texts(round_ticks((0.11, 0.94), 4)), ["0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(texts(round_ticks((52.3, 71.0), 5)), ["55", "60", "65", "70"]);
        assert_eq!(texts(round_ticks((0.11, 0.94), 3)), ["0.25", "0.50", "0.75"]);
        assert_eq!(texts(round_ticks((-0.004, 0.0119), 4)), ["0.000", "0.005", "0.010"]);
        assert_eq!(texts(count_ticks((0.0, 200_000.0), 5)), ["0", "50k", "100k", "150k", "200k"]);
        assert_eq!(texts(round_ticks((3.0, 3.0), 4)), ["3"]);
    }

    #[test]
    fn powers_of_ten_are_ticks() {
        assert_eq!(texts(power_ticks((15.8, 18.1))), ["10¹⁶", "10¹⁷", "10¹⁸"]);
        assert_eq!(texts(power_ticks((12.2, 13.1))), ["2·10¹²", "5·10¹²", "10¹³"]);
        let narrow = texts(power_ticks((12.45, 12.72)));
        assert!(narrow.len() >= 3 && narrow.iter().all(|text| text.ends_with("·10¹²")), "{narrow:?}");
        assert_eq!(scientific(2.5e-3), "2.5·10⁻³");
    }

    #[test]
    fn ranges_hold_their_values() {
        assert_eq!(padded([1.0, 3.0].into_iter(), 0.1), (0.8, 3.2));
        let (low, high) = padded([5.0].into_iter(), 0.1);
        assert!(low < 5.0 && high > 5.0);
        assert_eq!(padded([f64::NAN].into_iter(), 0.1), (0.0, 1.0));
    }
}
