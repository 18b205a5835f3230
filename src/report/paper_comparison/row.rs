//! A row of the paper with the point of the sweep that was measured for it.

use crate::papers::PaperRow;
use crate::report::values::Cell;

/// A row of the paper with the point of the sweep that was measured for it.
pub struct Row<'a> {
    pub paper: &'static PaperRow,
    /// Name of the point.
    pub point: String,
    /// The published value of the quantity, × 100.
    pub value: Option<f64>,
    /// Rank in the paper, 0 the best; equal rows share one.
    pub rank: Option<usize>,
    pub cell: &'a Cell,
    /// Index into the reasons of the comparison; None if the values may be compared in absolute value.
    pub reason: Option<usize>,
}
