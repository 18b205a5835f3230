//! The figure of training curves, over steps: the training loss, and on held-out text the loss and accuracy
//! at [MASK] and the discriminator's AUC.

use plotters::backend::DrawingBackend;
use polars::prelude::DataFrame;

use super::axis::{count_ticks, padded, round_ticks};
use super::canvas::{Canvas, lighten};
use super::figure::{Figure, Heading};
use super::panel::{Key, Panel, color, dashes, draw_legend, draw_title, legend_height, marker, title_height};
use super::reference::{Reference, legend_entries, references};
use crate::error::Result;
use crate::experiment::MeasureName;
use crate::records::Split;
use crate::report::axes::{Axes, last_word};
use crate::report::quantity::Quantity;
use crate::report::query::{all_numbers, first_integer, groups, rows_where};
use crate::report::statistics::{Summary, point_of};

const PANEL: (f64, f64) = (380.0, 330.0);

/// Step and value.
type Curve = Vec<(f64, f64)>;

/// One point of the sweep.
struct PointCurves {
    /// Index into the axes' points.
    point: usize,
    mean: Curve,
    seeds: Vec<Curve>,
}

/// One panel: a metric over steps.
struct CurvePanel {
    title: &'static str,
    y_title: &'static str,
    curves: Vec<PointCurves>,
    references: Vec<Reference>,
    y_range: (f64, f64),
}

/// Panels side by side.
pub struct CurveFigure<'a> {
    heading: &'a Heading,
    axes: &'a Axes,
    panels: Vec<CurvePanel>,
    last_step: f64,
}

impl<'a> CurveFigure<'a> {
    /// Collects the curves from a frame of metrics; None if there is nothing to draw.
    pub fn new(
        heading: &'a Heading,
        axes: &'a Axes,
        metrics: &DataFrame,
        summary: &Summary,
    ) -> Result<Option<Self>> {
        // Records from before slots with [MASK] were counted apart have the accuracy over all chosen ones.
        let shown = [
            ("Training loss", "loss", Split::Train, &["loss"][..]),
            ("Loss at [MASK] on held-out text", "nats", Split::Validation, &["masked_loss"]),
            (
                "Accuracy at [MASK] on held-out text",
                "%",
                Split::Validation,
                &["masked_accuracy", "mlm_accuracy"],
            ),
            ("Discriminator on held-out text", "AUC", Split::Validation, &["disc_auc"]),
        ];
        let mut panels = Vec::new();
        for (title, y_title, split, names) in shown {
            for measure in names {
                let factor = MeasureName::HeldOut(measure).factor();
                let curves =
                    collect(metrics, split, measure, if split == Split::Train { 1.0 } else { factor })?;
                if !curves.is_empty() {
                    let references = references_of(summary, split, names);
                    let y_range = y_range(&curves, split == Split::Train, &references);
                    panels.push(CurvePanel { title, y_title, curves, references, y_range });
                    break;
                }
            }
        }
        let steps = panels
            .iter()
            .flat_map(|panel| &panel.curves)
            .flat_map(|curves| &curves.mean)
            .map(|(step, _)| *step);
        let last_step = steps.fold(0.0, f64::max);
        Ok((last_step > 0.0).then_some(Self { heading, axes, panels, last_step }))
    }

    /// Four panels stand in two rows, fewer in one.
    fn n_columns(&self) -> usize {
        if self.panels.len() == 4 { 2 } else { self.panels.len() }
    }

    fn width(&self) -> f64 {
        PANEL.0 * self.n_columns() as f64 + 20.0
    }

    fn legend(&self) -> Vec<(Key, String)> {
        let shown = |index: usize| {
            self.panels.iter().any(|panel| panel.curves.iter().any(|curves| curves.point == index))
        };
        let word = self.axes.x_path.as_deref().map(last_word).unwrap_or_default();
        let mut entries: Vec<(Key, String)> = self
            .axes
            .points
            .iter()
            .enumerate()
            .filter(|(index, _)| shown(*index))
            .map(|(index, point)| {
                let name = format!("{word} {}", self.axes.point_name(point));
                (Key::Line(index), name.trim().to_string())
            })
            .collect();
        if let Some((Key::Line(_), name)) = entries.last_mut()
            && self.has_seeds()
        {
            name.push_str("   (thin: single seeds)");
        }
        entries.extend(self.panels.iter().flat_map(|panel| legend_entries(&panel.references)).fold(
            Vec::new(),
            |mut known: Vec<(Key, String)>, entry| {
                if !known.iter().any(|(_, name)| *name == entry.1) {
                    known.push(entry);
                }
                known
            },
        ));
        entries
    }

