//! Reads Parquet files into polars frames; errors name the file, its columns and a remedy.
//!
//! Must never: hold more than one slice of a file in memory.

use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{ArrowDataType, ArrowSchema, DataFrame, DataType, ParquetReader, SerReader};

use super::git_lfs::refuse_pointer_file;
use super::parquet_pages::{self, ColumnChunk};
use crate::error::{Error, ErrorKind, Result, catching_panics};

/// Target size of one slice, in decoded bytes.
const SLICE_BYTES: usize = 128 << 20;

/// The bytes that a Parquet file begins and ends with.
const MAGIC: [u8; 4] = *b"PAR1";

/// Where a file comes from, which decides the remedy if it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOrigin {
    /// The hub's cache; the file can be downloaded again.
    Hub,
    /// A local file, which the user must mend.
    Local,
}

/// One Parquet file.
pub struct ParquetFile {
    path: PathBuf,
    origin: FileOrigin,
    n_rows: usize,
    schema: Arc<ArrowSchema>,
    slices: Vec<Range<usize>>,
    groups: Vec<RowGroup>,
}

/// A row group: its rows in the file, its size when decoded, and its columns.
struct RowGroup {
    rows: Range<usize>,
    bytes: usize,
    chunks: Vec<ColumnChunk>,
}

/// More rows than any file has; sums of a few numbers below it do not overflow.
const MOST_ROWS: usize = 1 << 40;
/// A file's decoded size is at most so many times its own: a larger figure of a damaged footer would make
/// millions of slices.
const MOST_GROWTH: usize = 1 << 10;

