//! A pair of axes on a canvas, and the parts that figures share: titles, legends, colours.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;

use super::axis::Ticks;
use super::canvas::{Canvas, Lettering, Marker, Pixel, text_width, wrap};
use crate::error::Result;

/// Ink.
pub const BLACK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Secondary text and reference lines.
pub const GREY: RGBColor = RGBColor(0x66, 0x66, 0x66);
const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
/// The band of an untrained encoder's spread.
pub const BAND: RGBColor = RGBColor(0xdc, 0xdc, 0xdc);
const TITLE_EM: f64 = 15.0;
const LABEL_EM: f64 = 12.5;
const TICK_EM: f64 = 11.5;
/// Distance between two lines of a tick's text.
const LINE: f64 = 14.0;

/// Okabe and Ito's colours (2008) in an order of falling contrast; their yellow is left out, for print.
const COLORS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x22, 0x22, 0x22),
];
const MARKERS: [Marker; 5] =
    [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Wedge];

/// The colour of a line: with [`marker`] the first 35 lines differ.
pub fn color(line: usize) -> RGBColor {
    COLORS.get(line % COLORS.len()).copied().unwrap_or(BLACK)
}

/// The marker of a line.
pub fn marker(line: usize) -> Marker {
    MARKERS.get(line % MARKERS.len()).copied().unwrap_or(Marker::Circle)
}

/// Strokes and gaps of the lines. The first is solid, so that a single line is solid.
const DASHES: [&[f64]; 4] = [&[], &[9.0, 4.0], &[2.5, 3.0], &[11.0, 3.0, 2.5, 3.0]];
/// A way to draw a reference line: colour, width, strokes and gaps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferenceStyle(RGBColor, f64, &'static [f64]);

/// The ways to draw the reference lines, by the first words of their names. In print they differ by their
/// dashes.
const REFERENCES: [(&str, ReferenceStyle); 7] = [
    ("untrained", ReferenceStyle(BLACK, 1.5, &[])),
    ("majority class", ReferenceStyle(GREY, 1.5, &[6.0, 4.0])),
    ("chance", ReferenceStyle(GREY, 1.5, &[1.5, 3.5])),
    ("bag of words", ReferenceStyle(RGBColor(0x7a, 0x5c, 0x2e), 1.5, &[9.0, 3.0, 2.0, 3.0])),
    ("unigram", ReferenceStyle(RGBColor(0x8a, 0x3f, 0x8a), 1.5, &[3.0, 3.0])),
    ("trigram", ReferenceStyle(RGBColor(0x8a, 0x3f, 0x8a), 1.5, &[12.0, 4.0])),
    ("ceiling", ReferenceStyle(RGBColor(0x2e, 0x7d, 0x32), 1.5, &[14.0, 3.0, 3.0, 3.0, 3.0, 3.0])),
];

impl ReferenceStyle {
    /// The style of a reference of this name.
    pub fn of(name: &str) -> Self {
        let known = REFERENCES.iter().find(|(first, _)| name.starts_with(first));
        known.map_or(Self(GREY, 1.0, &[2.0, 2.0]), |(_, style)| *style)
    }
}

/// The dashes of a line: with [`marker`] the first 20 lines differ in print without colours.
pub fn dashes(line: usize) -> &'static [f64] {
    DASHES.get(line % DASHES.len()).copied().unwrap_or_default()
}

/// Draws a horizontal reference line.
pub fn draw_reference<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    from: Pixel,
    to_x: f64,
    ReferenceStyle(color, width, dashes): ReferenceStyle,
) -> Result<()> {
    canvas.dashed(&[from, (to_x, from.1)], color, width, dashes)
}

/// Regular text.
pub fn regular(em: f64, color: RGBColor, anchor: HPos) -> Lettering {
    Lettering { em, bold: false, color, anchor, upright: false }
}

/// Breaks the texts of ticks so that they fit side by side into `width`.
pub fn wrap_ticks(ticks: &Ticks, width: f64) -> Ticks {
    let share = width / ticks.len().max(1) as f64 - 4.0;
    ticks.iter().map(|(value, text)| (*value, wrap_label(text, share).join("\n"))).collect()
}

/// Breaks a label between words, and words that are too wide after an underscore.
fn wrap_label(text: &str, width: f64) -> Vec<String> {
    let fits = |line: &str| text_width(line, TICK_EM, false) <= width;
    let break_word = |line: String| -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for part in line.split_inclusive('_') {
            match lines.last_mut() {
                Some(last) if fits(&format!("{last}{part}")) => last.push_str(part),
                _ => lines.push(part.into()),
            }
        }
        lines
    };
    let lines = wrap(text, TICK_EM, false, width).into_iter();
    lines.flat_map(|line| if fits(&line) { vec![line] } else { break_word(line) }).collect()
}

