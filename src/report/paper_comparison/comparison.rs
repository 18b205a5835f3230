//! The comparison as a value: the rows of one published table with the measured points.

use super::agreement::{Agreement, Entry, Pair, pairs};
use super::row::Row;
use crate::papers::PaperTable;
use crate::report::inference::{Estimate, holm};

/// A published table with the measured values.
pub struct PaperComparison<'a> {
    pub table: &'static PaperTable,
    /// Label of the quantity that is compared.
    pub label: &'a str,
    /// One block per value of the swept paths that no row names.
    pub blocks: Vec<Block<'a>>,
    /// Why values may not be compared in absolute value, each distinct reason once.
    pub reasons: Vec<String>,
    /// Rows of the experiment that have no point in this sweep.
    pub absent: Vec<String>,
}

/// Points that differ only in the row that they stand for.
pub struct Block<'a> {
    /// The setting that the points share; empty if there is one block.
    pub name: String,
    pub rows: Vec<Row<'a>>,
    pub agreement: Option<Agreement>,
    pub pairs: Vec<Pair>,
}

impl<'a> PaperComparison<'a> {
    /// The index of a reason, which is added if it is new.
    pub fn reason(&mut self, reason: String) -> usize {
        self.reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
            self.reasons.push(reason);
            self.reasons.len() - 1
        })
    }

    /// Corrects the p of all pairs as one family.
    pub fn correct(&mut self) {
        let pairs = || self.blocks.iter().flat_map(|block| &block.pairs);
        let p: Vec<Option<f64>> = pairs().map(|pair| pair.estimate.as_ref().and_then(Estimate::p)).collect();
        let pairs = self.blocks.iter_mut().flat_map(|block| &mut block.pairs);
        for (pair, adjusted) in pairs.zip(holm(&p)) {
            pair.adjusted_p = adjusted;
        }
    }

    /// Adds a row to the block of a name.
    pub fn push(&mut self, name: String, row: Row<'a>) {
        match self.blocks.iter_mut().find(|block| block.name == name) {
            Some(block) => block.rows.push(row),
            None => self.blocks.push(Block { name, rows: vec![row], agreement: None, pairs: Vec::new() }),
        }
    }
}

impl Block<'_> {
    /// Ranks the rows as the paper does, and compares the measured order with the ranks.
    pub fn judge(&mut self, table: &PaperTable) {
        let places: Vec<Option<f64>> = match self.rows.iter().all(|row| row.value.is_some()) {
            true => self.rows.iter().map(|row| row.value.map(|value| -value)).collect(),
            false => {
                let place = |row: &Row| table.place_in_order(row.paper).map(|place| place as f64);
                self.rows.iter().map(place).collect()
            }
        };
        for (row, place) in self.rows.iter_mut().zip(&places) {
            let before = |place: f64| places.iter().flatten().filter(|other| **other < place).count();
            row.rank = place.map(before);
        }
        let ranked: Vec<&Row> = self.rows.iter().filter(|row| row.rank.is_some()).collect();
        let entries: Vec<Entry> =
            ranked.iter().filter_map(|row| Some(Entry { rank: row.rank?, seeds: &row.cell.seeds })).collect();
        self.agreement = Agreement::of(&entries);
        self.pairs = pairs(&ranked);
    }
}
