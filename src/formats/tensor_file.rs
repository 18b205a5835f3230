//! The bytes of a safetensors file: of checkpoints, exported models and traces.
//!
//! A tensor is copied when it is added, because the optimizer overwrites parameters in place. Must never:
//! touch the disk (see `disk.rs`).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::error::{Error, Result};

/// The shard files of an index, sorted, without repetition; `weight_map` maps tensors to files.
///
/// # Errors
/// The reason as text: a name is a path into another folder. An index may come from an untrusted source.
pub fn shard_names(weight_map: &BTreeMap<String, String>) -> std::result::Result<Vec<&str>, String> {
    let mut names: Vec<&str> = weight_map.values().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    match names.iter().find(|name| Path::new(name).file_name() != Some((**name).as_ref())) {
        Some(name) => Err(format!("it names {name}, which is not a file beside it")),
        None => Ok(names),
    }
}

/// A checksum of tensors with their names, types and shapes, whatever their order: BLAKE3 in hexadecimal.
pub fn checksum(mut tensors: Vec<(&str, Dtype, &[usize], &[u8])>) -> String {
    tensors.sort_unstable_by_key(|(name, ..)| *name);
    let mut hasher = blake3::Hasher::new();
    for (name, kind, shape, bytes) in tensors {
        let header = format!("{} {name} {kind:?} {shape:?} {}\n", name.len(), bytes.len());
        hasher.update(header.as_bytes()).update(bytes);
    }
    hasher.finalize().to_hex().to_string()
}

/// The tensors of a file. Equal tensors and metadata give equal bytes.
#[derive(Default)]
pub struct TensorFile(Vec<(String, Dtype, Vec<usize>, Vec<u8>)>);

impl TensorFile {
    /// Adds a tensor: f32 as it is, u32 as i64, because PyTorch has few operations on u32.
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

    /// The checksum of its tensors.
    pub fn checksum(&self) -> String {
        let tensors = self.0.iter();
        let tensors =
            tensors.map(|(name, kind, shape, bytes)| (name.as_str(), *kind, &shape[..], &bytes[..]));
        checksum(tensors.collect())
    }

    /// The bytes of the file with one entry of metadata. The library writes several in random order.
    pub fn into_bytes(self, key: &str, value: String) -> Result<Vec<u8>> {
        let failed =
            |error: &dyn std::fmt::Display| Error::internal("cannot make a safetensors file").because(error);
        let views = self.0.iter().map(|(name, kind, shape, bytes)| {
            let view = TensorView::new(*kind, shape.clone(), bytes).map_err(|error| failed(&error))?;
            Ok((name.as_str(), view))
        });
        let metadata = HashMap::from([(key.to_string(), value)]);
        safetensors::serialize(views.collect::<Result<Vec<_>>>()?, Some(metadata))
            .map_err(|error| failed(&error))
    }
}
