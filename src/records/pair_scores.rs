//! Scores of minimal pairs, pair by pair, as CSV: a trial's file per set and scorer, and anyone's files.
//!
//! ```text
//! set,paradigm,phenomenon,pair,scorer,good,bad,n_good,n_bad
//! blimp,adjunct_island,island_effects,0,disc_sum,-3.25,-4.125,8,8
//! ```
//!
//! Must never: pass on a score that is not finite, or drop a row. Next: `tasks/minimal_pairs/score.rs` makes
//! measures of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::escape::{csv_cell, csv_original};
use crate::formats::parse_whole_number;
use crate::formats::text_table::TextTable;

const HEADER: &str = "set,paradigm,phenomenon,pair,scorer,good,bad,n_good,n_bad";

/// The scores of one pair by one scorer.
#[derive(Clone, Debug, PartialEq)]
pub struct PairScore {
    /// The rule that the bad sentence breaks: `adjunct_island`.
    pub paradigm: String,
    /// The group of the paradigm: `island_effects`. Empty if it is not known.
    pub phenomenon: String,
    /// Number of the pair, unique within its paradigm.
    pub pair: u64,
    /// Score of the good sentence: a sum of log probabilities in nats.
    pub good: f64,
    /// Score of the bad sentence.
    pub bad: f64,
    /// Number of tokens in the sum for the good sentence; 0 in all pairs if it is not known.
    pub n_good: u32,
    /// The same for the bad sentence.
    pub n_bad: u32,
}

/// The scores of a set by one scorer.
#[derive(Clone, Debug, PartialEq)]
pub struct PairScores {
    /// The set: `blimp`.
    pub set: String,
    /// The scorer: `disc_sum`.
    pub scorer: String,
    /// One entry per pair, in the order of the file.
    pub scores: Vec<PairScore>,
}

/// The lines of a file of scores.
///
/// # Errors
/// A score is not finite; the message names the pair.
pub(super) fn to_csv(set: &str, scorer: &str, scores: &[PairScore]) -> Result<String> {
    let mut text = format!("{HEADER}\n");
    for PairScore { paradigm, phenomenon, pair, good, bad, n_good, n_bad } in scores {
        if !(good.is_finite() && bad.is_finite()) {
            let what = format!("the scores of pair {pair} of {paradigm} by {scorer} are {good} and {bad}");
            return Err(Error::new(ErrorKind::Training, what, "lower train.learning_rate"));
        }
        let [set, paradigm, phenomenon, scorer] =
            [set, paradigm.as_str(), phenomenon.as_str(), scorer].map(quoted);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{set},{paradigm},{phenomenon},{pair},{scorer},{good},{bad},{n_good},{n_bad}");
    }
    Ok(text)
}

