//! Checks the headers of a Parquet file's pages before polars allocates what they ask for.
//!
//! A page says how many values it has and how large it is when decompressed, and polars believes it: a
//! damaged header ended the program with an allocation of 2 EiB. The headers are Thrift's compact protocol
//! (parquet-format, `PageHeader`). Pages themselves are skipped, so the check costs a read per page. Must
//! never: decode a value. Next: `parquet.rs`.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom};

/// The pages of a column in a row group.
#[derive(Clone, Debug)]
pub struct ColumnChunk {
    /// The column of the schema; a part of it where it is nested.
    pub column: String,
    /// First byte in the file.
    pub start: u64,
    /// Number of bytes.
    pub length: u64,
    /// Number of values by the footer.
    pub n_values: u64,
}

/// A page of this size may be decompressed whatever its compressed size is, in bytes.
const LARGE_PAGE: i64 = 64 << 20;
/// A larger one may be at most so many times its compressed size.
const MOST_COMPRESSION: i64 = 1 << 14;
/// Nested structs in a header; the format has three.
const MOST_DEPTH: usize = 8;
/// Bytes of one text in a header (a column's smallest and largest value).
const MOST_TEXT: u64 = 64 << 20;

// Field numbers of `PageHeader`, and of the two structs that count values.
const UNCOMPRESSED_SIZE: i16 = 2;
const COMPRESSED_SIZE: i16 = 3;
const COUNTS: [i16; 2] = [5, 8];
const DICTIONARY: i16 = 7;
const N_VALUES: i16 = 1;

/// Checks the headers of a chunk's pages.
///
/// # Errors
/// A header cannot be read, or asks for more than the file can have; the text says what.
pub fn check(file: &mut (impl Read + Seek), chunk: &ColumnChunk) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("a page header cannot be read: {error}");
    file.seek(SeekFrom::Start(chunk.start)).map_err(unreadable)?;
    let mut reader = Reader { bytes: BufReader::new(file), n_read: 0 };
    let mut n_seen = 0;
    while n_seen < chunk.n_values {
        let header = reader.header().map_err(unreadable)?;
        let left = chunk.length.checked_sub(reader.n_read).ok_or("its pages are longer than their chunk")?;
        let size = |field| header.get(&(field, 0)).copied().unwrap_or(-1);
        let (compressed, uncompressed) = (size(COMPRESSED_SIZE), size(UNCOMPRESSED_SIZE));
        let skipped = u64::try_from(compressed).ok().filter(|bytes| *bytes <= left);
        let skipped = skipped.ok_or_else(|| format!("a page of {compressed} bytes where {left} are left"))?;
        let most = LARGE_PAGE.max(compressed.saturating_mul(MOST_COMPRESSION));
        if !(0..=most).contains(&uncompressed) {
            return Err(format!("a page of {compressed} bytes becomes {uncompressed} bytes"));
        }
        let counted = COUNTS.iter().find_map(|field| header.get(&(*field, N_VALUES)));
        // A value of a dictionary has at least a byte.
        let in_dictionary = header.get(&(DICTIONARY, N_VALUES)).map(|n| (n, uncompressed as u64));
        let in_data = counted.map(|n| (n, chunk.n_values));
        for (n, most) in in_data.into_iter().chain(in_dictionary) {
            if u64::try_from(*n).is_ok_and(|n| n <= most) {
                continue;
            }
            return Err(format!("a page of {n} values where {most} are possible"));
        }
        n_seen += counted.map_or(0, |n| *n as u64);
        reader.skip(skipped).map_err(unreadable)?;
        if skipped == 0 && counted.is_none_or(|n| *n == 0) {
            return Err("a page without values and bytes".into());
        }
    }
    Ok(())
}

/// Whole numbers of a header by field, and by field of the struct in it (0 for none).
type Numbers = BTreeMap<(i16, i16), i64>;

/// Thrift's compact protocol, as far as a page header has it.
struct Reader<R: Read + Seek> {
    bytes: BufReader<R>,
    n_read: u64,
}

fn invalid(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what)
}

impl<R: Read + Seek> Reader<R> {
    fn header(&mut self) -> std::io::Result<Numbers> {
        let mut numbers = Numbers::new();
        self.structure(0, 0, &mut numbers)?;
        Ok(numbers)
    }

