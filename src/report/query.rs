//! What the tables ask of a frame: rows by a word, groups of rows, the values of a column.
//!
//! Only the eager API of polars is used: its lazy API, which also has the pivot, would add 35 crates to every
//! build. Must never: know what a column means.

use polars::prelude::{ChunkCompareEq, DataFrame, DataType};

use crate::error::{Error, Result};
use crate::records::frame::broken;

/// The rows that have a word in a column.
pub fn rows_where(frame: &DataFrame, column: &str, word: &str) -> Result<DataFrame> {
    let mask = frame.column(column).and_then(|column| Ok(column.str()?.equal(word))).map_err(broken)?;
    frame.filter(&mask).map_err(broken)
}

/// The rows that agree in some columns, group by group: groups in the order of their first rows, and rows in
/// their own.
pub fn groups(frame: &DataFrame, by: &[&str]) -> Result<Vec<DataFrame>> {
    let mut groups = Vec::new();
    if frame.height() > 0 {
        let keep = |group: DataFrame| {
            groups.push(group.clone());
            Ok(group)
        };
        frame.group_by_stable(by).and_then(|grouped| grouped.apply(keep)).map_err(broken)?;
    }
    Ok(groups)
}

/// Whether there is such a column. A key that no trial has is no column.
pub fn has(frame: &DataFrame, column: &str) -> bool {
    frame.column(column).is_ok()
}

/// A column as numbers; truth values are 0 and 1, an empty cell is None.
pub fn numbers(frame: &DataFrame, column: &str) -> Result<Vec<Option<f64>>> {
    let cast = frame.column(column).and_then(|column| column.cast(&DataType::Float64)).map_err(broken)?;
    Ok(cast.f64().map_err(broken)?.iter().collect())
}

/// A column of numbers, none of which may be missing.
pub fn all_numbers(frame: &DataFrame, column: &str) -> Result<Vec<f64>> {
    let missing = || Error::internal(format!("the column {column} of the records has an empty cell"));
    numbers(frame, column)?.into_iter().map(|value| value.ok_or_else(missing)).collect()
}

/// A column of whole numbers, none of which may be missing.
pub fn integers(frame: &DataFrame, column: &str) -> Result<Vec<u64>> {
    let missing = || Error::internal(format!("the column {column} of the records has an empty cell"));
    let cast = frame.column(column).and_then(|column| column.cast(&DataType::UInt64)).map_err(broken)?;
    cast.u64().map_err(broken)?.iter().map(|value| value.ok_or_else(missing)).collect()
}

/// A column as text; an empty cell is None.
pub fn texts(frame: &DataFrame, column: &str) -> Result<Vec<Option<String>>> {
    let cast = frame.column(column).and_then(|column| column.cast(&DataType::String)).map_err(broken)?;
    Ok(cast.str().map_err(broken)?.iter().map(|text| text.map(String::from)).collect())
}

/// The text of a column in the first row; empty if the cell is.
pub fn first_text(frame: &DataFrame, column: &str) -> Result<String> {
    Ok(texts(&frame.head(Some(1)), column)?.into_iter().flatten().next().unwrap_or_default())
}

/// The number of a column in the first row; None if the cell is empty.
pub fn first_number(frame: &DataFrame, column: &str) -> Result<Option<f64>> {
    Ok(numbers(&frame.head(Some(1)), column)?.into_iter().flatten().next())
}

/// The whole number of a column in the first row.
pub fn first_integer(frame: &DataFrame, column: &str) -> Result<u64> {
    let first = integers(&frame.head(Some(1)), column)?.into_iter().next();
    first.ok_or_else(|| Error::internal(format!("the column {column} of the records has no row")))
}

/// The distinct texts of a column in the order in which they first occur, with the number of their rows.
pub fn counts(frame: &DataFrame, column: &str) -> Result<Vec<(Option<String>, usize)>> {
    let count = |group: DataFrame| Ok((texts(&group, column)?.into_iter().next().flatten(), group.height()));
    groups(frame, &[column])?.into_iter().map(count).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    #[test]
    fn groups_keep_the_order_of_their_rows() {
        let frame =
            df!("task" => ["b", "a", "b"], "n" => [1u64, 2, 3], "value" => [Some(0.5), None, Some(1.5)])
                .unwrap();
        let grouped = groups(&frame, &["task"]).unwrap();
        assert_eq!(grouped.len(), 2);
        assert_eq!(numbers(&grouped[0], "n").unwrap(), [Some(1.0), Some(3.0)]);
        assert_eq!(numbers(&grouped[1], "value").unwrap(), [None]);
        assert!(groups(&rows_where(&frame, "task", "c").unwrap(), &["task"]).unwrap().is_empty());
        assert_eq!(counts(&frame, "task").unwrap(), [(Some("b".into()), 2), (Some("a".into()), 1)]);
        assert!(
            !has(&frame, "missing")
                && counts(&frame, "missing").is_err()
                && texts(&frame, "missing").is_err()
        );
        assert_eq!(first_text(&frame, "n").unwrap(), "1");
        assert!(all_numbers(&frame, "value").is_err());
    }
}