impl ParquetFile {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// The file is missing, truncated or not Parquet.
    pub fn open(path: &Path, origin: FileOrigin) -> Result<Self> {
        let damaged =
            |error: &dyn Display| unusable(path, origin, "is damaged").because(without_prefix(error));
        let mut file = open_file(path)?;
        check_magic(&mut file, path, origin)?;
        let mut reader = ParquetReader::new(file);
        let schema = or_damaged(path, origin, || reader.schema().map_err(|error| damaged(&error)))?;
        let mut n_rows = 0usize;
        let groups: Vec<RowGroup> = or_damaged(path, origin, || {
            let metadata = reader.get_metadata().map_err(|error| damaged(&error))?;
            let mut groups = Vec::new();
            for group in &metadata.row_groups {
                let chunks: Option<Vec<ColumnChunk>> = (group.parquet_columns().iter())
                    .map(|column| {
                        let (bytes, path) = (column.byte_range(), &column.descriptor().path_in_schema);
                        let n_values = u64::try_from(column.num_values()).ok()?;
                        // Without repetition a row is a value.
                        let is_repeated = column.descriptor().descriptor.max_rep_level > 0;
                        let fits = is_repeated || n_values == group.num_rows() as u64;
                        let length = bytes.end.checked_sub(bytes.start).filter(|_| fits)?;
                        let column = path.first()?.to_string();
                        Some(ColumnChunk { column, start: bytes.start, length, n_values })
                    })
                    .collect();
                let end = n_rows.checked_add(group.num_rows()).filter(|end| *end <= MOST_ROWS);
                let (Some(chunks), Some(end)) = (chunks, end) else {
                    return Err(damaged(&"its footer disagrees with itself"));
                };
                groups.push(RowGroup { rows: n_rows..end, bytes: group.total_byte_size(), chunks });
                n_rows = end;
            }
            match metadata.num_rows == n_rows {
                true => Ok(groups),
                false => Err(damaged(&"its footer disagrees with itself")),
            }
        })?;
        let n_bytes = std::fs::metadata(path).map_or(0, |file| file.len() as usize);
        let most = n_bytes.saturating_mul(MOST_GROWTH);
        let slices = slices(groups.iter().map(|group| (group.rows.len(), group.bytes.min(most))));
        Ok(Self { path: path.to_path_buf(), origin, n_rows, schema, slices, groups })
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Row ranges of bounded size that cover the file: row groups, or parts of large ones.
    pub fn slices(&self) -> &[Range<usize>] {
        &self.slices
    }

    /// Reads some columns of some rows.
    ///
    /// # Errors
    /// A column is missing (the message lists the existing ones), has a type that is not read, or the rows
    /// cannot be decoded.
    pub fn read(&self, columns: &[&str], rows: Range<usize>) -> Result<DataFrame> {
        for column in columns {
            self.check_column(column)?;
        }
        self.check_pages(columns, &rows)?;
        let row_range = || format!("rows {} to {}", rows.start, rows.end);
        let reader = ParquetReader::new(open_file(&self.path)?)
            .with_columns(Some(columns.iter().map(|name| name.to_string()).collect()))
            .with_slice(Some((rows.start, rows.len())));
        let damaged = || unusable(&self.path, self.origin, "is damaged");
        let frame = or_damaged(&self.path, self.origin, || {
            reader
                .finish()
                .map_err(|error| damaged().because(format!("{}: {}", row_range(), without_prefix(&error))))
        })?;
        if frame.height() == rows.len() {
            return Ok(frame);
        }
        Err(damaged().because(format!("{} gave only {}", row_range(), frame.height())))
    }

    /// Checks the pages that hold some columns of some rows.
    fn check_pages(&self, columns: &[&str], rows: &Range<usize>) -> Result<()> {
        let mut file = open_file(&self.path)?;
        let holds = |group: &&RowGroup| group.rows.start < rows.end && rows.start < group.rows.end;
        let chunks = self.groups.iter().filter(holds).flat_map(|group| &group.chunks);
        for chunk in chunks.filter(|chunk| columns.contains(&chunk.column.as_str())) {
            parquet_pages::check(&mut file, chunk).map_err(|reason| {
                unusable(&self.path, self.origin, "is damaged")
                    .because(format!("column {}: {reason}", chunk.column))
            })?;
        }
        Ok(())
    }

    fn check_column(&self, column: &str) -> Result<()> {
        let Some(field) = self.schema.get(column) else {
            let columns: Vec<&str> = self.schema.iter_names().map(|name| name.as_str()).collect();
            return Err(Error::new(
                ErrorKind::Data,
                format!("{} has no column \"{column}\"", self.path.display()),
                format!("its columns are {}", columns.join(", ")),
            ));
        };
        if is_read(field.dtype()) {
            return Ok(());
        }
        let what = format!("column \"{column}\" of {} has the type {:?}", self.path.display(), field.dtype());
        let hint = "write numbers as whole numbers (int64) or float64, and texts as strings";
        Err(Error::new(ErrorKind::Data, what, hint))
    }
}

/// Whether a type is read: numbers, truth values, texts (as categories too), nulls, and lists and structs of
/// them.
fn is_read(kind: &ArrowDataType) -> bool {
    use ArrowDataType as Kind;
    match kind {
        Kind::Null | Kind::Boolean | Kind::Utf8 | Kind::LargeUtf8 | Kind::Utf8View => true,
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => true,
        Kind::UInt8 | Kind::UInt16 | Kind::UInt32 | Kind::UInt64 | Kind::Float32 | Kind::Float64 => true,
        Kind::Dictionary(_, values, _) => is_read(values),
        Kind::List(field) | Kind::LargeList(field) => is_read(field.dtype()),
        Kind::Struct(fields) => fields.iter().all(|field| is_read(field.dtype())),
        _ => false,
    }
}

/// Whether a file is Parquet by its name.
pub fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}

/// A column of text, row by row; None for a null.
///
/// # Errors
/// The column has another type, which the message names.
pub fn text_column(frame: &DataFrame, column: &str, file: &str) -> Result<Vec<Option<String>>> {
    let wrong = |found: &str| {
        Error::new(
            ErrorKind::Data,
            format!("column \"{column}\" of {file} holds {found}, not text"),
            "name a column of strings",
        )
    };
    let values = frame.column(column).map_err(|error| wrong("nothing").because(error))?;
    let values = match values.dtype() {
        DataType::String => values.clone(),
        // A file of nulls only may not say what they would be; pandas writes repeated texts as categories.
        DataType::Null | DataType::Categorical(..) | DataType::Enum(..) => values
            .cast(&DataType::String)
            .map_err(|error| wrong(&values.dtype().to_string()).because(error))?,
        other => return Err(wrong(&other.to_string())),
    };
    let values = values.str().map_err(|error| wrong("something else").because(error))?;
    Ok(values.iter().map(|value| value.map(str::to_string)).collect())
}

