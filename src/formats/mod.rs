//! File formats that several modules read or write: Parquet, tables of text, safetensors.

pub(crate) mod parquet;
pub(crate) mod shards;
pub(crate) mod tensor_file;
pub(crate) mod text_table;
