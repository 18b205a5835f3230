//! Rows of tables: read for the tokens of a batch, and their gradients added up in a fixed order.

use candle_core::Result;

use super::Machine;
use super::launch::{Address, Launch, arguments};

/// Rows whose sum one block makes: part of the result's identity. A word that stands in a batch ten thousand times, as
/// [MASK] does, would keep one block busy alone.
const RUN: usize = 128;

/// The tables of an embedding.
#[derive(Clone, Copy)]
pub struct Tables<'a> {
    /// [V, E].
    pub word: Address<'a>,
    /// [P, E].
    pub position: Address<'a>,
    /// [2, E].
    pub kind: Address<'a>,
    /// What the first two are differences from, or null.
    pub base: [Address<'a>; 2],
    /// E.
    pub width: usize,
}

/// Writes the sums of the rows of `n` tokens over `out` [n, E]; rows are those of word, position and type.
pub fn embed<M: Machine>(
    machine: &M,
    tables: Tables<'_>,
    [words, positions, kinds]: [Address<'_>; 3],
    out: Address<'_>,
    n: usize,
) -> Result<()> {
    let Tables { word, position, kind, base, width } = tables;
    let numbers = n * width;
    let arguments = arguments![
        word,
        position,
        kind,
        base[0],
        base[1],
        words,
        positions,
        kinds,
        out,
        width as u32,
        numbers as u64
    ];
    // SAFETY: the rows lie in their tables (`embedding.rs` checks them), and there are n of each.
    unsafe { machine.launch(Launch::over("embed", numbers, arguments)) }
}

/// Writes chosen rows of a table over `out` [n, width].
pub fn gather<M: Machine>(
    machine: &M,
    table: Address<'_>,
    rows: Address<'_>,
    out: Address<'_>,
    [n, width]: [usize; 2],
) -> Result<()> {
    let numbers = n * width;
    let arguments = arguments![table, rows, out, width as u32, numbers as u64];
    // SAFETY: the rows lie in the table, and there are n of them.
    unsafe { machine.launch(Launch::over("gather_rows", numbers, arguments)) }
}

/// Which values are added to which row of a table, in which order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Values by the row that they are added to, those of one row in their own order.
    order: Vec<u32>,
    /// Where each run begins in `order` and, last, its length: the values of one row, [`RUN`] at most.
    starts: Vec<u32>,
    /// Where the runs of each row begin and, last, their number.
    row_starts: Vec<u32>,
    /// The rows, each once.
    rows: Vec<u32>,
}

impl Runs {
    /// Of values that go to `rows`, one each.
    pub fn new(rows: &[u32]) -> Self {
        let mut runs = Self { order: (0..rows.len() as u32).collect(), ..Self::default() };
        runs.order.sort_by_key(|&value| rows[value as usize]);
        let mut at = 0;
        for values in runs.order.chunk_by(|&a, &b| rows[a as usize] == rows[b as usize]) {
            runs.rows.push(rows[values[0] as usize]);
            runs.row_starts.push(runs.starts.len() as u32);
            for run in values.chunks(RUN) {
                runs.starts.push(at);
                at += run.len() as u32;
            }
        }
        runs.row_starts.push(runs.starts.len() as u32);
        runs.starts.push(at);
        runs
    }
}

/// Adds `values` [N, width] to the rows of `table` that `runs` names.
pub fn add_rows<M: Machine>(
    machine: &M,
    values: Address<'_>,
    runs: &Runs,
    table: Address<'_>,
    width: usize,
) -> Result<()> {
    if runs.rows.is_empty() {
        return Ok(());
    }
    let sums = |values: Address<'_>, order: Address<'_>, starts: &[u32]| -> Result<M::Floats> {
        let sums = machine.room((starts.len() - 1) * width)?;
        let starts_there = machine.words(starts)?;
        let arguments =
            arguments![values, order, machine.at_words(&starts_there), machine.at(&sums), width as u32];
        // SAFETY: the runs name values that are there, and there is room for a sum of each.
        unsafe { machine.launch(Launch::blocks("sum_runs", starts.len() - 1, 128, arguments))? };
        Ok(sums)
    };
    let order = machine.words(&runs.order)?;
    let by_run = sums(values, machine.at_words(&order), &runs.starts)?;
    let by_row = sums(machine.at(&by_run), Address::NULL, &runs.row_starts)?;
    let rows = machine.words(&runs.rows)?;
    let numbers = runs.rows.len() * width;
    let arguments =
        arguments![machine.at(&by_row), machine.at_words(&rows), table, width as u32, numbers as u64];
    // SAFETY: the rows lie in the table, and each is named once.
    unsafe { machine.launch(Launch::over("add_rows", numbers, arguments)) }
}
