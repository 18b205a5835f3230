//! The tensors of a published checkpoint: model.safetensors, its shards, or pytorch_model.bin.
//!
//! Must never: check names or shapes, which `read.rs` does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::safetensors::BufferedSafetensors;
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use super::pytorch;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::git_lfs::refuse_pointer;
use crate::formats::tensor_file::shard_names;
use crate::formats::without_byte_order_mark;

/// Files that may hold weights. The first one that exists is read.
const FILES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Other files of weights, by the beginning and the end of their names, with what they are.
const OTHER_FILES: [(&str, &str, &str); 9] = [
    ("tf_model", ".h5", "TensorFlow weights"),
    ("", ".h5", "TensorFlow weights"),
    ("model.ckpt", "", "a TensorFlow checkpoint"),
    ("flax_model", ".msgpack", "Flax weights"),
    ("adapter_model", "", "an adapter without its model"),
    ("", ".onnx", "an ONNX model"),
    ("", ".gguf", "a GGUF model"),
    ("", ".safetensors", "safetensors of another name"),
    ("", ".bin", "PyTorch weights of another name"),
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
        let path = found.ok_or_else(|| no_weights(folder))?;
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

/// The error of a folder without weights; names those of other programs.
fn no_weights(folder: &Path) -> Error {
    let mut what = format!("{} has no weights: no {}, no {}", folder.display(), FILES[0], FILES[2]);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names: BTreeSet<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let other = names.iter().find_map(|name| {
        let is_kind = |(start, end, _): &&(&str, &str, &str)| name.starts_with(start) && name.ends_with(end);
        Some((name, OTHER_FILES.iter().find(is_kind)?.2))
    });
    let hint = match other {
        Some((name, kind)) => {
            what += &format!("; it has {name}, {kind}");
            "convert them: load the model with transformers (from_tf=True for TensorFlow; merge an adapter first) and \
             save it with save_pretrained"
        }
        None => "give a folder that transformers' save_pretrained wrote",
    };
    Error::new(ErrorKind::Data, what, hint)
}

fn read_index(path: &Path) -> Result<Index> {
    let bytes = std::fs::read(path).map_err(|error| damaged(path).because(error))?;
    refuse_pointer(path, &bytes)?;
    serde_json::from_slice(without_byte_order_mark(&bytes)).map_err(|error| damaged(path).because(error))
}

fn read_file(path: &Path, tensors: &mut BTreeMap<String, Tensor>) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|error| damaged(path).because(error))?;
    refuse_pointer(path, &bytes)?;
    if path.extension().is_some_and(|extension| extension == "bin") {
        let found = pytorch::tensors(&bytes).map_err(|error| damaged(path).because(error))?;
        return found.into_iter().try_for_each(|(name, tensor)| insert(&name, tensor, tensors));
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
