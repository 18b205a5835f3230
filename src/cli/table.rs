//! Plain-text tables for a terminal, and short forms of large numbers.

use crate::report::Table;

/// A column: its heading, and whether its cells are numbers, which are aligned to the right.
pub struct Column {
    heading: &'static str,
    is_number: bool,
}

/// A column of words.
pub const fn words(heading: &'static str) -> Column {
    Column { heading, is_number: false }
}

/// A column of numbers.
pub const fn numbers(heading: &'static str) -> Column {
    Column { heading, is_number: true }
}

/// The table as text: two spaces between columns, no spaces at the ends of lines.
pub fn table<const N: usize>(columns: &[Column; N], rows: &[[String; N]]) -> String {
    let mut table = Table::aligned(columns.iter().map(|column| (column.heading, !column.is_number)));
    rows.iter().for_each(|row| table.row(row.to_vec()));
    table.to_lines().join("\n") + "\n"
}

/// `950`, `12.3k`, `4.1M`, `2.5G`, `1.0T`.
pub fn count_text(count: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)];
    let value = count as f64;
    UNITS
        .iter()
        .find(|(_, size)| value >= *size)
        .map_or_else(|| count.to_string(), |(unit, size)| format!("{:.1}{unit}", value / size))
}

/// A value, or a dash.
pub fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let row = |name: &str, n: &str| [name.to_string(), n.to_string(), "x".to_string()];
        let rows = [row("a long name", "7"), row("µ", "1000000")];
        let text = table(&[words("name"), numbers("n"), words("last")], &rows);
        insta::assert_snapshot!(text, @r"
        name               n  last
        a long name        7  x
        µ            1000000  x
        ");
        assert!(text.lines().all(|line| !line.ends_with(' ')));
    }

    #[test]
    fn large_counts_are_shortened() {
        let texts = [0, 999, 1000, 13_549_314, 3_300_000_000].map(count_text);
        assert_eq!(texts, ["0", "999", "1.0k", "13.5M", "3.3G"]);
    }
}
