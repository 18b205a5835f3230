//! The tensors of a published checkpoint: model.safetensors, its shards, or pytorch_model.bin.
//!
//! candle reads pickle files: it rebuilds the tensors and runs nothing. `legacy.rs` reads those from before
//! PyTorch 1.6. Must never: check names or shapes, which `read.rs` does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::pickle::PthTensors;
use candle_core::safetensors::BufferedSafetensors;
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use super::legacy;
use super::legacy::is_legacy;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::tensor_file::shard_names;

/// Files that may hold weights. The first one that exists is read.
const FILES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// The index of weights that are split into several files.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Floating-point tensors by name, in f32.
pub struct Weights {
    /// The file, or the index, that was read.
    pub path: PathBuf,
    /// The tensors by published name.
    pub tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Reads the weights in `folder`.
    ///
    /// # Errors
    /// The folder has none of the known files, or a damaged one, or names a shard outside the folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let found = FILES.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        let path = found.ok_or_else(|| {
            let what = format!("{} has no weights: no {}, no {}", folder.display(), FILES[0], FILES[2]);
            Error::new(ErrorKind::Data, what, "give a folder that transformers' save_pretrained wrote")
        })?;
        let mut tensors = BTreeMap::new();
        if path.extension().is_some_and(|extension| extension == "json") {
            let index = read_index(&path)?;
            let shards = shard_names(&index.weight_map).map_err(|error| damaged(&path).because(error))?;
            for shard in shards {
                read_file(&folder.join(shard), &mut tensors)?;
            }
        } else {
            read_file(&path, &mut tensors)?;
        }
        Ok(Self { path, tensors })
    }
}

fn read_index(path: &Path) -> Result<Index> {
    let text = std::fs::read_to_string(path).map_err(|error| damaged(path).because(error))?;
    serde_json::from_str(&text).map_err(|error| damaged(path).because(error))
}

fn read_file(path: &Path, tensors: &mut BTreeMap<String, Tensor>) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|error| damaged(path).because(error))?;
    if path.extension().is_some_and(|extension| extension == "bin") {
        if is_legacy(&bytes) {
            let found = legacy::tensors(&bytes).map_err(|error| damaged(path).because(error))?;
            return found.into_iter().try_for_each(|(name, tensor)| insert(&name, tensor, tensors));
        }
        drop(bytes);
        let file = PthTensors::new(path, None).map_err(|error| damaged(path).because(error))?;
        let mut names: Vec<&String> = file.tensor_infos().keys().collect();
        names.sort_unstable();
        for name in names {
            if let Some(tensor) = file.get(name).map_err(|error| damaged(path).because(error))? {
                insert(name, tensor, tensors)?;
            }
        }
        return Ok(());
    }
    let file = BufferedSafetensors::new(bytes).map_err(|error| damaged(path).because(error))?;
    for (name, view) in file.tensors() {
        use safetensors::Dtype;
        // Integer buffers, such as position_ids, are not trained.
        if matches!(view.dtype(), Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64) {
            let tensor = file.load(&name, &Device::Cpu).map_err(|error| damaged(path).because(error))?;
            insert(&name, tensor, tensors)?;
        }
    }
    Ok(())
}

fn insert(name: &str, tensor: Tensor, tensors: &mut BTreeMap<String, Tensor>) -> Result<()> {
    if tensor.dtype().is_float() {
        // Checkpoints of BERT's first release name γ and β of a LayerNorm gamma and beta.
        let name =
            name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
        tensors.insert(name, tensor.to_dtype(DType::F32)?);
    }
    Ok(())
}

fn damaged(path: &Path) -> Error {
    Error::new(
        ErrorKind::Data,
        format!("cannot read the weights {}", path.display()),
        "download the file again, or save the model again with save_pretrained",
    )
}