/// A column of numbers or truth values, row by row; None for a null.
///
/// # Errors
/// The column has another type, which the message names.
pub fn number_column(frame: &DataFrame, column: &str, file: &str) -> Result<Vec<Option<f64>>> {
    let wrong = |found: String| {
        let what = format!("column \"{column}\" of {file} holds {found}, not numbers");
        Error::new(ErrorKind::Data, what, "name a column of numbers, or write it as whole numbers (int64)")
    };
    let values = frame.column(column).map_err(|error| wrong("nothing".into()).because(error))?;
    let kind = values.dtype();
    if !(kind.is_primitive_numeric() || matches!(kind, DataType::Boolean | DataType::Null)) {
        return Err(wrong(kind.to_string()));
    }
    let values = values.cast(&DataType::Float64).map_err(|error| wrong(kind.to_string()).because(error))?;
    let values = values.f64().map_err(|error| wrong(kind.to_string()).because(error))?;
    Ok(values.iter().collect())
}

fn open_file(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| {
        Error::new(
            ErrorKind::Data,
            format!("cannot open {}", path.display()),
            "check the path and its permissions",
        )
        .because(error)
    })
}

/// An unusable file. The remedy never asks to delete a local file.
fn unusable(path: &Path, origin: FileOrigin, what: &str) -> Error {
    let hint = match origin {
        FileOrigin::Hub => "delete the file and run `electra-lab fetch` to download it again",
        FileOrigin::Local => "write the file again, or name another one",
    };
    Error::new(ErrorKind::Data, format!("{} {what}", path.display()), hint)
}

/// Checks the bytes at both ends before polars does, whose error messages for this case are unclear.
fn check_magic(file: &mut File, path: &Path, origin: FileOrigin) -> Result<()> {
    let mut has_magic = |position: SeekFrom| {
        let mut bytes = [0; MAGIC.len()];
        let read = file.seek(position).and_then(|_| file.read_exact(&mut bytes));
        read.is_ok() && bytes == MAGIC
    };
    if !has_magic(SeekFrom::Start(0)) {
        refuse_pointer_file(path)?;
        return Err(unusable(path, origin, "is not a Parquet file"));
    }
    if !has_magic(SeekFrom::End(-(MAGIC.len() as i64))) {
        return Err(unusable(path, origin, "is a Parquet file whose end is missing"));
    }
    file.rewind().map_err(|error| unusable(path, origin, "cannot be read").because(error))
}

/// An error of polars without the prefix that all of them have.
fn without_prefix(error: &dyn Display) -> String {
    error.to_string().replace("parquet: ", "").replace("File out of specification: ", "")
}

/// Runs polars on a file and turns its panics into errors: some damaged headers make it panic.
fn or_damaged<T>(path: &Path, origin: FileOrigin, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catching_panics(work)
        .unwrap_or_else(|| Err(unusable(path, origin, "is damaged").because("it cannot be decoded")))
}

