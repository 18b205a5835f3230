//! The reference lines of a panel: the encoder before training, and what needs no encoder.
//!
//! Must never: draw a line for a value that was not measured. Next: `score.rs`, `curves.rs`.

use plotters::backend::DrawingBackend;

use super::canvas::Canvas;
use super::panel::{BAND, Key, Panel, ReferenceStyle, draw_reference};
use crate::error::Result;
use crate::report::spread::Spread;
use crate::report::statistics::Summary;

/// Half the width of a line that belongs to one point.
const HALF: f64 = 24.0;

/// A horizontal line.
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Its height.
    pub value: f64,
    /// Standard deviation over the seeds, drawn as a band.
    pub sd: Option<f64>,
    /// The point of the sweep that it belongs to; None if it belongs to all.
    pub point: Option<usize>,
}

/// The reference lines of a quantity. If the sweep has several encoders, each point has the line of its own
/// before training.
pub fn references(summary: &Summary, quantity: usize) -> Vec<Reference> {
    let line = |name: &str, point, spread: &Spread| Reference {
        name: name.into(),
        value: spread.mean,
        sd: spread.sd,
        point,
    };
    let controls = &summary.controls;
    let rows = controls.untrained.iter().filter_map(|row| row.cells.get(quantity)?.spread.as_ref());
    let rows: Vec<&Spread> = rows.collect();
    let mut lines: Vec<Reference> = match rows[..] {
        [] => Vec::new(),
        [only] => vec![line("untrained", None, only)],
        _ => {
            let of_point = |point: usize| controls.untrained_of(point, quantity)?.spread.as_ref();
            let points = 0..summary.points.len();
            points.filter_map(|point| Some(line("untrained", Some(point), of_point(point)?))).collect()
        }
    };
    for baseline in &controls.baselines {
        if let Some(value) = baseline.values.get(quantity).copied().flatten() {
            lines.push(Reference { name: baseline.name.clone(), value, sd: None, point: None });
        }
    }
    lines
}

impl Reference {
    /// The heights that a panel must contain.
    pub fn heights(&self) -> [f64; 2] {
        let sd = self.sd.unwrap_or_default();
        [self.value - sd, self.value + sd]
    }

    /// Its entry of a legend.
    pub fn entry(&self) -> (Key, String) {
        let style = ReferenceStyle::of(&self.name);
        match self.sd {
            Some(_) => (Key::Band(style), format!("{} (band: ± sd)", self.name)),
            None => (Key::Reference(style), self.name.clone()),
        }
    }

    /// Draws the line, over the whole panel or around the x position of its point.
    pub fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<DB>,
        panel: &Panel,
        x_of: impl Fn(usize) -> Option<f64>,
    ) -> Result<()> {
        let (left, right) = match self.point {
            None => (panel.frame.0, panel.frame.2),
            Some(point) => match x_of(point) {
                Some(x) => ((x - HALF).max(panel.frame.0), (x + HALF).min(panel.frame.2)),
                None => return Ok(()),
            },
        };
        let height = |value: f64| panel.place((panel.x_range.0, value)).1;
        if let Some(sd) = self.sd {
            canvas.rectangle((left, height(self.value + sd)), (right, height(self.value - sd)), BAND)?;
        }
        draw_reference(canvas, (left, height(self.value)), right, ReferenceStyle::of(&self.name))
    }
}

/// The entries of a legend for some lines, each name once.
pub fn legend_entries(lines: &[Reference]) -> Vec<(Key, String)> {
    let mut entries: Vec<(Key, String)> = Vec::new();
    for entry in lines.iter().map(Reference::entry) {
        if !entries.iter().any(|(_, name)| *name == entry.1) {
            entries.push(entry);
        }
    }
    entries
}
