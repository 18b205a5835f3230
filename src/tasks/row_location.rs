//! Where an example is in its file, for errors.

use crate::error::{Error, ErrorKind, Result};

/// A row of a file, numbered from 0.
pub(super) struct RowLocation<'a> {
    pub file: &'a str,
    pub row: usize,
    /// The remedy of every error in this file.
    pub hint: &'static str,
}

impl RowLocation<'_> {
    /// An error of this row.
    pub fn error(&self, what: &str) -> Error {
        Error::new(ErrorKind::Data, format!("row {} of {} {what}", self.row, self.file), self.hint)
    }

    /// A text that is not blank.
    pub fn text(&self, text: Option<String>, column: &str) -> Result<String> {
        match text {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.error(&format!("has an empty \"{column}\""))),
        }
    }
}
