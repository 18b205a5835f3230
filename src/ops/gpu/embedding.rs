//! Rows of tables: read for the tokens of a batch, and their gradients added up in a fixed order.

use candle_core::Result;

use super::Machine;
use super::launch::{Address, Launch, arguments};

/// Rows whose sum one block makes: part of the result's identity. A word that stands in a batch ten thousand times, as
/// [MASK] does, would keep one block busy alone.
const RUN: usize = 128;
/// Columns of a block that adds drawn words up.
const COLUMNS: usize = 128;

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
    /// Of values that go to `rows` of a table of `n_rows`, one each, but for those numbered in `without`.
    pub fn new(rows: &[u32], n_rows: usize, without: &[u32]) -> Self {
        let mut runs = Self { order: by_row(rows, n_rows, without), ..Self::default() };
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

/// The numbers of the values by the row that they go to, those of one row in their own order: a counting sort.
fn by_row(rows: &[u32], n_rows: usize, without: &[u32]) -> Vec<u32> {
    let mut kept = vec![true; rows.len()];
    for &value in without {
        kept[value as usize] = false;
    }
    let mut starts = vec![0u32; n_rows + 1];
    let values = || rows.iter().zip(&kept).enumerate().filter(|(_, (_, kept))| **kept);
    for (_, (&row, _)) in values() {
        starts[row as usize + 1] += 1;
    }
    for row in 0..n_rows {
        starts[row + 1] += starts[row];
    }
    let mut order = vec![0; starts[n_rows] as usize];
    for (value, (&row, _)) in values() {
        let place = &mut starts[row as usize];
        order[*place as usize] = value as u32;
        *place += 1;
    }
    order
}

/// Words that the device alone knows, at `places` of all of them.
#[derive(Clone, Copy)]
pub struct Drawn<'a> {
    /// All words. [N]
    pub now: Address<'a>,
    /// Where the drawn ones stand, each once. [M]
    pub places: Address<'a>,
    /// M.
    pub n: usize,
}

/// Adds the values of drawn words to their rows of `table`.
pub fn add_drawn<M: Machine>(
    machine: &M,
    values: Address<'_>,
    drawn: Drawn<'_>,
    table: Address<'_>,
    width: usize,
) -> Result<()> {
    let Drawn { now, places, n } = drawn;
    if n == 0 {
        return Ok(());
    }
    let arguments = arguments![values, now, places, n as u32, table, width as u32];
    let grid = [n as u32, width.div_ceil(COLUMNS) as u32];
    // SAFETY: the words are rows of the table, the places lie among the values, and a word's first place alone adds to its row.
    unsafe { machine.launch(Launch { kernel: "add_drawn", grid, block: COLUMNS as u32, arguments }) }
}

/// Puts `samples` at `positions` ([M], ascending) of `words` [N]: writes what stands there now over `now` [N] and, over `changed` [N],
/// whether it differs.
pub fn put_samples<M: Machine>(
    machine: &M,
    words: Address<'_>,
    [positions, samples]: [Address<'_>; 2],
    [now, changed]: [Address<'_>; 2],
    [n, m]: [usize; 2],
) -> Result<()> {
    let arguments = arguments![words, positions, samples, m as u32, now, changed, n as u32];
    // SAFETY: there are so many words and samples, and room for what is written.
    unsafe { machine.launch(Launch::over("put_samples", n, arguments)) }
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
