//! File formats that several modules read or write: Parquet, tables of text, safetensors.

pub(crate) mod git_lfs;
pub(crate) mod parquet;
pub(crate) mod shards;
pub(crate) mod tensor_file;
pub(crate) mod text_table;

/// The bytes without a byte order mark in front, which editors of Windows write and JSON does not allow.
pub(crate) fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}
