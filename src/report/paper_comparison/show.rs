//! The comparison with the paper as tables, sentences and a file.
//!
//! Must never: say "reproduced", or show a value without whether it is comparable. Next: `page.rs` of the
//! report.

use std::fmt::Write;

use super::agreement::Pair;
use super::comparison::{Block, PaperComparison};
use super::row::Row;
use crate::error::Result;
use crate::escape::markdown;
use crate::papers::Seen;
use crate::records::frame::{column, frame_of, to_csv as csv_of};
use crate::report::contrast::Word;
use crate::report::inference::Estimate;
use crate::report::spread::Spread;
use crate::report::table::Table;

/// How the order and the differences are judged, for the page that shows them.
pub const RULE: &str = "Kendall's τ is taken over the pairs of points that the paper orders (agreeing minus disagreeing, \
divided by all of them; 1 is the paper's order, 0 is the average of random orders, -1 is the reverse), on means over the \
pre-training seeds that all points share. The probability that a random order does as well is computed over all orders of \
the points. The range of τ is that of single seeds; it is no interval. A difference is taken seed by seed, with the same \
seed and the same text on both sides. Its 95 % interval and p are by Student's t over the seeds, from n = 2 on; p is \
corrected for the number of differences by Holm's method, and the last column is *agrees* or *contradicts* where the \
corrected p is below 0.05. If there are more than ten ordered pairs, only those with the best point have a difference. \
These differences were not named before the run: the verdict is that of the contrasts above.";