/// A cell of CSV.
fn quoted(cell: &str) -> String {
    let cell = csv_cell(cell);
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

/// Where a pair stands in a file, to find repetitions: index of the scores, paradigm, number.
type PairKey = (usize, String, u64);

/// Reads a file of scores, its columns by name and in any order; `phenomenon`, `n_good` and `n_bad` may be
/// missing. The scores of each set and scorer are in the order of the file.
///
/// # Errors
/// The file cannot be read, a column is missing, a cell is no number or not finite, a pair occurs twice, or a
/// paradigm has two phenomena. The message names the line.
pub fn read_pair_scores(path: &Path) -> Result<Vec<PairScores>> {
    let table = TextTable::csv(path)?;
    let required = |name: &str| {
        table.column(&[name]).ok_or_else(|| {
            let what = format!("{} has no column {name}; its header is: {}", table.file(), table.header());
            Error::new(ErrorKind::Data, what, format!("write the columns {HEADER}"))
        })
    };
    let (mut paradigms, mut pairs) = (required("paradigm")?, required("pair")?);
    let (mut scorers, mut goods, mut bads) = (required("scorer")?, required("good")?, required("bad")?);
    let (mut phenomena, mut n_goods, mut n_bads) =
        (table.column(&["phenomenon"]), table.column(&["n_good"]), table.column(&["n_bad"]));
    let mut all: Vec<PairScores> = Vec::new();
    let mut lines: BTreeMap<PairKey, usize> = BTreeMap::new();
    let mut groups: BTreeMap<(usize, String), String> = BTreeMap::new();
    for (line, set) in required("set")? {
        let row = Row { file: table.file(), line };
        let score = PairScore {
            paradigm: row.name("paradigm", cell(&mut paradigms))?,
            phenomenon: csv_original(phenomena.as_mut().map_or("", cell)).into(),
            pair: row.number("pair", cell(&mut pairs))?,
            good: row.score("good", cell(&mut goods))?,
            bad: row.score("bad", cell(&mut bads))?,
            n_good: n_goods.as_mut().map_or(Ok(0), |cells| row.number("n_good", cell(cells)))?,
            n_bad: n_bads.as_mut().map_or(Ok(0), |cells| row.number("n_bad", cell(cells)))?,
        };
        let (set, scorer) = (row.name("set", set)?, row.name("scorer", cell(&mut scorers))?);
        let known = all.iter().position(|scores| scores.set == set && scores.scorer == scorer);
        let index = known.unwrap_or(all.len());
        if known.is_none() {
            all.push(PairScores { set, scorer, scores: Vec::new() });
        }
        if let Some(before) = lines.insert((index, score.paradigm.clone(), score.pair), line) {
            let what = format!("pair {} of {} occurs again, after line {before}", score.pair, score.paradigm);
            return Err(row.error(&what, "number the pairs of a paradigm, and write every pair once"));
        }
        let group = groups.entry((index, score.paradigm.clone())).or_insert_with(|| score.phenomenon.clone());
        if *group != score.phenomenon {
            let what = format!("{} belongs to {}, and before to {group}", score.paradigm, score.phenomenon);
            return Err(row.error(&what, "write the same phenomenon in all rows of a paradigm"));
        }
        if let Some(scores) = all.get_mut(index) {
            scores.scores.push(score);
        }
    }
    Ok(all)
}

/// The text of the next cell of a column.
fn cell<'a>(cells: &mut impl Iterator<Item = (usize, &'a str)>) -> &'a str {
    cells.next().map_or("", |(_, cell)| cell)
}

/// A line of a file.
struct Row<'a> {
    file: &'a str,
    line: usize,
}

