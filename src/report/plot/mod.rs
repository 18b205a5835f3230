//! Figures as SVG and PNG, from one drawing of each.
//!
//! No other folder uses the crate plotters. Colours are safe for colour-blind readers, and markers tell lines
//! apart in print. Must never: compute a score.

mod axis;
mod canvas;
mod curves;
mod draw;
mod figure;
mod panel;
mod reference;
mod score;

pub use draw::{draw_all, file_names};
