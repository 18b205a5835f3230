//! Tables of text with a header line: tab-separated cells without quoting (GLUE's own files, and submissions
//! to it), and comma-separated cells, quoted where they need it (scores of minimal pairs).
//!
//! The crate csv skips empty lines silently and would save no code, so it is not used.
//! Must never: accept a line with a wrong number of cells. Next: `tasks/glue/files.rs`,
//! `records/pair_scores.rs`.

use std::fs;
use std::path::Path;

use super::git_lfs::refuse_pointer;
use crate::error::{Error, ErrorKind, Result};

/// A table; its rows are numbered by the lines of the file, and the header is line 1.
pub struct TextTable {
    file: String,
    /// Line number of the first row.
    first: usize,
    header: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl TextTable {
    /// Reads tab-separated cells. Drops a byte order mark, carriage returns, and empty lines at the end.
    ///
    /// # Errors
    /// The file cannot be read or is empty, or a line has not the same number of cells as the header.
    pub fn tsv(path: &Path) -> Result<Self> {
        let not_text =
            "write tab-separated text in UTF-8; if the file is Parquet, its name must end in .parquet";
        let cells = |line: &str| Some(line.split('\t').map(String::from).collect());
        Self::read(path, not_text, cells, "separate cells by one tab; do not quote them")
    }

    /// Reads comma-separated cells (RFC 4180, without line breaks inside a cell) like [`Self::tsv`].
    ///
    /// # Errors
    /// Those of [`Self::tsv`]; a quote is not closed, or text follows it.
    pub fn csv(path: &Path) -> Result<Self> {
        let hint =
            "separate cells by commas; put a cell with a comma in double quotes, and double its own quotes";
        Self::read(path, "write comma-separated text in UTF-8", comma_separated, hint)
    }

    /// `cells` splits a line, or returns None for one that cannot be split.
    fn read(
        path: &Path,
        not_text: &str,
        cells: impl Fn(&str) -> Option<Vec<String>>,
        hint: &str,
    ) -> Result<Self> {
        let file = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| {
            let hint = "check the path and its permissions";
            Error::new(ErrorKind::Data, format!("cannot open {file}"), hint).because(error)
        })?;
        refuse_pointer(path, &bytes)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            Error::new(ErrorKind::Data, format!("{file} is not UTF-8 text"), not_text).because(error)
        })?;
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            let hint = "write a header line, and one line per example";
            return Err(Error::new(ErrorKind::Data, format!("{file} is empty"), hint));
        }
        let mut lines = Vec::new();
        for (line, text) in (1..).zip(text.split('\n')) {
            let Some(cells) = cells(text.trim_end_matches('\r')) else {
                let what = format!("{file} line {line} has a quote that is not closed, or text after it");
                return Err(Error::new(ErrorKind::Data, what, hint));
            };
            lines.push(cells);
        }
        let mut lines = lines.into_iter();
        let table = Self { file, first: 2, header: lines.next().unwrap_or_default(), lines: lines.collect() };
        let n_columns = table.header.len();
        if let Some((line, cells)) = table.numbered().find(|(_, cells)| cells.len() != n_columns) {
            let what = format!(
                "{} line {line} has {} cells, but the header has {n_columns}",
                table.file,
                cells.len()
            );
            return Err(Error::new(ErrorKind::Data, what, hint));
        }
        Ok(table)
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &Vec<String>)> {
        (self.first..).zip(&self.lines)
    }

    /// The cells of the first line.
    pub fn first_line(&self) -> &[String] {
        &self.header
    }

    /// The table of a file whose first line is a row, and whose columns have these names.
    pub fn without_header<const N: usize>(mut self, names: [&str; N]) -> Self {
        let first = std::mem::replace(&mut self.header, names.map(String::from).to_vec());
        self.lines.insert(0, first);
        Self { first: 1, ..self }
    }

    /// The path of the file, for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The names of the columns, for messages.
    pub fn header(&self) -> String {
        self.header.join(", ")
    }

    /// The cells of a column, each with its line number; the first of `names` that the header has.
    pub fn column<'a>(&'a self, names: &[&str]) -> Option<impl Iterator<Item = (usize, &'a str)> + use<'a>> {
        let index = names.iter().find_map(|name| self.header.iter().position(|found| found == name))?;
        Some(
            self.numbered().map(move |(line, cells)| (line, cells.get(index).map_or("", |cell| cell.trim()))),
        )
    }
}

