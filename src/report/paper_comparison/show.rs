//! The comparison with the paper as tables, sentences and a file.
//!
//! Must never: say "reproduced", or show a value without whether it is comparable. Next: `page.rs` of the report.

use std::fmt::Write;

use polars::prelude::Column;

use super::agreement::{FEWEST_SEEDS, Reading};
use super::{Block, PaperComparison, Row};
use crate::error::Result;
use crate::papers::Seen;
use crate::report::frame;
use crate::report::statistics::Spread;
use crate::report::table::Table;

/// How the order and the differences are judged, for the page that shows them.
pub const RULE: &str = "Kendall's τ is taken over the pairs of points that the paper orders (agreeing minus disagreeing, \
divided by all of them; 1 is the paper's order, 0 what chance gives on average, -1 its reverse), on means over the \
pre-training seeds that all points share; the probability that an order by chance does as well counts all orders of the \
points. Its interval is a bootstrap over these seeds (10,000 resamples, from n = 3 on). A \
difference is taken seed by seed, with the same seed and the same text on both sides, and its 95 % interval is Student's t \
over the seeds, from n = 3 on. Of more than ten ordered pairs those with the best point alone have a difference. Nothing corrects for looking at several pairs. From fewer than three seeds nothing is \
concluded.";

/// Points beside the paper's rows: a row each.
pub fn rows(beside: &PaperComparison) -> Table {
    let several = beside.blocks.len() > 1;
    let mut header = vec![beside.table.source.clone(), "point".into()];
    if several {
        header.insert(0, "at".into());
    }
    let n_text = header.len();
    header.extend(["paper", "measured", "sd", "n", "95 % interval", "comparable"].map(String::from));
    let mut table = Table::new(header, n_text);
    for block in &beside.blocks {
        for row in &block.rows {
            let figure = |text: &dyn Fn(&Spread) -> Option<String>| {
                row.cell.spread.as_ref().and_then(text).unwrap_or_else(|| "–".into())
            };
            let mut cells = vec![row.paper.name.clone(), row.point.clone()];
            if several {
                cells.insert(0, block.name.clone());
            }
            cells.extend([
                published(beside, row),
                figure(&|spread| Some(format!("{:.2}", spread.mean))),
                figure(&|spread| spread.sd.map(|sd| format!("{sd:.2}"))),
                row.cell.spread.as_ref().map_or(0, |spread| spread.n).to_string(),
                figure(&|spread| spread.interval.map(ends)),
                row.reason.map_or_else(
                    || "in absolute value".into(),
                    |index| format!("in shape only [{}]", index + 1),
                ),
            ]);
            table.row(cells);
        }
    }
    table
}

fn ends((low, high): (f64, f64)) -> String {
    format!("[{low:.2}, {high:.2}]")
}

/// The paper's value or its place in the paper's order, marked where it was not read in the paper.
fn published(beside: &PaperComparison, row: &Row) -> String {
    let text = match (row.value, row.rank) {
        (Some(value), _) => format!("{value:.1}"),
        (None, Some(rank)) => format!("rank {}", rank + 1),
        (None, None) => "–".into(),
    };
    format!("{text}{}", mark(beside.table.seen(row.paper)))
}

fn mark(seen: Seen) -> &'static str {
    match seen {
        Seen::Text => "",
        Seen::Notes => " (from notes)",
        Seen::Memory => " (from memory)",
    }
}

/// The claims: a row a pair that the paper orders.
fn claims(beside: &PaperComparison) -> Table {
    let several = beside.blocks.len() > 1;
    let mut header = vec!["the paper has".to_string()];
    if several {
        header.insert(0, "at".into());
    }
    let n_text = header.len();
    header.extend(
        ["paper's difference", "measured difference", "sd", "n", "95 % interval", "reading"]
            .map(String::from),
    );
    let mut table = Table::new(header, n_text);
    for block in &beside.blocks {
        for pair in &block.pairs {
            let spread = pair.spread();
            let mut cells = vec![format!("{} above {}", pair.better, pair.worse)];
            if several {
                cells.insert(0, block.name.clone());
            }
            cells.extend([
                pair.published.map_or_else(|| "–".into(), |published| format!("{published:+.1}")),
                spread.as_ref().map_or_else(|| "–".into(), |spread| format!("{:+.2}", spread.mean)),
                spread
                    .as_ref()
                    .and_then(|spread| spread.sd)
                    .map_or_else(|| "–".into(), |sd| format!("{sd:.2}")),
                spread.as_ref().map_or(0, |spread| spread.n).to_string(),
                pair.interval().map_or_else(|| "–".into(), |(low, high)| format!("[{low:+.2}, {high:+.2}]")),
                reading(pair.reading()).into(),
            ]);
            table.row(cells);
        }
    }
    table
}

fn reading(reading: Reading) -> &'static str {
    match reading {
        Reading::TooFew => "too few seeds to conclude",
        Reading::Agrees => "agrees",
        Reading::Contradicts => "contradicts",
        Reading::Open => "open: the interval holds 0",
    }
}

/// The verdict on the order: a sentence a comparison.
pub fn sentences(beside: &PaperComparison) -> String {
    let sentences = beside.blocks.iter().filter_map(|block| {
        let sentence = sentence(beside, block)?;
        Some(if block.name.is_empty() { sentence } else { format!("{}: {sentence}", block.name) })
    });
    sentences.collect::<Vec<_>>().join("\n")
}

