//! Tensors as the bytes of one safetensors file: checkpoints, exported models and traces are all written through it.
//!
//! Tensors are copied out when they are added, since the optimizer overwrites parameters in place. Must never: touch
//! the disk (see `disk.rs`).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::error::{Error, Result};

/// The files of shards that an index names (its `weight_map`, from tensor to file), in order, each once.
///
/// # Errors
/// One that is not a file beside the index, which may come from anywhere: what is wrong with it, in words.
pub fn shard_names(weight_map: &BTreeMap<String, String>) -> std::result::Result<Vec<&str>, String> {
    let mut names: Vec<&str> = weight_map.values().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    match names.iter().find(|name| Path::new(name).file_name() != Some((**name).as_ref())) {
        Some(name) => Err(format!("it names {name}, which is not a file beside it")),
        None => Ok(names),
    }
}

/// A file in the making. Equal tensors and metadata give equal bytes.
#[derive(Default)]
pub struct TensorFile(Vec<(String, Dtype, Vec<usize>, Vec<u8>)>);

impl TensorFile {
    /// Adds a tensor: f32 as it is, u32 as i64, since PyTorch does little with u32.
    pub fn add(&mut self, name: String, tensor: &Tensor) -> Result<()> {
        let flat = tensor.detach().to_device(&Device::Cpu)?.flatten_all()?;
        let (kind, bytes) = match tensor.dtype() {
            DType::F32 => {
                (Dtype::F32, flat.to_vec1::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect())
            }
            DType::U32 => {
                let wide = flat.to_vec1::<u32>()?.into_iter().map(i64::from);
                (Dtype::I64, wide.flat_map(i64::to_le_bytes).collect())
            }
            other => return Err(Error::internal(format!("the tensor `{name}` is of type {other:?}"))),
        };
        self.0.push((name, kind, tensor.dims().to_vec(), bytes));
        Ok(())
    }

    /// The file's bytes with one entry of metadata: the library writes several in an order of its own.
    pub fn into_bytes(self, key: &str, value: String) -> Result<Vec<u8>> {
        let failed =
            |error: &dyn std::fmt::Display| Error::internal("cannot build a file of tensors").because(error);
        let views = self.0.iter().map(|(name, kind, shape, bytes)| {
            let view = TensorView::new(*kind, shape.clone(), bytes).map_err(|error| failed(&error))?;
            Ok((name.as_str(), view))
        });
        let metadata = HashMap::from([(key.to_string(), value)]);
        safetensors::serialize(views.collect::<Result<Vec<_>>>()?, Some(metadata))
            .map_err(|error| failed(&error))
    }
}
