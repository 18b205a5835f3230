//! Output: data on stdout, everything else on stderr.
//!
//! A closed stdout (`electra-lab plan … | head`) is no error; a full disk behind it is.

use std::io::{self, Write};

use super::terminal::stderr_has_colours;
use crate::error::{Error, ErrorKind, Result};
use crate::escape::{self, visible};

/// Writes data to stdout; control characters in it are shown.
pub fn data(text: &str) -> Result<()> {
    write_data(&mut io::stdout().lock(), &visible(text))
}

fn write_data(out: &mut impl Write, text: &str) -> Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::new(
            ErrorKind::Storage,
            "cannot write to standard output",
            "check where it is redirected to, and the free space there",
        )
        .because(error)),
        _ => Ok(()),
    }
}

/// Writes a value to stdout as indented JSON.
pub fn json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::internal("cannot write the value as JSON").because(error))?;
    write_data(&mut io::stdout().lock(), &format!("{}\n", escape::json(&text)))
}

/// Writes a sentence to stderr; control characters in it are shown. A closed stderr is ignored.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(text));
}

/// Writes an error to stderr.
pub fn error(error: &Error) {
    let _ = writeln!(io::stderr(), "{}", error_text(error, stderr_has_colours()));
}

fn error_text(error: &Error, colours: bool) -> String {
    let label = |word: &str, colour: u8| match colours {
        true => format!("\x1b[1;{colour}m{word}:\x1b[0m"),
        false => format!("{word}:"),
    };
    let mut text = format!("{} {}", label("error", 31), visible(&error.message));
    if !error.hint.is_empty() {
        text.push_str(&format!("\n{} {}", label("hint", 36), visible(&error.hint)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    struct FailingWriter(io::ErrorKind);

    impl Write for FailingWriter {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_ignored_and_a_full_disk_is_an_error() {
        assert!(write_data(&mut FailingWriter(io::ErrorKind::BrokenPipe), "text").is_ok());
        let error = write_data(&mut FailingWriter(io::ErrorKind::StorageFull), "text").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Storage);
    }

    #[test]
    fn errors_and_hints_have_labels_with_optional_colours() {
        let error = Error::new(ErrorKind::Spec, "seeds is empty", "list at least one");
        assert_eq!(error_text(&error, false), "error: seeds is empty\nhint: list at least one");
        assert!(error_text(&error, true).starts_with("\x1b[1;31merror:\x1b[0m seeds"));
        let raw = Error::new(ErrorKind::Data, "\u{1b}[31mred is not a column", "its columns are \u{9b}m");
        assert_eq!(
            error_text(&raw, false),
            "error: \\x1b[31mred is not a column\nhint: its columns are \\u{9b}m"
        );
        let silent = Error::new(ErrorKind::Interrupted, "interrupted", "");
        assert_eq!(error_text(&silent, false), "error: interrupted");
    }
}
