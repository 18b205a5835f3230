//! File formats that several rooms read or write: Parquet, tab-separated tables, safetensors.

pub(crate) mod parquet;
pub(crate) mod shards;
pub(crate) mod tensor_file;
pub(crate) mod tsv;
