//! File formats that several modules read or write: Parquet, tab-separated tables, safetensors.

pub(crate) mod parquet;
pub(crate) mod shards;
pub(crate) mod tensor_file;
pub(crate) mod tsv;