impl Row<'_> {
    fn error(&self, what: &str, hint: &str) -> Error {
        Error::new(ErrorKind::Data, format!("{} line {}: {what}", self.file, self.line), hint)
    }

    fn name(&self, column: &str, cell: &str) -> Result<String> {
        if cell.is_empty() {
            return Err(self.error(&format!("{column} is empty"), "name it in every row"));
        }
        Ok(csv_original(cell).into())
    }

    fn number<N: std::str::FromStr + TryFrom<i64>>(&self, column: &str, cell: &str) -> Result<N> {
        let hint = "write a whole number, 0 or more";
        let number = cell.parse().ok().or_else(|| N::try_from(parse_whole_number(cell)?).ok());
        number.ok_or_else(|| self.error(&format!("{column} is \"{cell}\", not a whole number"), hint))
    }

    fn score(&self, column: &str, cell: &str) -> Result<f64> {
        let number = cell.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| {
            let hint = "write a finite number, larger for the more probable sentence: a log probability";
            self.error(&format!("{column} is \"{cell}\", not a finite number"), hint)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Vec<PairScores>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        std::fs::write(&path, text).unwrap();
        let shown = |error: Error| error.to_string().replace(&folder.path().display().to_string(), "DIR");
        read_pair_scores(&path).map_err(shown)
    }

    fn score(paradigm: &str, pair: u64, good: f64) -> PairScore {
        let phenomenon = format!("{paradigm}s");
        PairScore { paradigm: paradigm.into(), phenomenon, pair, good, bad: -2.5, n_good: 7, n_bad: 8 }
    }

    #[test]
    fn what_is_written_is_read() {
        let scores = vec![
            score("a, \"b\"", 0, -0.1 - 0.2),
            score("c", 0, -1e-9),
            score("c", 1, -123456.789),
            score("=1+1", 0, 0.5),
        ];
        let text = to_csv("blimp", "pll", &scores).unwrap();
        assert!(text.contains("blimp,'=1+1,'=1+1s,0,pll,0.5"), "{text}");
        let expected = PairScores { set: "blimp".into(), scorer: "pll".into(), scores };
        assert_eq!(read(&text), Ok(vec![expected]));
    }

    #[test]
    fn columns_have_any_order_and_some_may_be_missing() {
        let text =
            "bad,good,pair,paradigm,scorer,set,more\n-2,-1,3,a,x,s,?\n1e-3,0,3,a,y,s,?\n0,0,4,a,x,s,?\n";
        let read = read(text).unwrap();
        let shown: Vec<String> = read
            .iter()
            .flat_map(|one| one.scores.iter().map(move |score| (one, score)))
            .map(|(one, score)| format!("{} {} {} {}", one.scorer, score.pair, score.good, score.bad))
            .collect();
        assert_eq!(shown, ["x 3 -1 -2", "x 4 0 0", "y 3 0 0.001"]);
        let score = &read[0].scores[0];
        assert_eq!((score.phenomenon.as_str(), score.n_good, score.n_bad), ("", 0, 0));
    }

    #[test]
    fn a_bad_row_is_refused_by_line() {
        let with = |rows: &str| {
            read(&format!("set,paradigm,phenomenon,pair,scorer,good,bad,n_good\n{rows}")).unwrap_err()
        };
        insta::assert_snapshot!(with("s,a,p,0,x,-1,-2,3\ns,a,p,1,x,NaN,-2,3\n"), @r#"
        DIR/scores.csv line 3: good is "NaN", not a finite number
        hint: write a finite number, larger for the more probable sentence: a log probability
        "#);
        insta::assert_snapshot!(with("s,a,p,0,x,-1,-inf,3\n"), @r#"
        DIR/scores.csv line 2: bad is "-inf", not a finite number
        hint: write a finite number, larger for the more probable sentence: a log probability
        "#);
        insta::assert_snapshot!(with("s,a,p,0,x,-1,-2,3\ns,a,p,0,y,-1,-2,3\ns,a,p,0,x,-1,-2,3\n"), @r"
        DIR/scores.csv line 4: pair 0 of a occurs again, after line 2
        hint: number the pairs of a paradigm, and write every pair once
        ");
        insta::assert_snapshot!(with("s,a,p,0,x,-1,-2,3\ns,a,q,1,x,-1,-2,3\n"), @r"
        DIR/scores.csv line 3: a belongs to q, and before to p
        hint: write the same phenomenon in all rows of a paradigm
        ");
        insta::assert_snapshot!(with("s,a,p,0,x,-1,-2,3.5\n"), @r#"
        DIR/scores.csv line 2: n_good is "3.5", not a whole number
        hint: write a whole number, 0 or more
        "#);
        insta::assert_snapshot!(with("s,,p,0,x,-1,-2,3\n"), @r"
        DIR/scores.csv line 2: paradigm is empty
        hint: name it in every row
        ");
        insta::assert_snapshot!(read("set,paradigm,pair,good,bad\n").unwrap_err(), @r"
        DIR/scores.csv has no column scorer; its header is: set, paradigm, pair, good, bad
        hint: write the columns set,paradigm,phenomenon,pair,scorer,good,bad,n_good,n_bad
        ");
    }

    #[test]
    fn a_score_that_is_not_finite_is_not_written() {
        let error = to_csv("blimp", "pll", &[score("a", 4, f64::NAN)]).unwrap_err();
        assert_eq!(error.message, "the scores of pair 4 of a by pll are NaN and -2.5");
    }
}
