//! Reads documents: of the built-in language, from Parquet columns, from text files.
//!
//! A document is a list of lines, none of them blank. Files are read in chunks, so memory stays bounded, and
//! always in the same order. Must never: tokenise. Next: `source.rs` says which documents, `build.rs` packs
//! them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::sentences::sentences;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::SentenceRule;
use crate::formats::git_lfs::refuse_pointer_file;
use crate::formats::parquet::{FileOrigin, ParquetFile, text_column};
use crate::text::synthetic;

/// Lines of one document.
pub type Document = Vec<String>;

/// Most documents of a chunk: enough to keep every thread busy.
const CHUNK_DOCUMENTS: usize = 2048;
/// A chunk ends when its text reaches this many bytes.
const CHUNK_BYTES: usize = 16 << 20;

/// Documents, not yet read.
#[derive(Clone, Debug)]
pub enum Documents {
    /// Documents 0 to `n - 1` of the built-in language.
    Language {
        /// The seed of the language.
        seed: u64,
        /// How many documents.
        n: u64,
    },
    /// Documents from files, in this order.
    Files {
        /// A name that ends in `.txt` is a text file; all others are Parquet.
        paths: Vec<PathBuf>,
        /// The column of text in Parquet files.
        column: String,
        /// At most this many documents.
        limit: Option<u64>,
        /// Whether lines are split into sentences.
        sentences: SentenceRule,
        /// Where the files come from, for the remedy if one is damaged.
        origin: FileOrigin,
    },
}

impl Documents {
    /// The number of documents; None if the files must be read to count them.
    pub fn count(&self) -> Result<Option<u64>> {
        let (paths, limit, origin) = match self {
            Self::Language { n, .. } => return Ok(Some(*n)),
            Self::Files { paths, limit, origin, .. } => (paths, *limit, *origin),
        };
        let mut rows = 0;
        for path in paths {
            if is_text(path) {
                return Ok(None);
            }
            rows += ParquetFile::open(path, origin)?.n_rows() as u64;
        }
        Ok(Some(rows.min(limit.unwrap_or(u64::MAX))))
    }

    /// Calls `each` with all documents, in order, in chunks.
    ///
    /// # Errors
    /// A file cannot be read, or `each` fails.
    pub fn read(&self, each: &mut dyn FnMut(Vec<Document>) -> Result<()>) -> Result<()> {
        match self {
            Self::Language { seed, n } => {
                for start in (0..*n).step_by(CHUNK_DOCUMENTS) {
                    let end = (start + CHUNK_DOCUMENTS as u64).min(*n);
                    each(
                        (start..end).into_par_iter().map(|index| synthetic::document(*seed, index)).collect(),
                    )?;
                }
                Ok(())
            }
            Self::Files { paths, column, limit, sentences, origin } => {
                let left = limit.unwrap_or(u64::MAX);
                let mut chunk =
                    DocumentChunk { documents: Vec::new(), bytes: 0, left, sentences: *sentences, each };
                for path in paths {
                    if is_text(path) {
                        read_text(path, &mut chunk)?;
                    } else {
                        read_parquet(path, *origin, column, &mut chunk)?;
                    }
                }
                chunk.flush()
            }
        }
    }
}

/// Collects documents until a chunk is full.
struct DocumentChunk<'a> {
    documents: Vec<Document>,
    bytes: usize,
    left: u64,
    sentences: SentenceRule,
    each: &'a mut dyn FnMut(Vec<Document>) -> Result<()>,
}

impl DocumentChunk<'_> {
    fn push(&mut self, document: Document) -> Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        self.bytes += document.iter().map(String::len).sum::<usize>();
        self.documents.push(document);
        if self.bytes >= CHUNK_BYTES || self.documents.len() >= CHUNK_DOCUMENTS {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.bytes = 0;
        let mut documents = std::mem::take(&mut self.documents);
        if self.sentences == SentenceRule::Split {
            documents.par_iter_mut().for_each(|document| *document = split(document));
        }
        (self.each)(documents)
    }
}

/// The sentences of a document's lines.
fn split(document: &Document) -> Document {
    document.iter().flat_map(|line| sentences(line)).map(String::from).collect()
}

/// Whether a file is a text file by its name.
pub fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt"))
}

/// Reads one document per row, its lines split at newlines; a row without text is a document without lines.
fn read_parquet(path: &Path, origin: FileOrigin, column: &str, chunk: &mut DocumentChunk<'_>) -> Result<()> {
    let file = ParquetFile::open(path, origin)?;
    for rows in file.slices() {
        if chunk.left == 0 {
            return Ok(());
        }
        let wanted = usize::try_from(chunk.left).unwrap_or(usize::MAX);
        let rows = rows.start..rows.end.min(rows.start.saturating_add(wanted));
        let frame = file.read(&[column], rows)?;
        for text in text_column(&frame, column, &path.display().to_string())? {
            let text = text.unwrap_or_default();
            chunk.push(
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect(),
            )?;
        }
    }
    Ok(())
}

