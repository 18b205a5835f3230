//! File formats that several rooms read or write: Parquet, tab-separated tables, tensors.

pub mod parquet;
pub mod shards;
pub mod tensor_file;
pub mod tsv;