    fn byte(&mut self) -> std::io::Result<u8> {
        let mut byte = [0];
        self.bytes.read_exact(&mut byte)?;
        self.n_read += 1;
        Ok(byte[0])
    }

    fn skip(&mut self, n: u64) -> std::io::Result<()> {
        self.n_read += n;
        self.bytes.seek_relative(i64::try_from(n).map_err(|_| invalid("too long"))?)
    }

    fn varint(&mut self) -> std::io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(invalid("a number of more than 64 bits"))
    }

    fn number(&mut self) -> std::io::Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The fields of a struct; those of the outermost have `outer` 0.
    fn structure(&mut self, outer: i16, depth: usize, numbers: &mut Numbers) -> std::io::Result<()> {
        if depth > MOST_DEPTH {
            return Err(invalid("too many structs in each other"));
        }
        let mut field = 0i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            field = match head >> 4 {
                0 => i16::try_from(self.number()?).map_err(|_| invalid("a field number"))?,
                step => field.checked_add(i16::from(step)).ok_or_else(|| invalid("a field number"))?,
            };
            let kind = head & 0x0f;
            if (4..=6).contains(&kind) {
                let number = self.number()?;
                let key = if depth == 0 { (field, 0) } else { (outer, field) };
                if depth < 2 {
                    numbers.insert(key, number);
                }
            } else {
                self.value(kind, field, depth, numbers)?;
            }
        }
    }

    /// Skips a value of another kind than a number.
    fn value(&mut self, kind: u8, field: i16, depth: usize, numbers: &mut Numbers) -> std::io::Result<()> {
        match kind {
            1 | 2 => Ok(()),
            3 => self.byte().map(drop),
            4..=6 => self.number().map(drop),
            7 => self.skip(8),
            8 => match self.varint()? {
                length if length <= MOST_TEXT => self.skip(length),
                _ => Err(invalid("a text that is too long")),
            },
            12 => self.structure(field, depth + 1, numbers),
            // A page header has no list, set or map.
            _ => Err(invalid("a field of an unknown kind")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A field with a number, one after the last: compact Thrift's i32 in one or more bytes.
    fn number(value: i64) -> Vec<u8> {
        let mut bytes = vec![0x15];
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    }

    /// A data page: type 0, its sizes, and `data_page_header` with its number of values.
    fn page(uncompressed: i64, compressed: i64, n_values: i64) -> Vec<u8> {
        let body = vec![7; usize::try_from(compressed).unwrap_or(0).min(100)];
        [number(0), number(uncompressed), number(compressed), vec![0x2c], number(n_values), vec![0, 0], body]
            .concat()
    }

    fn checked(bytes: &[u8], n_values: u64) -> Result<(), String> {
        let chunk = ColumnChunk { column: "a".into(), start: 2, length: bytes.len() as u64, n_values };
        check(&mut Cursor::new([b"??", bytes].concat()), &chunk)
    }

    #[test]
    fn headers_ask_for_no_more_than_the_file_has() {
        let two = [page(40, 20, 5), page(10, 10, 3)].concat();
        assert_eq!(checked(&two, 8), Ok(()));
        assert!(checked(&two, 9).unwrap_err().starts_with("a page header cannot be read"));
        assert_eq!(checked(&page(40, 20, 9), 8).unwrap_err(), "a page of 9 values where 8 are possible");
        assert_eq!(checked(&page(1, 1, -2), 8).unwrap_err(), "a page of -2 values where 8 are possible");
        assert_eq!(checked(&page(40, 101, 8), 8).unwrap_err(), "a page of 101 bytes where 100 are left");
        assert_eq!(checked(&page(-1, 20, 8), 8).unwrap_err(), "a page of 20 bytes becomes -1 bytes");
        let large = checked(&page(1 << 30, 20, 8), 8).unwrap_err();
        assert_eq!(large, "a page of 20 bytes becomes 1073741824 bytes");
        assert_eq!(checked(&page(0, 0, 0), 8).unwrap_err(), "a page without values and bytes");
        for length in 0..two.len() - 10 {
            assert!(checked(&two[..length], 8).is_err(), "{length}");
        }
    }
}