/// Reads one sentence per line; a blank line ends a document.
fn read_text(path: &Path, chunk: &mut DocumentChunk<'_>) -> Result<()> {
    let unreadable = |line: usize| {
        Error::new(
            ErrorKind::Data,
            format!("cannot read line {line} of {}", path.display()),
            "write text files in UTF-8 with one sentence per line and a blank line between documents",
        )
    };
    let file = File::open(path).map_err(|error| unreadable(1).because(error))?;
    refuse_pointer_file(path)?;
    let mut document = Document::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        if chunk.left == 0 {
            return Ok(());
        }
        let line = line.map_err(|error| unreadable(number + 1).because(error))?;
        match line.trim() {
            "" if document.is_empty() => {}
            "" => chunk.push(std::mem::take(&mut document))?,
            sentence => document.push(sentence.to_string()),
        }
    }
    if document.is_empty() { Ok(()) } else { chunk.push(document) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::parquet::tests::write;
    use polars::prelude::df;

    fn all(documents: &Documents) -> Result<Vec<Document>> {
        let mut found = Vec::new();
        documents.read(&mut |chunk| {
            found.extend(chunk);
            Ok(())
        })?;
        Ok(found)
    }

    fn files(paths: Vec<PathBuf>, limit: Option<u64>) -> Documents {
        let (column, sentences) = ("text".into(), SentenceRule::Line);
        Documents::Files { paths, column, limit, sentences, origin: FileOrigin::Local }
    }

    #[test]
    fn paragraphs_are_split_into_sentences() {
        let folder = tempfile::tempdir().unwrap();
        let (text, parquet) = (folder.path().join("a.txt"), folder.path().join("b.parquet"));
        std::fs::write(&text, "One. Two!\nThree is Mr. X.\n\nFour? five").unwrap();
        write(&parquet, df!("text" => [Some("A b. C d.\n\ne"), None]).unwrap());
        let mut documents = files(vec![text, parquet], None);
        let Documents::Files { sentences, .. } = &mut documents else { panic!("files") };
        *sentences = SentenceRule::Split;
        let expected: [&[&str]; 4] =
            [&["One.", "Two!", "Three is Mr. X."], &["Four? five"], &["A b.", "C d.", "e"], &[]];
        assert_eq!(all(&documents).unwrap(), expected);
        assert_eq!(documents.count().unwrap(), None);
    }

    #[test]
    fn text_and_parquet_give_documents_of_lines() {
        let folder = tempfile::tempdir().unwrap();
        let (text, parquet) = (folder.path().join("a.txt"), folder.path().join("b.parquet"));
        std::fs::write(&text, "\n\nOne.\r\n Two. \n\n\nThree.").unwrap();
        write(&parquet, df!("text" => [Some("x\n\ny\n"), None, Some("z")]).unwrap());
        let expected: [&[&str]; 5] = [&["One.", "Two."], &["Three."], &["x", "y"], &[], &["z"]];
        assert_eq!(all(&files(vec![text.clone(), parquet.clone()], None)).unwrap(), expected);
        assert_eq!(all(&files(vec![text.clone(), parquet.clone()], Some(3))).unwrap(), expected[..3]);
        assert_eq!(all(&files(vec![parquet.clone(), text.clone()], Some(1))).unwrap(), expected[2..3]);
        assert_eq!(files(vec![parquet.clone()], Some(2)).count().unwrap(), Some(2));
        assert_eq!(files(vec![parquet.clone()], None).count().unwrap(), Some(3));
        assert_eq!(files(vec![parquet, text], None).count().unwrap(), None);
    }

    #[test]
    fn the_language_is_read_in_order() {
        let documents = all(&Documents::Language { seed: 4, n: 3000 }).unwrap();
        assert_eq!(documents.len(), 3000);
        assert_eq!(documents[2999], synthetic::document(4, 2999));
    }

    #[test]
    fn a_git_lfs_pointer_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, crate::formats::git_lfs::tests::POINTER).unwrap();
        let error = all(&files(vec![path], None)).unwrap_err();
        assert!(error.message.contains("is a Git LFS pointer"), "{error}");
    }

    #[test]
    fn invalid_utf8_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, b"fine\n\xff\xfe\n").unwrap();
        let error = all(&files(vec![path], None)).unwrap_err();
        assert!(error.message.starts_with("cannot read line 2 of "), "{error}");
    }
}