/// The symbol of a legend's entry.
#[derive(Clone, Copy)]
pub enum Key {
    /// A line of the figure, with its marker.
    Line(usize),
    /// Its marker alone.
    Marker(usize),
    /// A small dot.
    Dot(RGBColor),
    /// A reference line.
    Reference(ReferenceStyle),
    /// A reference line on the band of its spread.
    Band(ReferenceStyle),
    /// A vertical bar with caps.
    Bar(RGBColor),
}

impl Key {
    /// Width of the symbol with the gap before its text.
    fn width(self) -> f64 {
        match self {
            Self::Line(_) => 42.0,
            Self::Reference(_) | Self::Band(_) => 42.0,
            Self::Marker(_) | Self::Dot(_) | Self::Bar(_) => 18.0,
        }
    }
}

/// Draws the title and the subtitle from the top; returns the y at which they end.
pub fn draw_title<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    title: &str,
    subtitle: &str,
    left: f64,
    width: f64,
) -> Result<f64> {
    let mut y = 12.0;
    for line in wrap(title, TITLE_EM, true, width) {
        y += 1.3 * TITLE_EM;
        let lettering = Lettering { bold: true, ..regular(TITLE_EM, BLACK, HPos::Left) };
        canvas.text(&line, (left, y - 0.3 * TITLE_EM), lettering)?;
    }
    for line in wrap(subtitle, TICK_EM, false, width) {
        y += 1.5 * TICK_EM;
        canvas.text(&line, (left, y - 0.3 * TICK_EM), regular(TICK_EM, GREY, HPos::Left))?;
    }
    Ok(y)
}

/// Height that [`draw_title`] needs.
pub fn title_height(title: &str, subtitle: &str, width: f64) -> f64 {
    let title_lines = wrap(title, TITLE_EM, true, width).len() as f64;
    let subtitle_lines = wrap(subtitle, TICK_EM, false, width).len() as f64;
    12.0 + title_lines * 1.3 * TITLE_EM + subtitle_lines * 1.5 * TICK_EM
}

/// A legend's entries in rows, each with its offset from the left.
fn legend_rows(entries: &[(Key, String)], width: f64) -> Vec<Vec<(f64, Key, &str)>> {
    let mut rows: Vec<Vec<(f64, Key, &str)>> = Vec::new();
    let mut used = f64::INFINITY;
    for (key, text) in entries {
        let needed = key.width() + text_width(text, TICK_EM, false);
        if used + needed > width {
            rows.push(Vec::new());
            used = 0.0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((used, *key, text));
        }
        used += needed + 18.0;
    }
    rows
}

/// Height that a legend of a width needs.
pub fn legend_height(entries: &[(Key, String)], width: f64) -> f64 {
    legend_rows(entries, width).len() as f64 * 18.0
}

/// Draws a legend below `top`.
pub fn draw_legend<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    entries: &[(Key, String)],
    (left, top): Pixel,
    width: f64,
) -> Result<()> {
    for (index, row) in legend_rows(entries, width).into_iter().enumerate() {
        let y = top + 18.0 * index as f64 + 9.0;
        for (offset, key, text) in row {
            let x = left + offset;
            let middle = x + key.width() / 2.0 - 3.0;
            match key {
                Key::Line(line) => {
                    canvas.dashed(&[(x, y), (x + 36.0, y)], color(line), 2.0, dashes(line))?;
                    canvas.marker(marker(line), (x + 18.0, y), 4.0, color(line))?;
                }
                Key::Marker(line) => canvas.marker(marker(line), (middle, y), 4.0, color(line))?,
                Key::Dot(color) => canvas.dot((middle, y), 2.5, color)?,
                Key::Reference(style) => draw_reference(canvas, (x, y), x + 36.0, style)?,
                Key::Band(style) => {
                    canvas.rectangle((x, y - 5.0), (x + 36.0, y + 5.0), BAND)?;
                    draw_reference(canvas, (x, y), x + 36.0, style)?;
                }
                Key::Bar(color) => draw_bar(canvas, middle, (y - 7.0, y + 7.0), color)?,
            }
            canvas.text(text, (x + key.width(), y + 0.36 * TICK_EM), regular(TICK_EM, BLACK, HPos::Left))?;
        }
    }
    Ok(())
}

/// An error bar with caps between two heights.
pub fn draw_bar<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    x: f64,
    (top, bottom): (f64, f64),
    color: RGBColor,
) -> Result<()> {
    canvas.line(&[(x, top), (x, bottom)], color, 1.5)?;
    for y in [top, bottom] {
        canvas.line(&[(x - 6.0, y), (x + 6.0, y)], color, 1.5)?;
    }
    Ok(())
}

