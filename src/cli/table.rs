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

/// How long ago something was, in its largest unit: `42 s ago`, `5 min ago`, `2 h ago`, `3 d ago`.
pub fn age_text(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{whole} s ago"),
        60..3600 => format!("{} min ago", whole / 60),
        3600..86400 => format!("{} h ago", whole / 3600),
        _ => format!("{} d ago", whole / 86400),
    }
}

/// Columns of a paragraph on a terminal.
const LINE: usize = 80;

/// A paragraph in lines of at most 80 columns: the first after `first`, the others after as many spaces as
/// `indent` says. A longer word has a line of its own.
pub fn paragraph(first: &str, indent: usize, text: &str) -> String {
    let (mut lines, mut line) = (String::new(), first.to_string());
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > LINE {
            lines.push_str(&line);
            lines.push('\n');
            (line, is_empty) = (" ".repeat(indent), true);
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines + &line + "\n"
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
    fn a_paragraph_keeps_its_width() {
        let text = paragraph("- ", 2, &"seven c ".repeat(20));
        assert!(text.lines().all(|line| line.chars().count() <= LINE && !line.ends_with(' ')), "{text}");
        assert!(text.starts_with("- seven c") && text.lines().nth(1).unwrap().starts_with("  "));
        assert_eq!(paragraph("", 0, &"x".repeat(100)), "x".repeat(100) + "\n");
    }

    #[test]
    fn large_counts_are_shortened() {
        let texts = [0, 999, 1000, 13_549_314, 3_300_000_000].map(count_text);
        assert_eq!(texts, ["0", "999", "1.0k", "13.5M", "3.3G"]);
    }
}