    fn has_seeds(&self) -> bool {
        self.panels.iter().flat_map(|panel| &panel.curves).any(|curves| curves.seeds.len() > 1)
    }
}

/// The reference lines of a value on held-out text that the report shows under one of some names. The
/// encoder before training has no curve, and a loss of all its words is far above the others.
fn references_of(summary: &Summary, split: Split, names: &[&str]) -> Vec<Reference> {
    let is_it = |quantity: &Quantity| {
        let name = quantity.name.strip_prefix("held_out.");
        split == Split::Validation && name.is_some_and(|name| names.contains(&name))
    };
    let Some(quantity) = summary.quantities.iter().position(is_it) else { return Vec::new() };
    references(summary, quantity).into_iter().filter(|line| line.name != "untrained").collect()
}

/// The curves of a metric on a split, point by point.
fn collect(metrics: &DataFrame, split: Split, measure: &str, factor: f64) -> Result<Vec<PointCurves>> {
    let rows = rows_where(&rows_where(metrics, "split", split.word())?, "measure", measure)?;
    let mut curves = Vec::new();
    for rows in groups(&rows, &["point_index"])? {
        let seeds: Vec<Curve> = groups(&rows, &["order"])?
            .iter()
            .map(|trial| {
                let values = all_numbers(trial, "value")?.into_iter().map(|value| value * factor);
                Ok(all_numbers(trial, "step")?.into_iter().zip(values).collect())
            })
            .collect::<Result<_>>()?;
        curves.push(PointCurves { point: point_of(&rows)?, mean: mean(&rows, seeds.len(), factor)?, seeds });
    }
    curves.sort_by_key(|curves| curves.point);
    Ok(curves)
}

/// The mean of a point's rows at the steps that all its trials have.
fn mean(rows: &DataFrame, n_trials: usize, factor: f64) -> Result<Curve> {
    let mut curve = Vec::new();
    for at_step in groups(rows, &["step"])? {
        let values = all_numbers(&at_step, "value")?;
        if values.len() == n_trials {
            let sum: f64 = values.iter().map(|value| value * factor).sum();
            curve.push((first_integer(&at_step, "step")? as f64, sum / n_trials as f64));
        }
    }
    curve.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    Ok(curve)
}

/// A training loss falls steeply at first, so the first tenth of the steps does not stretch the axis: the
/// curve leaves it at the top.
fn y_range(curves: &[PointCurves], is_training: bool, references: &[Reference]) -> (f64, f64) {
    let points = || curves.iter().flat_map(|curves| &curves.seeds).flatten();
    let last = points().map(|(step, _)| *step).fold(0.0, f64::max);
    let from = if is_training { last / 10.0 } else { 0.0 };
    let values = points().filter(|(step, _)| *step >= from).map(|(_, value)| *value);
    padded(values.chain(references.iter().flat_map(Reference::heights)), 0.05)
}

/// The parts of a curve below `top`, which end where the curve crosses it.
fn below(curve: &[(f64, f64)], top: f64) -> Vec<Curve> {
    let mut parts: Vec<Curve> = Vec::new();
    let mut part: Curve = Vec::new();
    let mut previous: Option<(f64, f64)> = None;
    for &(x, y) in curve {
        if let Some((x0, y0)) = previous
            && (y0 > top) != (y > top)
        {
            part.push((x0 + (x - x0) * (top - y0) / (y - y0), top));
        }
        if y <= top {
            part.push((x, y));
        } else if !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        previous = Some((x, y));
    }
    parts.extend((!part.is_empty()).then_some(part));
    parts
}

