//! Figures of scores over the sweep: the report's y axis (score), and every task by itself (tasks).

use plotters::backend::DrawingBackend;

use super::axis::{PointAxis, padded, round_ticks};
use super::canvas::{Canvas, lighten};
use super::figure::{Figure, Heading};
use super::panel::{
    GREY, Key, Panel, color, dashes, draw_bar, draw_legend, draw_title, legend_height, marker, title_height,
    wrap_ticks,
};
use super::reference::{Reference, legend_entries, references};
use crate::error::Result;
use crate::report::quantity::{Quantity, QuantityKind};
use crate::report::statistics::Summary;
use crate::report::values::Cell;

/// Distance at which two error bars with their dots do not touch.
const CLEAR: f64 = 18.0;

/// One panel per quantity, all over the same x axis.
pub struct ScoreFigure<'a> {
    /// Title and subtitle.
    pub heading: &'a Heading,
    /// The x axis with the positions of the points.
    pub axis: &'a PointAxis,
    /// The numbers.
    pub summary: &'a Summary,
    /// Indices of the quantities, one per panel.
    pub quantities: Vec<usize>,
    /// Width and height of a panel with its titles.
    pub panel_size: (f64, f64),
}

impl ScoreFigure<'_> {
    fn n_columns(&self) -> usize {
        self.quantities.len().clamp(1, 3)
    }

    fn width(&self) -> f64 {
        self.panel_size.0 * self.n_columns() as f64 + 20.0
    }

    /// The cells of a quantity, by the index of their point.
    fn cells(&self, quantity: usize) -> impl Iterator<Item = (usize, &Cell)> {
        let points = self.summary.points.iter().enumerate();
        points.filter_map(move |(point, numbers)| Some((point, numbers.cells.get(quantity)?)))
    }

    fn legend(&self) -> Vec<(Key, String)> {
        let cells = || self.quantities.iter().flat_map(|quantity| self.cells(*quantity));
        let has_spread =
            cells().any(|(_, cell)| cell.spread.as_ref().is_some_and(|spread| spread.sd.is_some()));
        let key = if self.axis.draws_lines() { Key::Line } else { Key::Marker };
        let mut entries: Vec<(Key, String)> = self
            .axis
            .lines
            .iter()
            .enumerate()
            .map(|(line, name)| {
                let name = if name.is_empty() { "mean over pre-training seeds" } else { name };
                (key(line), name.to_string())
            })
            .collect();
        if has_spread {
            entries.push((Key::Bar(GREY), "± standard deviation".into()));
            entries.push((Key::Dot(lighten(GREY, 0.3)), "one seed".into()));
        }
        let lines = self.quantities.iter().flat_map(|quantity| references(self.summary, *quantity));
        entries.extend(legend_entries(&lines.collect::<Vec<_>>()));
        entries
    }

    fn draw_panel<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<DB>,
        quantity: usize,
        outer: (f64, f64, f64, f64),
        several: bool,
    ) -> Result<()> {
        let Some(described) = self.summary.quantities.get(quantity) else { return Ok(()) };
        let axis = self.axis;
        let lines = references(self.summary, quantity);
        let of_lines = lines.iter().flat_map(Reference::heights);
        let y_range = padded(self.cells(quantity).flat_map(|(_, cell)| heights(cell)).chain(of_lines), 0.07);
        let y_ticks = round_ticks(y_range, if several { 4 } else { 6 });
        let wrapped = wrap_ticks(&axis.ticks, outer.2 - outer.0 - 70.0);
        let x_ticks = if axis.is_numeric { &axis.ticks } else { &wrapped };
        let panel = Panel::inside(outer, axis.range, y_range, (x_ticks, &y_ticks), several);
        let x_ticks = if axis.is_numeric { panel.thin(x_ticks) } else { wrapped };
        let (title, y_title) = titles(described, several);
        let x_title = if several { &axis.short_title } else { &axis.title };
        panel.draw(canvas, (&x_ticks, &y_ticks), (title, x_title, &y_title))?;
        for line in &lines {
            line.draw(canvas, &panel, |point| self.across(&panel, point))?;
        }
        for line in 0..axis.lines.len() {
            self.draw_line(canvas, &panel, quantity, line)?;
        }
        Ok(())
    }

    /// The x position of a point in the panel. Error bars at the same position would cover each other, so the
    /// lines of a sweep, and points of nearly the same cost, are moved apart.
    fn across(&self, panel: &Panel, point: usize) -> Option<f64> {
        let pixels = |point: usize| Some(panel.place((self.axis.position(point)?, 0.0)).0);
        let own = pixels(point)?;
        let (place, n, step) = if self.axis.steps_aside {
            let n_lines = self.axis.lines.len();
            let (left, _, right, _) = panel.frame;
            let room = if self.axis.is_numeric {
                100.0
            } else {
                0.8 * (right - left) / self.axis.ticks.len().max(1) as f64
            };
            (*self.axis.on_line.get(point)?, n_lines, (room / n_lines as f64).min(22.0))
        } else {
            let meets = |other: &usize| pixels(*other).is_some_and(|x| (x - own).abs() < CLEAR);
            let near: Vec<usize> = (0..self.axis.positions.len()).filter(meets).collect();
            (near.iter().position(|other| *other == point)?, near.len(), CLEAR)
        };
        Some(own + (place as f64 - (n as f64 - 1.0) / 2.0) * step)
    }

    fn draw_line<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<DB>,
        panel: &Panel,
        quantity: usize,
        line: usize,
    ) -> Result<()> {
        let axis = self.axis;
        let place = |x: f64, y: f64| (x, panel.place((0.0, y)).1);
        let mut members: Vec<(f64, &Cell)> = self
            .cells(quantity)
            .filter(|(point, _)| axis.on_line.get(*point) == Some(&line))
            .filter_map(|(point, cell)| Some((self.across(panel, point)?, cell)))
            .collect();
        members.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let means: Vec<(f64, f64)> =
            members.iter().filter_map(|(x, cell)| Some(place(*x, cell.spread.as_ref()?.mean))).collect();
        if axis.is_numeric {
            canvas.dashed(&means, color(line), 2.0, dashes(line))?;
        }
        for (x, cell) in &members {
            let Some(spread) = &cell.spread else { continue };
            if let Some(sd) = spread.sd {
                let (middle, top) = place(*x, spread.mean + sd);
                let (_, bottom) = place(*x, spread.mean - sd);
                draw_bar(canvas, middle, (top, bottom), color(line))?;
                for value in cell.seeds.iter().filter_map(|(_, value)| *value) {
                    let (middle, y) = place(*x, value);
                    canvas.dot((middle - 8.5, y), 2.5, lighten(color(line), 0.35))?;
                }
            }
            canvas.marker(marker(line), place(*x, spread.mean), 4.0, color(line))?;
        }
        Ok(())
    }
}