/// Height of the labels below the x axis; a line break in a tick's text starts a new line.
fn x_labels_height(ticks: &Ticks) -> f64 {
    let lines = ticks.iter().map(|(_, text)| text.split('\n').count()).max().unwrap_or(1);
    18.0 + LINE * (lines - 1) as f64
}

/// A pair of axes: the rectangle that data are drawn in, and the ranges that map to it.
pub struct Panel {
    /// Left, top, right, bottom in logical pixels.
    pub frame: (f64, f64, f64, f64),
    /// Data at the left and right edge.
    pub x_range: (f64, f64),
    /// Data at the bottom and top edge.
    pub y_range: (f64, f64),
}

impl Panel {
    /// The panel inside an outer rectangle that leaves room for its ticks and titles.
    pub fn inside(
        outer: (f64, f64, f64, f64),
        x_range: (f64, f64),
        y_range: (f64, f64),
        (x_ticks, y_ticks): (&Ticks, &Ticks),
        has_title: bool,
    ) -> Self {
        let widest = y_ticks.iter().map(|(_, text)| text_width(text, TICK_EM, false)).fold(0.0, f64::max);
        let (left, top, right, bottom) = outer;
        let title = if has_title { 22.0 } else { 4.0 };
        Self {
            frame: (
                left + widest + 34.0,
                top + title,
                right - 10.0,
                bottom - 28.0 - x_labels_height(x_ticks),
            ),
            x_range,
            y_range,
        }
    }

    /// The position of a point of the data.
    pub fn place(&self, (x, y): (f64, f64)) -> Pixel {
        let (left, top, right, bottom) = self.frame;
        let share = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        (left + share(x, self.x_range) * (right - left), bottom - share(y, self.y_range) * (bottom - top))
    }

    /// Ticks of the x axis, without the texts that would touch the text before them.
    pub fn thin(&self, ticks: &Ticks) -> Ticks {
        let mut free_from = f64::NEG_INFINITY;
        let fits = |(value, text): &(f64, String)| {
            let (x, _) = self.place((*value, self.y_range.0));
            let half = text_width(text, TICK_EM, false) / 2.0;
            if x - half < free_from {
                return (*value, String::new());
            }
            free_from = x + half + 6.0;
            (*value, text.clone())
        };
        ticks.iter().map(fits).collect()
    }

    /// Draws grid, axes, ticks and titles.
    pub fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<DB>,
        (x_ticks, y_ticks): (&Ticks, &Ticks),
        (title, x_title, y_title): (&str, &str, &str),
    ) -> Result<()> {
        let (left, top, right, bottom) = self.frame;
        for (value, text) in y_ticks {
            let (_, y) = self.place((self.x_range.0, *value));
            canvas.line(&[(left, y), (right, y)], GRID, 1.0)?;
            canvas.text(text, (left - 8.0, y + 0.36 * TICK_EM), regular(TICK_EM, BLACK, HPos::Right))?;
        }
        for (value, text) in x_ticks {
            let (x, _) = self.place((*value, self.y_range.0));
            canvas.line(&[(x, bottom), (x, bottom + 4.0)], BLACK, 1.0)?;
            for (index, line) in text.split('\n').enumerate() {
                let y = bottom + 17.0 + LINE * index as f64;
                canvas.text(line, (x, y), regular(TICK_EM, BLACK, HPos::Center))?;
            }
        }
        canvas.line(&[(left, top), (left, bottom), (right, bottom)], BLACK, 1.0)?;
        let middle = (left + right) / 2.0;
        canvas.text(
            x_title,
            (middle, bottom + 19.0 + x_labels_height(x_ticks)),
            regular(LABEL_EM, BLACK, HPos::Center),
        )?;
        let widest = y_ticks.iter().map(|(_, text)| text_width(text, TICK_EM, false)).fold(0.0, f64::max);
        let upright = Lettering { upright: true, ..regular(LABEL_EM, BLACK, HPos::Center) };
        canvas.text(y_title, (left - widest - 18.0, (top + bottom) / 2.0), upright)?;
        let bold = Lettering { bold: true, ..regular(LABEL_EM, BLACK, HPos::Left) };
        canvas.text(title, (left, top - 9.0), bold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_label_is_broken_between_words_and_after_underscores() {
        assert_eq!(wrap_label("all_tokens_mlm", 300.0), ["all_tokens_mlm"]);
        assert_eq!(wrap_label("all_tokens_mlm", 70.0), ["all_tokens_", "mlm"]);
        assert_eq!(wrap_label("rtd (disc weight 50.0)", 60.0), ["rtd (disc", "weight", "50.0)"]);
    }
}
