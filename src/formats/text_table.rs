//! Tables of tab-separated cells with a header line and without quoting: GLUE's own files, and submissions to
//! it.
//!
//! The crate csv skips empty lines silently and would save no code, so it is not used.
//! Must never: accept a line with a wrong number of cells. Next: `tasks/glue/files.rs`.

use std::fs;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// A table; its rows are numbered by the lines of the file, and the header is line 1.
pub struct Tsv {
    file: String,
    header: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Tsv {
    /// Reads a file. Drops a byte order mark, carriage returns, and empty lines at the end.
    ///
    /// # Errors
    /// The file cannot be read or is empty, or a line has not the same number of cells as the header.
    pub fn read(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| {
            let hint = "check the path and its permissions";
            Error::new(ErrorKind::Data, format!("cannot open {file}"), hint).because(error)
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let hint =
                "write tab-separated text in UTF-8; if the file is Parquet, its name must end in .parquet";
            Error::new(ErrorKind::Data, format!("{file} is not UTF-8 text"), hint).because(error)
        })?;
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            let hint = "write a header line, and one line per example";
            return Err(Error::new(ErrorKind::Data, format!("{file} is empty"), hint));
        }
        let mut lines = text.split('\n').map(|line| {
            let cells = line.trim_end_matches('\r').split('\t');
            cells.map(str::to_string).collect::<Vec<_>>()
        });
        let header = lines.next().unwrap_or_default();
        let table = Self { file, header, lines: lines.collect() };
        let n_columns = table.header.len();
        if let Some((line, cells)) = table.numbered().find(|(_, cells)| cells.len() != n_columns) {
            let what = format!(
                "{} line {line} has {} cells, but the header has {n_columns}",
                table.file,
                cells.len()
            );
            let hint = "separate cells by one tab; do not quote them";
            return Err(Error::new(ErrorKind::Data, what, hint));
        }
        Ok(table)
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &Vec<String>)> {
        (2..).zip(&self.lines)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> std::result::Result<Tsv, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsv");
        fs::write(&path, bytes).unwrap();
        Tsv::read(&path)
            .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "DIR"))
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
