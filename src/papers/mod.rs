//! The published numbers (`numbers.yaml`) with which reports compare ours.
//!
//! Every row states where its numbers were read, and what they depend on, as far as a source says so. Must
//! never: hold a number of ours, or one without a source. Next: `report/paper_comparison` compares.

pub mod kendall;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::error::{Error, Result};

/// Model sizes of ELECTRA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedSize {
    /// 12 layers of width 256.
    Small,
    /// 12 layers of width 768.
    Base,
    /// 24 layers of width 1024.
    Large,
}

/// Where a number was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// In the publication, or in the source or README of its code.
    #[default]
    Text,
    /// In another author's notes or tables.
    Notes,
    /// From memory, not checked against the paper.
    Memory,
}

/// The data set that was scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedSplit {
    /// The development set, which is what electra-lab scores.
    #[default]
    Development,
    /// The test set.
    Test,
}

/// Whose numbers fine-tuning had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedRecipe {
    /// ELECTRA, Table 7.
    Paper,
    /// google-research/electra, configure_finetuning.py.
    ReleasedCode,
}

/// How ELECTRA's authors pre-trained a model of a size.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedRates {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps with a rising learning rate.
    pub warmup: u64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// The tasks in the column `mean`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeanOver {
    /// The tasks of `GlueMean::Paper`, whose scores are in the row.
    EightTasks,
    /// The tasks of `GlueMean::PaperTest`, whose scores are in the row.
    WithWnliWithoutQnli,
    /// The eight tasks of the paper, whose scores are not published.
    UnstatedTasks,
}

/// One published table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperTable {
    /// Its name in an experiment file.
    pub id: String,
    /// Publication and table.
    pub source: String,
    /// What it shows.
    pub about: String,
    /// The data set that was scored.
    #[serde(default)]
    pub split: PublishedSplit,
    /// Where its numbers were read, unless a row says otherwise.
    #[serde(default)]
    seen: Seen,
    /// Whose numbers fine-tuning had, where ELECTRA's authors did it; their rates of pre-training are those
    /// of [`PaperNumbers::rates`]. Absent if no source states them.
    pub recipe: Option<PublishedRecipe>,
    /// Fine-tuning runs whose median a score is; absent if no source states it.
    pub runs: Option<u32>,
    /// The names of the values in a row: tasks, `mean`, `mlm_accuracy`; all × 100.
    pub columns: Vec<String>,
    /// The tasks in `mean`.
    pub mean_over: Option<MeanOver>,
    /// Decimals of the column `mean`.
    #[serde(default = "one")]
    pub decimals: i32,
    /// Rows from best to worst, if there are no values; equal rows in one list.
    #[serde(default)]
    pub order: Vec<Vec<String>>,
    /// The rows.
    pub rows: Vec<PaperRow>,
}

fn one() -> i32 {
    1
}

/// One row: how a model was trained, and its scores.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperRow {
    /// Its name in the table.
    pub name: String,
    /// One value per column; absent if not published.
    pub values: Vec<Option<f64>>,
    /// Where they were read, if not where the rest of the table was.
    seen: Option<Seen>,
    /// Model size, if it is one of ELECTRA's.
    pub size: Option<PublishedSize>,
    /// Parameters, as printed.
    pub parameters: Option<f64>,
    /// Pre-training FLOPs, as printed.
    pub flops: Option<f64>,
    /// Pre-training text: a key of `texts`.
    text: Option<String>,
    /// Pre-training steps.
    pub steps: Option<u64>,
    /// Sequences per step.
    pub batch: Option<usize>,
    /// Longest sequence in tokens.
    pub seq_len: Option<usize>,
    /// Width of the generator as a share of the discriminator's; absent without a generator.
    pub generator: Option<f64>,
    /// The hub repository of this checkpoint.
    pub checkpoint: Option<String>,
    /// Whether authors other than ELECTRA's trained it, whose rates no source here states.
    #[serde(default)]
    pub by_others: bool,
    /// A remark for the reader.
    pub note: Option<String>,
}

/// A pre-training text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperText {
    /// Its name.
    pub name: String,
    /// Hub repositories with this text.
    #[serde(default)]
    pub repos: Vec<String>,
}

/// All published numbers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperNumbers {
    texts: BTreeMap<String, PaperText>,
    rates: BTreeMap<PublishedSize, PublishedRates>,
    /// The tables, in the order of the file.
    pub tables: Vec<PaperTable>,
}

impl PaperNumbers {
    /// The numbers that are built into the program.
    ///
    /// # Errors
    /// `numbers.yaml` is malformed; the tests would find that.
    pub fn published() -> Result<&'static Self> {
        static READ: OnceLock<std::result::Result<PaperNumbers, String>> = OnceLock::new();
        READ.get_or_init(|| {
            serde_yaml::from_str(include_str!("numbers.yaml")).map_err(|error| error.to_string())
        })
        .as_ref()
        .map_err(|error| Error::internal("the published numbers cannot be read").because(error))
    }

    /// The table and the row of a published checkpoint, by its hub repository.
    pub fn of_checkpoint(&self, model: &str) -> Option<(&PaperTable, &PaperRow)> {
        let is_it = |row: &&PaperRow| row.checkpoint.as_deref() == Some(model);
        self.tables.iter().find_map(|table| Some((table, table.rows.iter().find(is_it)?)))
    }

    /// A table by its name.
    pub fn table(&self, id: &str) -> Option<&PaperTable> {
        self.tables.iter().find(|table| table.id == id)
    }

    /// The rates with which ELECTRA's authors pre-trained a model of a size.
    pub fn rates(&self, size: PublishedSize) -> Option<PublishedRates> {
        self.rates.get(&size).copied()
    }

    /// The text that a row was trained on, if a source states it.
    pub fn text(&self, row: &PaperRow) -> Option<&PaperText> {
        self.texts.get(row.text.as_ref()?)
    }
}

