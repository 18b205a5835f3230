//! File formats that several modules read or write: Parquet, tables of text, safetensors.

pub(crate) mod git_lfs;
pub(crate) mod parquet;
mod parquet_pages;
pub(crate) mod shards;
pub(crate) mod tensor_file;
pub(crate) mod text_table;

/// A number without a fraction, of those that f64 tells apart.
pub fn whole_number(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= (1u64 << 53) as f64).then_some(number as i64)
}

/// A whole number as a file has it; `1.0` and `1e0` too, as pandas writes a column that had a gap.
pub fn parse_whole_number(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| whole_number(text.parse().ok()?))
}

/// The bytes of a text without the byte order mark that PowerShell and Excel write before UTF-8.
pub(crate) fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_be_written_as_decimals() {
        for (text, number) in [("7", Some(7)), ("1.0", Some(1)), ("1e0", Some(1)), ("-1.0", Some(-1))] {
            assert_eq!(parse_whole_number(text), number, "{text}");
        }
        for text in ["", "0.5", "NaN", "inf", "1e300", "1,0", "x"] {
            assert_eq!(parse_whole_number(text), None, "{text}");
        }
        assert_eq!(parse_whole_number("9007199254740993"), Some(9_007_199_254_740_993));
    }
}
