//! Tables of tab-separated cells under a header, without quoting: GLUE's own files and what its leaderboard takes.
//!
//! Must never: guess at a damaged line. Next: `glue_files.rs`.

use std::fs;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// A table; rows are numbered as lines of the file, the header being line 1.
pub struct Tsv {
    file: String,
    header: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Tsv {
    /// Reads a file. A byte order mark, carriage returns and empty lines at the end are dropped.
    ///
    /// # Errors
    /// The file cannot be read, is empty, or a line has not as many cells as the header.
    pub fn read(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| {
            let hint = "check the path and its permissions";
            Error::new(ErrorKind::Data, format!("cannot open {file}"), hint).because(error)
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let hint = "write the file as tab-separated text in UTF-8, or name it .parquet if it is Parquet";
            Error::new(ErrorKind::Data, format!("{file} is not text"), hint).because(error)
        })?;
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            let hint = "write a header and a line an example";
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
            let what =
                format!("{} line {line} has {} cells and its header {n_columns}", table.file, cells.len());
            let hint = "separate cells by one tab each, without quoting";
            return Err(Error::new(ErrorKind::Data, what, hint));
        }
        Ok(table)
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &Vec<String>)> {
        (2..).zip(&self.lines)
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The names of the columns, for messages.
    pub fn header(&self) -> String {
        self.header.join(", ")
    }

    /// The cells of the column of the first of these names that there is, each with its line.
    pub fn column<'a>(&'a self, names: &[&str]) -> Option<impl Iterator<Item = (usize, &'a str)> + use<'a>> {
        let place = names.iter().find_map(|name| self.header.iter().position(|found| found == name))?;
        Some(
            self.numbered().map(move |(line, cells)| (line, cells.get(place).map_or("", |cell| cell.trim()))),
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
    fn cells_come_with_their_lines() {
        let table = read("\u{feff}index\tlabel\r\n0\t\"yes\r\n1\t no \r\n\n".as_bytes()).ok().unwrap();
        let cells = |names: &[&str]| table.column(names).map(|cells| cells.collect::<Vec<_>>());
        assert_eq!(cells(&["idx", "index"]), Some(vec![(2, "0"), (3, "1")]));
        assert_eq!(cells(&["label"]), Some(vec![(2, "\"yes"), (3, "no")]));
        assert_eq!(cells(&["Label"]), None);
        assert_eq!(table.header(), "index, label");
    }

    #[test]
    fn damage_is_named() {
        insta::assert_snapshot!(read(b"index\tlabel\n0\t1\n\n1\t0\n").err().unwrap(), @r"
        DIR/a.tsv line 3 has 1 cells and its header 2
        hint: separate cells by one tab each, without quoting
        ");
        insta::assert_snapshot!(read(b"\n").err().unwrap(), @r"
        DIR/a.tsv is empty
        hint: write a header and a line an example
        ");
        insta::assert_snapshot!(read(b"index\xff").err().unwrap(), @r"
        DIR/a.tsv is not text: invalid utf-8 sequence of 1 bytes from index 5
        hint: write the file as tab-separated text in UTF-8, or name it .parquet if it is Parquet
        ");
    }
}