impl CurvePanel {
    fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<DB>,
        outer: (f64, f64, f64, f64),
        last_step: f64,
    ) -> Result<()> {
        let x_range = (0.0, last_step * 1.03);
        let y_ticks = round_ticks(self.y_range, 5);
        let x_ticks = count_ticks(x_range, 5);
        let panel = Panel::inside(outer, x_range, self.y_range, (&x_ticks, &y_ticks), true);
        panel.draw(canvas, (&x_ticks, &y_ticks), (self.title, "pre-training steps", self.y_title))?;
        for line in &self.references {
            line.draw(canvas, &panel, |_| None)?;
        }
        let trace = |curve: &[(f64, f64)], shade, width, dashes| -> Result<()> {
            for part in below(curve, self.y_range.1) {
                let places: Vec<(f64, f64)> = part.into_iter().map(|point| panel.place(point)).collect();
                canvas.dashed(&places, shade, width, dashes)?;
            }
            Ok(())
        };
        for curves in self.curves.iter().filter(|curves| curves.seeds.len() > 1) {
            for seed in &curves.seeds {
                trace(seed, lighten(color(curves.point), 0.6), 1.0, &[])?;
            }
        }
        for curves in &self.curves {
            trace(&curves.mean, color(curves.point), 2.0, dashes(curves.point))?;
        }
        // Up to eight markers per line, shifted from line to line so that they do not hide each other.
        for (order, curves) in self.curves.iter().enumerate() {
            let every = (curves.mean.len() / 8).max(1);
            let shift = order * every / self.curves.len();
            let shown = curves.mean.iter().skip(shift).step_by(every).filter(|(_, y)| *y <= self.y_range.1);
            for point in shown {
                canvas.marker(marker(curves.point), panel.place(*point), 3.5, color(curves.point))?;
            }
        }
        Ok(())
    }
}

impl Figure for CurveFigure<'_> {
    fn size(&self) -> (f64, f64) {
        let inner = self.width() - 40.0;
        let rows = self.panels.len().div_ceil(self.n_columns().max(1)) as f64;
        let head = title_height(&self.heading.title, &self.heading.subtitle, inner);
        (self.width(), head + 10.0 + legend_height(&self.legend(), inner) + 12.0 + PANEL.1 * rows)
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Result<()> {
        let inner = self.width() - 40.0;
        let legend = self.legend();
        let head = draw_title(canvas, &self.heading.title, &self.heading.subtitle, 20.0, inner)?;
        draw_legend(canvas, &legend, (20.0, head + 10.0), inner)?;
        let top = head + 10.0 + legend_height(&legend, inner) + 12.0;
        for (index, panel) in self.panels.iter().enumerate() {
            let left = 10.0 + PANEL.0 * (index % self.n_columns()) as f64;
            let top = top + PANEL.1 * (index / self.n_columns()) as f64;
            panel.draw(canvas, (left, top, left + PANEL.0, top + PANEL.1 - 8.0), self.last_step)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    #[test]
    fn a_curve_is_cut_where_it_leaves_the_frame() {
        let curve = [(0.0, 4.0), (1.0, 2.0), (2.0, 1.0), (3.0, 5.0)];
        assert_eq!(below(&curve, 3.0), [vec![(0.5, 3.0), (1.0, 2.0), (2.0, 1.0), (2.5, 3.0)]]);
        assert_eq!(below(&[(0.0, 9.0)], 3.0), Vec::<Curve>::new());
    }

    #[test]
    fn the_mean_keeps_the_steps_that_all_seeds_have() {
        let rows = df!(
            "split" => ["train"; 5],
            "measure" => ["loss", "loss", "loss", "other", "loss"],
            "point_index" => [3u32; 5],
            "order" => [0u32, 0, 1, 1, 1],
            "step" => [1u64, 2, 2, 2, 3],
            "value" => [1.0, 2.0, 4.0, 100.0, 9.0],
        );
        let [curves] = &collect(&rows.unwrap(), Split::Train, "loss", 10.0).unwrap()[..] else {
            panic!("one point")
        };
        assert_eq!((curves.point, &curves.mean), (3, &vec![(2.0, 30.0)]));
        assert_eq!(curves.seeds, [vec![(1.0, 10.0), (2.0, 20.0)], vec![(2.0, 40.0), (3.0, 90.0)]]);
    }
}