/// The title of a panel, and of its y axis.
fn titles(quantity: &Quantity, several: bool) -> (&str, String) {
    let unit = match quantity.kind {
        QuantityKind::Task(_) | QuantityKind::Mean | QuantityKind::Probe(_) => "score × 100",
        QuantityKind::Pairs => "%",
        QuantityKind::HeldOut(_) => "",
    };
    match (several, &quantity.kind) {
        // A panel is narrow.
        (true, QuantityKind::Pairs | QuantityKind::Probe(_)) => (quantity.short.as_str(), unit.into()),
        (true, _) => (quantity.label.as_str(), unit.into()),
        (false, QuantityKind::HeldOut(_) | QuantityKind::Pairs) => ("", quantity.label.clone()),
        (false, _) => ("", format!("{} × 100", quantity.label)),
    }
}

/// Every value that a cell draws.
fn heights(cell: &Cell) -> Vec<f64> {
    let mut heights: Vec<f64> = cell.seeds.iter().filter_map(|(_, value)| *value).collect();
    if let Some(spread) = &cell.spread {
        let sd = spread.sd.unwrap_or(0.0);
        heights.extend([spread.mean - sd, spread.mean + sd]);
    }
    heights
}

impl Figure for ScoreFigure<'_> {
    fn size(&self) -> (f64, f64) {
        let inner = self.width() - 40.0;
        let rows = self.quantities.len().div_ceil(self.n_columns()) as f64;
        let head = title_height(&self.heading.title, &self.heading.subtitle, inner);
        let legend = legend_height(&self.legend(), inner);
        (self.width(), head + 10.0 + legend + 12.0 + rows * self.panel_size.1)
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Result<()> {
        let inner = self.width() - 40.0;
        let legend = self.legend();
        let head = draw_title(canvas, &self.heading.title, &self.heading.subtitle, 20.0, inner)?;
        draw_legend(canvas, &legend, (20.0, head + 10.0), inner)?;
        let top = head + 10.0 + legend_height(&legend, inner) + 12.0;
        let (width, height) = self.panel_size;
        let several = self.quantities.len() > 1;
        for (index, quantity) in self.quantities.iter().enumerate() {
            let left = 10.0 + width * (index % self.n_columns()) as f64;
            let y = top + height * (index / self.n_columns()) as f64;
            self.draw_panel(canvas, *quantity, (left, y, left + width, y + height - 8.0), several)?;
        }
        Ok(())
    }
}
