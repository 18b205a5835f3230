//! What every figure has: a size, a heading, and a drawing for either medium.

use plotters::backend::DrawingBackend;

use super::canvas::Canvas;
use crate::error::Result;

/// A figure that can be drawn on either medium.
pub trait Figure {
    /// Width and height in logical pixels.
    fn size(&self) -> (f64, f64);
    /// Draws the whole figure.
    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Result<()>;
}

/// The text above a figure.
pub struct Heading {
    pub title: String,
    pub subtitle: String,
}