impl PaperTable {
    /// A row by its name.
    pub fn row(&self, name: &str) -> Option<&PaperRow> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Whether the table has this column.
    pub fn has_column(&self, column: &str) -> bool {
        self.columns.iter().any(|known| known == column)
    }

    /// The published value of a row in a column.
    pub fn value(&self, row: &PaperRow, column: &str) -> Option<f64> {
        let place = self.columns.iter().position(|known| known == column)?;
        row.values.get(place).copied().flatten()
    }

    /// Where a row's numbers were read.
    pub fn seen(&self, row: &PaperRow) -> Seen {
        row.seen.unwrap_or(self.seen)
    }

    /// Rank of a row in `order`, from 0 for the best; None if it is not ranked.
    pub fn place_in_order(&self, row: &PaperRow) -> Option<usize> {
        self.order.iter().position(|equals| equals.contains(&row.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{GlueMean, TaskName};

    fn tables() -> &'static [PaperTable] {
        &PaperNumbers::published().unwrap().tables
    }

    /// Columns that are not tasks of electra-lab.
    const OTHERS: [&str; 9] = [
        "mean",
        "leaderboard",
        "mnli_mm",
        "chunk",
        "mlm_accuracy",
        "squad_em",
        "squad2_em",
        "squad2_test",
        "squad2_test_em",
    ];

    #[test]
    fn names_are_unique_and_rows_are_complete() {
        let numbers = PaperNumbers::published().unwrap();
        for (index, table) in numbers.tables.iter().enumerate() {
            let id = &table.id;
            assert!(!numbers.tables[..index].iter().any(|other| other.id == *id), "{id} twice");
            assert!(!table.source.is_empty() && !table.about.is_empty(), "{id}");
            assert_eq!(table.has_column("mean"), table.mean_over.is_some(), "{id}");
            for column in &table.columns {
                let is_task = TaskName::ALL.iter().any(|task| task.as_str() == column);
                assert!(is_task || OTHERS.contains(&column.as_str()), "{id}: {column}");
            }
            for name in table.order.iter().flatten() {
                assert!(table.row(name).is_some(), "{id} ranks {name}, which it does not have");
            }
            for (place, row) in table.rows.iter().enumerate() {
                let name = &row.name;
                assert!(!table.rows[..place].iter().any(|other| other.name == *name), "{id}: {name} twice");
                assert_eq!(row.values.len(), table.columns.len(), "{id}: {name}");
                assert!(
                    row.values.iter().flatten().all(|value| (0.0..=100.0).contains(value)),
                    "{id}: {name}"
                );
                assert!(row.text.is_none() || numbers.text(row).is_some(), "{id}: {name}");
                let says = row.values.iter().any(Option::is_some) || table.place_in_order(row).is_some();
                assert!(says, "{id}: {name} has neither a value nor a rank");
            }
        }
    }

    /// Recomputes the printed mean of every row with published tasks, which finds typing errors in the data.
    #[test]
    fn the_printed_means_recompute() {
        let mut n_means = 0;
        for table in tables() {
            let mean = match table.mean_over {
                Some(MeanOver::EightTasks) => GlueMean::Paper,
                Some(MeanOver::WithWnliWithoutQnli) => GlueMean::PaperTest,
                Some(MeanOver::UnstatedTasks) | None => continue,
            };
            for row in &table.rows {
                let Some(printed) = table.value(row, "mean") else { continue };
                let computed = mean.of(|task, _| table.value(row, task)).unwrap();
                assert_eq!(computed.n_tasks, 8, "{}: {}", table.id, row.name);
                // Half a unit of the last printed digit; an exact half may be rounded either way.
                let half = 0.5 * 10f64.powi(-table.decimals) + 1e-9;
                let apart = (computed.value - printed).abs();
                assert!(apart <= half, "{}: {}: {} against {printed}", table.id, row.name, computed.value);
                n_means += 1;
            }
        }
        assert_eq!(n_means, 7 + 5 + 11 + 4 + 3);
    }

    /// The percentages in Table 1 are shares of the FLOPs and of the steps of one run.
    #[test]
    fn the_shares_of_table_1_are_shares_of_its_flops() {
        let table = PaperNumbers::published().unwrap().table("table1").unwrap();
        let of = |name: &str| table.row(name).unwrap();
        let whole = of("ELECTRA-Small");
        for (name, share) in [("50 %", 0.5), ("25 %", 0.25), ("12.5 %", 0.125), ("6.25 %", 0.0625)] {
            let row = of(&format!("ELECTRA-Small {name}"));
            let ratio = row.flops.unwrap() / whole.flops.unwrap();
            assert!((ratio / share - 1.0).abs() < 0.04, "{name}: {ratio}");
            assert_eq!(row.steps.unwrap() as f64, share * whole.steps.unwrap() as f64);
        }
    }

    #[test]
    fn numbers_from_memory_are_marked() {
        let numbers = PaperNumbers::published().unwrap();
        let seen = |table: &str, row: &str| {
            let table = numbers.table(table).unwrap();
            table.seen(table.row(row).unwrap())
        };
        assert_eq!(seen("table8", "ELECTRA-Small"), Seen::Memory);
        assert_eq!(seen("table8", "ELECTRA-Small++"), Seen::Notes);
        assert_eq!(seen("table5", "ELECTRA"), Seen::Text);
        assert_eq!(seen("unigram", "unigram"), Seen::Memory);
    }
}