fn sentence(beside: &PaperComparison, block: &Block) -> Option<String> {
    let agreement = block.agreement.as_ref()?;
    let plural = |n: usize, noun: &str| if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") };
    let chance = agreement
        .chance
        .map(|chance| format!(", an order by chance doing as well with probability {chance:.2}"));
    let size = format!(
        "In the order of {}: Kendall's τ of the {} is {:+.2} over {} of {}{}",
        beside.table.source,
        beside.label,
        agreement.tau,
        plural(agreement.n_pairs, "ordered pair"),
        plural(agreement.n_points, "point"),
        chance.unwrap_or_default(),
    );
    let of_memory = block.rows.iter().any(|row| beside.table.seen(row.paper) == Seen::Memory);
    let memory = if of_memory { " The published side is from memory." } else { "" };
    let n = agreement.n_seeds;
    let Some(interval) = agreement.interval else {
        let fewer = format!("n = {n}, fewer than {FEWEST_SEEDS} seeds");
        return Some(format!("{size}; {fewer}: nothing can be concluded from it.{memory}"));
    };
    let count = |wanted| block.pairs.iter().filter(|pair| pair.reading() == wanted).count();
    Some(format!(
        "{size}; 95 % interval {} over n = {n} seeds. Paired differences: {} of {} agree with the paper beyond the spread of \
         the seeds, {} contradict it, {} stay open.{memory}",
        ends(interval),
        count(Reading::Agrees),
        block.pairs.len(),
        count(Reading::Contradicts),
        count(Reading::Open) + count(Reading::TooFew),
    ))
}

/// The part of the page.
pub fn page(beside: &PaperComparison) -> String {
    let mut text =
        format!("## PaperComparison the paper\n\n{}: {}.\n\n", beside.table.source, beside.table.about);
    let _ = writeln!(
        text,
        "The {} of each point: mean over pre-training seeds, sample standard deviation, and a bootstrap interval of the \
         mean from n = 3 on.\n\n{}",
        beside.label,
        rows(beside).to_markdown()
    );
    for (index, reason) in beside.reasons.iter().enumerate() {
        let _ = writeln!(text, "- [{}] {reason}", index + 1);
    }
    for row in distinct_notes(beside) {
        let _ = writeln!(text, "- {row}");
    }
    if !beside.absent.is_empty() {
        let _ = writeln!(text, "- Not in this sweep: {}", beside.absent.join(", "));
    }
    let claims = claims(beside);
    if !claims.is_empty() {
        let _ = writeln!(text, "\n{}\n{RULE}", claims.to_markdown());
    }
    text + "\n"
}

fn distinct_notes(beside: &PaperComparison) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for row in beside.blocks.iter().flat_map(|block| &block.rows) {
        let note = row.paper.note.as_ref().map(|note| format!("{}: {note}", row.paper.name));
        notes.extend(note.filter(|note| !notes.contains(note)));
    }
    notes
}

/// Every number of the comparison, a row a point.
pub fn to_csv(beside: &PaperComparison) -> Result<Vec<u8>> {
    let rows: Vec<(&Block, &Row)> =
        beside.blocks.iter().flat_map(|block| block.rows.iter().map(move |row| (block, row))).collect();
    let text = |value: &dyn Fn(&Block, &Row) -> String| {
        rows.iter().map(|(block, row)| value(block, row)).collect::<Vec<String>>()
    };
    let number = |value: &dyn Fn(&Row) -> Option<f64>| {
        rows.iter().map(|(_, row)| value(row)).collect::<Vec<Option<f64>>>()
    };
    let spread =
        |value: &dyn Fn(&Spread) -> Option<f64>| number(&|row| row.cell.spread.as_ref().and_then(value));
    let seen = |row: &Row| format!("{:?}", beside.table.seen(row.paper)).to_lowercase();
    let n = |row: &Row| row.cell.spread.as_ref().map_or(0, |spread| spread.n as u64);
    let reason =
        |row: &Row| row.reason.and_then(|index| beside.reasons.get(index)).cloned().unwrap_or_default();
    let columns = vec![
        Column::new("source".into(), vec![beside.table.source.as_str(); rows.len()]),
        Column::new("at".into(), text(&|block, _| block.name.clone())),
        Column::new("row".into(), text(&|_, row| row.paper.name.clone())),
        Column::new("point".into(), text(&|_, row| row.point.clone())),
        Column::new("seen".into(), text(&|_, row| seen(row))),
        Column::new("paper".into(), number(&|row| row.value)),
        Column::new("paper_rank".into(), number(&|row| row.rank.map(|rank| rank as f64 + 1.0))),
        Column::new("quantity".into(), vec![beside.label; rows.len()]),
        Column::new("measured".into(), spread(&|spread| Some(spread.mean))),
        Column::new("sd".into(), spread(&|spread| spread.sd)),
        Column::new("n".into(), rows.iter().map(|(_, row)| n(row)).collect::<Vec<u64>>()),
        Column::new("low".into(), spread(&|spread| spread.interval.map(|(low, _)| low))),
        Column::new("high".into(), spread(&|spread| spread.interval.map(|(_, high)| high))),
        Column::new(
            "absolute".into(),
            rows.iter().map(|(_, row)| row.reason.is_none()).collect::<Vec<bool>>(),
        ),
        Column::new("reason".into(), text(&|_, row| reason(row))),
    ];
    frame::to_csv(&mut frame::of_columns(rows.len(), columns)?)
}
