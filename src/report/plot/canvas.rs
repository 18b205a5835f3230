//! Lines, markers and text on either kind of image, in logical pixels.
//!
//! The font is part of the program, so no image depends on the fonts of a machine. The two backends of
//! plotters position text differently, so text is positioned by its baseline here.

use std::sync::Once;

use plotters::backend::DrawingBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{Circle, PathElement, Polygon};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle, register_font,
};

use crate::error::{Error, Result};
use crate::escape::visible_line;

/// Name of the registered font. A viewer of an SVG that does not have it takes the next font of the list.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
/// Ascent plus descent of DejaVu Sans, in ems. It is what plotters calls the size of a bitmap font.
const RASTER_EM: f64 = 1.164;
/// plotters divides the font sizes of an SVG by this.
const VECTOR_EM: f64 = 1.24;

/// A position in logical pixels, from the top left.
pub type Pixel = (f64, f64);

/// Which plotters backend draws.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// SVG.
    Vector,
    /// Pixels.
    Raster,
}

/// Shape of a marker. It tells lines apart without colours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// Disc.
    Circle,
    /// Square.
    Square,
    /// Triangle on its base.
    Triangle,
    /// Square on its corner.
    Diamond,
    /// Triangle on its tip.
    Wedge,
}

/// How a line of text is set.
#[derive(Clone, Copy)]
pub struct Lettering {
    /// Em size in logical pixels.
    pub em: f64,
    /// Bold or regular.
    pub bold: bool,
    /// Colour.
    pub color: RGBColor,
    /// The part of the text that is at the given position.
    pub anchor: HPos,
    /// Bottom to top instead of left to right.
    pub upright: bool,
}

/// A drawing surface.
pub struct Canvas<DB: DrawingBackend> {
    area: DrawingArea<DB, Shift>,
    scale: f64,
    medium: Medium,
}

impl<DB: DrawingBackend> Canvas<DB> {
    /// A white canvas over a whole image with `scale` device pixels per logical pixel.
    pub fn new(area: DrawingArea<DB, Shift>, scale: f64, medium: Medium) -> Result<Self> {
        load_fonts();
        area.fill(&RGBColor(255, 255, 255)).map_err(broken)?;
        Ok(Self { area, scale, medium })
    }

    /// Completes the image.
    pub fn present(&self) -> Result<()> {
        self.area.present().map_err(broken)
    }

    fn device(&self, place: Pixel) -> (i32, i32) {
        ((place.0 * self.scale).round() as i32, (place.1 * self.scale).round() as i32)
    }

    fn width(&self, logical: f64) -> u32 {
        (logical * self.scale).round().max(1.0) as u32
    }

    /// A line through positions.
    pub fn line(&self, places: &[Pixel], color: RGBColor, width: f64) -> Result<()> {
        let stroke = ShapeStyle { color: color.to_rgba(), filled: false, stroke_width: self.width(width) };
        let path: Vec<(i32, i32)> = places.iter().map(|place| self.device(*place)).collect();
        if path.len() < 2 {
            return Ok(());
        }
        if self.medium == Medium::Vector {
            return self.area.draw(&PathElement::new(path, stroke)).map_err(broken);
        }
        // plotters rasterises a thick path as one polygon, which tears where the path turns sharply: segments
        // with a disc at each joint do not.
        let disc = ShapeStyle { filled: true, ..stroke };
        for pair in path.windows(2) {
            self.area.draw(&PathElement::new(pair.to_vec(), stroke)).map_err(broken)?;
        }
        for joint in path.iter().skip(1).take(path.len() - 2) {
            self.area.draw(&Circle::new(*joint, stroke.stroke_width / 2, disc)).map_err(broken)?;
        }
        Ok(())
    }

    /// A dashed line through positions. `dashes` are lengths of strokes and gaps, alternating; without any
    /// the line is solid.
    pub fn dashed(&self, places: &[Pixel], color: RGBColor, width: f64, dashes: &[f64]) -> Result<()> {
        for stroke in strokes(places, dashes) {
            self.line(&stroke, color, width)?;
        }
        Ok(())
    }

    /// A filled marker with a white rim, of about `radius`.
    pub fn marker(&self, marker: Marker, at: Pixel, radius: f64, color: RGBColor) -> Result<()> {
        self.shape(marker, at, radius + 1.0, RGBColor(255, 255, 255))?;
        self.shape(marker, at, radius, color)
    }