/// The cells of a line of CSV; None if a quote is not closed, or if text follows it.
fn comma_separated(line: &str) -> Option<Vec<String>> {
    let (mut cells, mut rest) = (Vec::new(), line);
    loop {
        let (cell, after) = match rest.strip_prefix('"') {
            Some(quoted) => closing_quote(quoted)?,
            None => {
                let (cell, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                (cell.to_string(), after)
            }
        };
        cells.push(cell);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(cells),
        }
    }
}

/// The text up to the quote that closes it, with doubled quotes made single, and what follows the quote.
fn closing_quote(mut rest: &str) -> Option<(String, &str)> {
    let mut cell = String::new();
    loop {
        let (text, after) = rest.split_once('"')?;
        cell.push_str(text);
        match after.strip_prefix('"') {
            Some(more) => {
                cell.push('"');
                rest = more;
            }
            None => return Some((cell, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(
        bytes: &[u8],
        reader: fn(&Path) -> Result<TextTable>,
    ) -> std::result::Result<TextTable, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsv");
        fs::write(&path, bytes).unwrap();
        reader(&path).map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "DIR"))
    }

    fn read(bytes: &[u8]) -> std::result::Result<TextTable, String> {
        read_as(bytes, TextTable::tsv)
    }

    #[test]
    fn cells_with_commas_are_quoted() {
        let cells = |line| comma_separated(line).map(|cells| cells.join("|"));
        assert_eq!(cells("a,,\"b, \"\"c\"\"\",d e").as_deref(), Some("a||b, \"c\"|d e"));
        assert_eq!(cells("\"\",").as_deref(), Some("|"));
        assert_eq!(cells("a,\"b"), None);
        assert_eq!(cells("\"a\"b,c"), None);
        insta::assert_snapshot!(read_as(b"a,b\r\n1,2\n\"3,4\n", TextTable::csv).err().unwrap(), @r"
        DIR/a.tsv line 3 has a quote that is not closed, or text after it
        hint: separate cells by commas; put a cell with a comma in double quotes, and double its own quotes
        ");
    }

    #[test]
    fn cells_have_line_numbers() {
        let table = read("\u{feff}index\tlabel\r\n0\t\"yes\r\n1\t no \r\n\n".as_bytes()).ok().unwrap();
        let cells = |names: &[&str]| table.column(names).map(|cells| cells.collect::<Vec<_>>());
        assert_eq!(cells(&["idx", "index"]), Some(vec![(2, "0"), (3, "1")]));
        assert_eq!(cells(&["label"]), Some(vec![(2, "\"yes"), (3, "no")]));
        assert_eq!(cells(&["Label"]), None);
        assert_eq!(table.header(), "index, label");
    }

    #[test]
    fn errors_name_the_line() {
        insta::assert_snapshot!(read(b"index\tlabel\n0\t1\n\n1\t0\n").err().unwrap(), @r"
        DIR/a.tsv line 3 has 1 cells, but the header has 2
        hint: separate cells by one tab; do not quote them
        ");
        insta::assert_snapshot!(read(b"\n").err().unwrap(), @r"
        DIR/a.tsv is empty
        hint: write a header line, and one line per example
        ");
        insta::assert_snapshot!(read(b"index\xff").err().unwrap(), @r"
        DIR/a.tsv is not UTF-8 text: invalid utf-8 sequence of 1 bytes from index 5
        hint: write tab-separated text in UTF-8; if the file is Parquet, its name must end in .parquet
        ");
    }
}