/// One row per row of the paper, with the measured point.
pub fn rows(comparison: &PaperComparison) -> Table {
    let several = comparison.blocks.len() > 1;
    let mut header = vec![comparison.table.source.clone(), "point".into()];
    if several {
        header.insert(0, "at".into());
    }
    let n_text = header.len();
    header.extend(["paper", "measured", "sd", "n", "95 % interval", "comparable"].map(String::from));
    let mut table = Table::new(header, n_text);
    for block in &comparison.blocks {
        for row in &block.rows {
            let figure = |text: &dyn Fn(&Spread) -> Option<String>| {
                row.cell.spread.as_ref().and_then(text).unwrap_or_else(|| "–".into())
            };
            let mut cells = vec![row.paper.name.clone(), row.point.clone()];
            if several {
                cells.insert(0, block.name.clone());
            }
            cells.extend([
                published(comparison, row),
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

/// The paper's value, or the rank in the paper's order, marked if it was not read in the paper.
fn published(comparison: &PaperComparison, row: &Row) -> String {
    let text = match (row.value, row.rank) {
        (Some(value), _) => format!("{value:.1}"),
        (None, Some(rank)) => format!("rank {}", rank + 1),
        (None, None) => "–".into(),
    };
    format!("{text}{}", mark(comparison.table.seen(row.paper)))
}

fn mark(seen: Seen) -> &'static str {
    match seen {
        Seen::Text => "",
        Seen::Notes => " (from notes)",
        Seen::Memory => " (not checked against the paper)",
    }
}

/// One row per pair that the paper orders.
fn claims(comparison: &PaperComparison) -> Table {
    let several = comparison.blocks.len() > 1;
    let mut header = vec!["claim".to_string()];
    if several {
        header.insert(0, "at".into());
    }
    let n_text = header.len();
    header.extend(
        ["paper's difference", "measured difference", "n", "95 % interval", "p (Holm)", "conclusion"]
            .map(String::from),
    );
    let mut table = Table::new(header, n_text);
    for block in &comparison.blocks {
        for pair in &block.pairs {
            let mut cells = vec![format!("{} above {}", pair.better, pair.worse)];
            if several {
                cells.insert(0, block.name.clone());
            }
            cells.extend(figures(pair));
            table.row(cells);
        }
    }
    table
}

/// The numbers of a pair: the paper's difference, ours, n, interval, p and the conclusion.
fn figures(pair: &Pair) -> [String; 6] {
    let estimate = pair.estimate.as_ref();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".into());
    let interval = estimate.and_then(Estimate::interval);
    let p = |p: f64| if p < 0.001 { "< 0.001".to_string() } else { format!("{p:.3}") };
    [
        or_dash(pair.published.map(|published| format!("{published:+.1}"))),
        or_dash(estimate.map(|estimate| format!("{:+.2}", estimate.effect))),
        estimate.map_or(0, Estimate::fewest).to_string(),
        or_dash(interval.map(|(low, high)| format!("[{low:+.2}, {high:+.2}]"))),
        or_dash(pair.adjusted_p.map(p)),
        pair.word().as_str().into(),
    ]
}

/// The verdict on the order: one sentence per block.
pub fn sentences(comparison: &PaperComparison) -> String {
    let sentences = comparison.blocks.iter().filter_map(|block| {
        let sentence = sentence(comparison, block)?;
        Some(if block.name.is_empty() { sentence } else { format!("{}: {sentence}", block.name) })
    });
    sentences.collect::<Vec<_>>().join("\n")
}

fn sentence(comparison: &PaperComparison, block: &Block) -> Option<String> {
    let agreement = block.agreement.as_ref()?;
    let plural = |n: usize, noun: &str| if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") };
    let chance =
        agreement.chance.map(|chance| format!(" (a random order does as well with probability {chance:.2})"));
    let size = format!(
        "In the order of {}: Kendall's τ of the {} is {:+.2} over {} of {}{}",
        comparison.table.source,
        comparison.label,
        agreement.tau,
        plural(agreement.n_pairs, "ordered pair"),
        plural(agreement.n_points, "point"),
        chance.unwrap_or_default(),
    );
    let from_memory = block.rows.iter().any(|row| comparison.table.seen(row.paper) == Seen::Memory);
    let memory = if from_memory { " The published values are not checked against the paper." } else { "" };
    let n = agreement.n_seeds;
    let range =
        agreement.range.map_or(String::new(), |range| format!("; single seeds range over {}", ends(range)));
    let count = |wanted| block.pairs.iter().filter(|pair| pair.word() == wanted).count();
    Some(format!(
        "{size}, n = {n}{range}. Paired differences: {} of {} agree with the paper, {} contradict it, {} are open.{memory}",
        count(Word::Agrees),
        block.pairs.len(),
        count(Word::Contradicts),
        count(Word::Open),
    ))
}

/// The section of the page.
pub fn page(comparison: &PaperComparison) -> String {
    let mut text = format!(
        "## Comparison with the paper\n\n{}: {}.\n\n",
        comparison.table.source, comparison.table.about
    );
    let _ = writeln!(
        text,
        "The {} of each point: mean over pre-training seeds, sample standard deviation, and, from n = 2 on, the 95 % \
         interval of the mean by Student's t.\n\n{}",
        comparison.label,
        rows(comparison).to_markdown()
    );
    for (index, reason) in comparison.reasons.iter().enumerate() {
        let _ = writeln!(text, "- [{}] {}", index + 1, markdown(reason));
    }
    for row in distinct_notes(comparison) {
        let _ = writeln!(text, "- {}", markdown(&row));
    }
    if !comparison.absent.is_empty() {
        let _ = writeln!(text, "- Not in this sweep: {}", markdown(&comparison.absent.join(", ")));
    }
    let claims = claims(comparison);
    if !claims.is_empty() {
        let _ = writeln!(text, "\n{}\n{RULE}", claims.to_markdown());
    }
    text + "\n"
}

fn distinct_notes(comparison: &PaperComparison) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for row in comparison.blocks.iter().flat_map(|block| &block.rows) {
        let note = row.paper.note.as_ref().map(|note| format!("{}: {note}", row.paper.name));
        notes.extend(note.filter(|note| !notes.contains(note)));
    }
    notes
}

/// Every number of the comparison, one row per point.
pub fn to_csv(comparison: &PaperComparison) -> Result<Vec<u8>> {
    let rows: Vec<(&Block, &Row)> =
        comparison.blocks.iter().flat_map(|block| block.rows.iter().map(move |row| (block, row))).collect();
    let spread = |name: &str, value: fn(&Spread) -> Option<f64>| {
        column(name, &rows, |(_, row)| row.cell.spread.as_ref().and_then(value))
    };
    let columns = vec![
        column("source", &rows, |_| comparison.table.source.clone()),
        column("at", &rows, |(block, _)| block.name.clone()),
        column("row", &rows, |(_, row)| row.paper.name.clone()),
        column("point", &rows, |(_, row)| row.point.clone()),
        column("seen", &rows, |(_, row)| format!("{:?}", comparison.table.seen(row.paper)).to_lowercase()),
        column("paper", &rows, |(_, row)| row.value),
        column("paper_rank", &rows, |(_, row)| row.rank.map(|rank| rank as f64 + 1.0)),
        column("quantity", &rows, |_| comparison.label.to_string()),
        spread("measured", |spread| Some(spread.mean)),
        spread("sd", |spread| spread.sd),
        column("n", &rows, |(_, row)| row.cell.spread.as_ref().map_or(0, |spread| spread.n as u64)),
        spread("low", |spread| spread.interval.map(|(low, _)| low)),
        spread("high", |spread| spread.interval.map(|(_, high)| high)),
        column("absolute", &rows, |(_, row)| row.reason.is_none()),
        column("reason", &rows, |(_, row)| {
            row.reason.and_then(|index| comparison.reasons.get(index)).cloned().unwrap_or_default()
        }),
    ];
    csv_of(&frame_of(rows.len(), columns)?)
}
