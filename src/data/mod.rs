//! Stand-in: text in, token batches out.

use std::path::PathBuf;

use crate::fault::Result;
use crate::spec::{DataSpec, TaskName, TaskSource};
use crate::track::Sink;

/// Stand-in.
pub struct Hub {
    /// Whether it may use the network.
    pub offline: bool,
}

/// Stand-in.
pub struct DataEnv {
    /// Hub.
    pub hub: Hub,
    /// Cache folder.
    pub cache: PathBuf,
}

impl DataEnv {
    /// Stand-in.
    pub fn new(offline: bool) -> Result<Self> {
        let cache = std::env::var_os("ELECTRA_LAB_CACHE").map_or_else(std::env::temp_dir, PathBuf::from);
        Ok(Self { hub: Hub { offline }, cache })
    }
}

/// Stand-in.
pub struct Tokenizer;

impl Tokenizer {
    /// Stand-in.
    pub fn vocab_size(&self) -> usize {
        1000
    }
}

/// Stand-in.
pub fn open_tokenizer(_spec: &DataSpec, _env: &DataEnv) -> Result<Tokenizer> {
    Ok(Tokenizer)
}

/// Stand-in.
pub struct Corpus;

/// Stand-in.
pub fn open_corpus(_spec: &DataSpec, _seq_len: usize, _env: &DataEnv, _sink: &dyn Sink) -> Result<Corpus> {
    Ok(Corpus)
}

/// Stand-in.
pub struct TaskData;

/// Stand-in.
pub fn open_task(
    _source: &TaskSource,
    _task: TaskName,
    _data: &DataSpec,
    _env: &DataEnv,
) -> Result<TaskData> {
    Ok(TaskData)
}

/// Stand-in.
pub fn fetch(
    _data: &DataSpec,
    _source: &TaskSource,
    _tasks: &[TaskName],
    _env: &DataEnv,
    _sink: &dyn Sink,
) -> Result<Vec<(String, u64)>> {
    Ok(vec![("built-in language".into(), 0)])
}