    fn shape(&self, marker: Marker, (x, y): Pixel, radius: f64, color: RGBColor) -> Result<()> {
        let fill = ShapeStyle { color: color.to_rgba(), filled: true, stroke_width: 0 };
        let corners: Vec<Pixel> = match marker {
            Marker::Circle => {
                let disc = Circle::new(self.device((x, y)), self.width(radius), fill);
                return self.area.draw(&disc).map_err(broken);
            }
            Marker::Square => {
                let half = 0.88 * radius;
                vec![(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
            }
            Marker::Diamond => {
                let half = 1.25 * radius;
                vec![(x, y - half), (x + half, y), (x, y + half), (x - half, y)]
            }
            Marker::Triangle => {
                vec![
                    (x, y - 1.25 * radius),
                    (x + 1.15 * radius, y + 0.8 * radius),
                    (x - 1.15 * radius, y + 0.8 * radius),
                ]
            }
            Marker::Wedge => {
                vec![
                    (x, y + 1.25 * radius),
                    (x + 1.15 * radius, y - 0.8 * radius),
                    (x - 1.15 * radius, y - 0.8 * radius),
                ]
            }
        };
        let corners: Vec<(i32, i32)> = corners.into_iter().map(|corner| self.device(corner)).collect();
        self.area.draw(&Polygon::new(corners, fill)).map_err(broken)
    }

    /// A filled rectangle between two corners.
    pub fn rectangle(&self, from: Pixel, to: Pixel, color: RGBColor) -> Result<()> {
        let fill = ShapeStyle { color: color.to_rgba(), filled: true, stroke_width: 0 };
        let corners = [from, (to.0, from.1), to, (from.0, to.1)].map(|corner| self.device(corner));
        self.area.draw(&Polygon::new(corners.to_vec(), fill)).map_err(broken)
    }

    /// A small dot without a rim.
    pub fn dot(&self, at: Pixel, radius: f64, color: RGBColor) -> Result<()> {
        self.shape(Marker::Circle, at, radius, color)
    }

    /// Text whose baseline starts, ends or is centred at `at`.
    pub fn text(&self, text: &str, at: Pixel, lettering: Lettering) -> Result<()> {
        let em = lettering.em * self.scale;
        // What plotters adds between the place it is given and the baseline, with the anchor at the top.
        let (size, drop) = match self.medium {
            Medium::Raster => (em * RASTER_EM, em * RASTER_EM / 2.0),
            Medium::Vector => (em * VECTOR_EM, em * 0.76),
        };
        let (x, y) = (at.0 * self.scale, at.1 * self.scale);
        let (x, y, transform) = if lettering.upright {
            (x - drop, y, FontTransform::Rotate270)
        } else {
            (x, y - drop, FontTransform::None)
        };
        let font = FontDesc::new(FontFamily::Name(FONT), size, weight(lettering.bold)).transform(transform);
        let style = TextStyle::from(font).color(&lettering.color).pos(Pos::new(lettering.anchor, VPos::Top));
        self.area.draw_text(&visible_line(text), &style, (x.round() as i32, y.round() as i32)).map_err(broken)
    }
}

/// The strokes of a dashed line. A stroke follows the corners of the line.
fn strokes(places: &[Pixel], dashes: &[f64]) -> Vec<Vec<Pixel>> {
    // A pattern without length would never end.
    if dashes.iter().sum::<f64>() <= 0.0 {
        return vec![places.to_vec()];
    }
    let mut pattern = dashes.iter().copied().enumerate().cycle();
    let (mut index, mut left) = pattern.next().unwrap_or_default();
    let mut finished = Vec::new();
    let mut stroke: Vec<Pixel> = places.first().copied().into_iter().collect();
    for (from, to) in places.iter().zip(places.iter().skip(1)) {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let share = done / length;
            let turn = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            if index % 2 == 0 {
                stroke.push(turn);
                finished.push(std::mem::take(&mut stroke));
            } else {
                stroke = vec![turn];
            }
            (index, left) = pattern.next().unwrap_or_default();
        }
        left -= length - done;
        if index % 2 == 0 {
            stroke.push(*to);
        }
    }
    finished.extend((stroke.len() > 1).then_some(stroke));
    finished
}

fn weight(bold: bool) -> FontStyle {
    if bold { FontStyle::Bold } else { FontStyle::Normal }
}

fn broken<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> Error {
    Error::internal("a figure cannot be drawn").because(error)
}

fn load_fonts() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        // A font that does not load shows as an error of the first text that is drawn.
        let _ = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
        let _ = register_font(FONT, FontStyle::Bold, dejavu::sans::bold());
    });
}

/// Width of a text in logical pixels.
pub fn text_width(text: &str, em: f64, bold: bool) -> f64 {
    load_fonts();
    // Measured large: plotters rounds to whole pixels.
    let font = FontDesc::new(FontFamily::Name(FONT), 100.0 * RASTER_EM, weight(bold));
    font.layout_box(text).map_or(0.0, |(_, (width, _))| f64::from(width) * em / 100.0)
}

/// Breaks a text between words into lines of at most `width` logical pixels.
pub fn wrap(text: &str, em: f64, bold: bool, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), em, bold) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// A colour mixed with white: 0 leaves it, 1 is white.
pub fn lighten(RGBColor(r, g, b): RGBColor, share: f64) -> RGBColor {
    let mix = |channel: u8| (f64::from(channel) * (1.0 - share) + 255.0 * share).round() as u8;
    RGBColor(mix(r), mix(g), mix(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_follow_corners() {
        let corner = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)];
        let expected = [vec![(0.0, 0.0), (8.0, 0.0)], vec![(10.0, 2.0), (10.0, 10.0)]];
        assert_eq!(strokes(&corner, &[8.0, 4.0]), expected);
        assert_eq!(strokes(&corner, &[12.0, 4.0])[0], [(0.0, 0.0), (10.0, 0.0), (10.0, 2.0)]);
        assert_eq!(strokes(&corner, &[]), [corner.to_vec()]);
    }
}