/// Splits row groups of (rows, bytes) into ranges of at most about [`SLICE_BYTES`].
fn slices(groups: impl Iterator<Item = (usize, usize)>) -> Vec<Range<usize>> {
    let mut slices = Vec::new();
    let mut start = 0;
    for (rows, bytes) in groups {
        let end = start + rows;
        let step = rows.div_ceil(bytes.div_ceil(SLICE_BYTES).max(1)).max(1);
        while start < end {
            slices.push(start..end.min(start + step));
            start += step;
        }
        start = end;
    }
    slices
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use polars::prelude::*;

    /// Writes a frame as Parquet with small row groups.
    pub fn write(path: &Path, mut frame: DataFrame) {
        ParquetWriter::new(File::create(path).unwrap())
            .with_row_group_size(Some(2))
            .finish(&mut frame)
            .unwrap();
    }

    fn frame() -> DataFrame {
        df!("text" => ["a", "b", "c", "d", "e"], "n" => [1i64, 2, 3, 4, 5]).unwrap()
    }

    #[test]
    fn slices_cover_row_groups() {
        let cut = |groups: &[(usize, usize)]| slices(groups.iter().copied());
        assert_eq!(cut(&[(10, 1), (0, 0), (5, SLICE_BYTES)]), [0..10, 10..15]);
        assert_eq!(cut(&[(10, 3 * SLICE_BYTES), (2, 9)]), [0..4, 4..8, 8..10, 10..12]);
        assert_eq!(cut(&[(2, 9 * SLICE_BYTES)]), [0..1, 1..2]);
    }

    #[test]
    fn columns_and_rows_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path, frame());
        let file = ParquetFile::open(&path, FileOrigin::Hub).unwrap();
        assert_eq!((file.n_rows(), file.slices().iter().map(|rows| rows.len()).sum::<usize>()), (5, 5));
        let part = file.read(&["text"], 1..4).unwrap();
        assert_eq!(part.shape(), (3, 1));
        let texts = text_column(&part, "text", "a.parquet").unwrap();
        assert_eq!(texts, [Some("b".to_string()), Some("c".to_string()), Some("d".to_string())]);
    }

    /// The columns of a file that pyarrow wrote: small numbers, truth values, a dictionary of texts, nulls.
    #[test]
    fn columns_of_other_types_are_read() {
        let path = Path::new("tests/golden/columns.parquet");
        let file = ParquetFile::open(path, FileOrigin::Local).unwrap();
        let read = |column: &str| file.read(&[column], 0..3);
        let texts = |column: &str| text_column(&read(column).unwrap(), column, "a.parquet").unwrap();
        let expected = [Some("b".to_string()), None, Some("b".to_string())];
        for column in ["text", "large_text", "category"] {
            assert_eq!(texts(column), expected, "{column}");
        }
        assert_eq!(texts("nulls"), [None, None, None]);
        for column in ["int8", "uint8", "int16", "uint16", "bool", "double"] {
            let numbers = number_column(&read(column).unwrap(), column, "a.parquet").unwrap();
            assert_eq!(numbers, [Some(0.0), Some(1.0), None], "{column}");
        }
        assert!(is_parquet(path) && is_parquet(Path::new("A.PARQUET")) && !is_parquet(Path::new("parquet")));
        let error = read("decimal").unwrap_err();
        assert!(
            error
                .message
                .starts_with("column \"decimal\" of tests/golden/columns.parquet has the type Decimal"),
            "{error}"
        );
        let error = text_column(&read("int8").unwrap(), "int8", "a.parquet").unwrap_err();
        assert!(error.message.contains("holds i8, not text"), "{error}");
    }

    #[test]
    fn errors_name_file_and_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path, frame());
        let show = |error: Error| error.to_string().replace(&folder.path().display().to_string(), "DIR");
        let file = ParquetFile::open(&path, FileOrigin::Hub).unwrap();
        insta::assert_snapshot!(show(file.read(&["body"], 0..1).unwrap_err()), @r#"
        DIR/a.parquet has no column "body"
        hint: its columns are text, n
        "#);
        let numbers = file.read(&["n"], 0..2).unwrap();
        insta::assert_snapshot!(show(text_column(&numbers, "n", "a.parquet").unwrap_err()), @r#"
        column "n" of a.parquet holds i64, not text
        hint: name a column of strings
        "#);
        let bytes = std::fs::read(&path).unwrap();
        let opened = |content: &[u8], origin| {
            std::fs::write(&path, content).unwrap();
            show(ParquetFile::open(&path, origin).err().expect("a damaged file was opened"))
        };
        for keep in [0, 3] {
            let text = opened(&bytes[..keep], FileOrigin::Local);
            assert!(text.starts_with("DIR/a.parquet is not a Parquet file\n"), "{text}");
        }
        for keep in [20, bytes.len() / 2, bytes.len() - 1] {
            let text = opened(&bytes[..keep], FileOrigin::Hub);
            assert!(
                text.starts_with("DIR/a.parquet is a Parquet file whose end is missing\nhint: delete"),
                "{text}"
            );
        }
        let text = opened(crate::formats::git_lfs::tests::POINTER.as_bytes(), FileOrigin::Local);
        assert!(text.starts_with("DIR/a.parquet is a Git LFS pointer"), "{text}");
        let empty = [MAGIC, [255; 4], MAGIC].concat();
        let text = opened(&empty, FileOrigin::Local);
        assert!(text.starts_with("DIR/a.parquet is damaged: "), "{text}");
        assert!(!text.contains("delete") && !text.contains("File out of specification"), "{text}");
        assert!(
            show(ParquetFile::open(&folder.path().join("no"), FileOrigin::Hub).err().unwrap())
                .starts_with("cannot open DIR/no")
        );
    }
}
