//! A file of tensors, whole or in shards of a chosen size with an index beside them, as the hub has them.
//!
//! `x.safetensors`, or `x-00001-of-00003.safetensors` and so on and, written last, `x.safetensors.index.json`: what has a whole
//! file or an index is whole. Every file is an ordinary safetensors file. Next: `checkpoint.rs`, which knows what is in them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::tensor_file::{TensorFile, shard_names};
use crate::disk::{folder_of, write_whole};
use crate::error::{Error, ErrorKind, Result};

/// What an index holds: where each tensor is, and what a whole file has as metadata.
#[derive(Serialize, Deserialize)]
struct Index {
    metadata: BTreeMap<String, String>,
    weight_map: BTreeMap<String, String>,
}

/// The index of a file that is kept in shards.
pub fn index_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".index.json");
    name.into()
}

/// Whether the file is there, in whatever form.
pub fn is_there(path: &Path) -> bool {
    path.is_file() || index_of(path).is_file()
}

/// Writes tensors and one entry of metadata; in shards of `most` bytes, or of one tensor, where they are more.
pub fn write(
    path: &Path,
    tensors: Vec<(String, Tensor)>,
    (key, value): (&str, String),
    most: Option<u64>,
) -> Result<()> {
    let mut files = vec![(TensorFile::default(), Vec::new(), 0)];
    for (name, tensor) in tensors {
        let n_bytes = (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64;
        if files.last().is_some_and(|(_, names, held)| {
            !names.is_empty() && most.is_some_and(|most| held + n_bytes > most)
        }) {
            files.push((TensorFile::default(), Vec::new(), 0));
        }
        if let Some((file, names, held)) = files.last_mut() {
            file.add(name.clone(), &tensor)?;
            names.push(name);
            *held += n_bytes;
        }
    }
    let n_files = files.len();
    if n_files == 1 {
        let whole = files.into_iter().next().map(|(file, ..)| file).unwrap_or_default();
        write_whole(path, &whole.into_bytes(key, value)?)?;
        return remove_index(path);
    }
    let mut weight_map = BTreeMap::new();
    for (number, (file, names, _)) in (1..).zip(files) {
        let shard = shard_of(path, number, n_files);
        write_whole(&shard, &file.into_bytes("shard", format!("{number} of {n_files}"))?)?;
        let shard = name_of(&shard);
        weight_map.extend(names.into_iter().map(|name| (name, shard.clone())));
    }
    write_index(path, &Index { metadata: [(key.to_string(), value)].into(), weight_map })?;
    if path.exists() { remove_file(path) } else { Ok(()) }
}

/// What is in a file, in whatever form: the bytes of each safetensors file, and the metadata.
pub struct Contents {
    /// Of the whole file or of every shard.
    pub files: Vec<Vec<u8>>,
    /// By key.
    pub metadata: BTreeMap<String, String>,
}

/// Reads a file.
///
/// Errors: a file or a shard that is missing or damaged, by its name.
pub fn read(path: &Path) -> Result<Contents> {
    if !index_of(path).is_file() {
        let bytes = bytes_of(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path).because(error))?;
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        return Ok(Contents { files: vec![bytes], metadata });
    }
    let index = read_index(path)?;
    let bytes_of_shard = |shard: &PathBuf| {
        let hint = "put the shard back, or run with --force to begin the trial anew";
        bytes_of(shard).map_err(|error| Error { hint: hint.into(), ..error })
    };
    let files = shards(path, &index)?.iter().map(bytes_of_shard).collect::<Result<_>>()?;
    Ok(Contents { files, metadata: index.metadata })
}

/// Gives what is at `from` a second name, by `link` for each of its files.
pub fn copy(from: &Path, to: &Path, link: impl Fn(&Path, &Path) -> Result<()>) -> Result<()> {
    if !index_of(from).is_file() {
        return link(from, to);
    }
    let mut index = read_index(from)?;
    let shards = shards(from, &index)?;
    let mut renamed = BTreeMap::new();
    for (number, shard) in (1..).zip(&shards) {
        let other = shard_of(to, number, shards.len());
        link(shard, &other)?;
        renamed.insert(name_of(shard), name_of(&other));
    }
    for shard in index.weight_map.values_mut() {
        if let Some(name) = renamed.get(shard) {
            shard.clone_from(name);
        }
    }
    write_index(to, &index)
}

/// Removes a file in whatever form, and shards that a killed process left of it.
pub fn remove(path: &Path) -> Result<()> {
    remove_index(path)?;
    let stem = path.with_extension("").file_name().unwrap_or_default().to_string_lossy().into_owned();
    for entry in std::fs::read_dir(folder_of(path)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_shard =
            name.strip_prefix(&stem).is_some_and(|rest| rest.starts_with('-') && rest.contains("-of-"));
        if is_shard && name.ends_with(".safetensors") {
            remove_file(&entry.path())?;
        }
    }
    if path.exists() { remove_file(path) } else { Ok(()) }
}

fn shard_of(path: &Path, number: usize, n_files: usize) -> PathBuf {
    let stem = path.with_extension("");
    let stem = stem.file_name().unwrap_or_default().to_string_lossy();
    folder_of(path).join(format!("{stem}-{number:05}-of-{n_files:05}.safetensors"))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The shards that an index names, in order, each once.
fn shards(path: &Path, index: &Index) -> Result<Vec<PathBuf>> {
    let names = shard_names(&index.weight_map).map_err(|error| damaged(&index_of(path)).because(error))?;
    Ok(names.into_iter().map(|name| folder_of(path).join(name)).collect())
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::storage(path, "read the checkpoint", error))
}

fn read_index(path: &Path) -> Result<Index> {
    let path = index_of(path);
    serde_json::from_slice(&bytes_of(&path)?).map_err(|error| damaged(&path).because(error))
}

fn write_index(path: &Path, index: &Index) -> Result<()> {
    let path = index_of(path);
    let text = serde_json::to_vec_pretty(index).map_err(|error| Error::storage(&path, "write", error))?;
    write_whole(&path, &text)
}

fn remove_index(path: &Path) -> Result<()> {
    let index = index_of(path);
    if index.exists() { remove_file(&index) } else { Ok(()) }
}

fn remove_file(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|error| Error::storage(path, "remove the older checkpoint", error))
}

/// A file that cannot be understood.
pub fn damaged(path: &Path) -> Error {
    let hint = "run with --force to begin the trial anew";
    Error::new(ErrorKind::Storage, format!("the checkpoint {} is damaged", path.display()), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn tensors() -> Vec<(String, Tensor)> {
        let of = |n: usize| Tensor::full(n as f32, n, &Device::Cpu).unwrap();
        ["a", "b", "c", "d"].into_iter().zip([10, 20, 100, 5]).map(|(name, n)| (name.into(), of(n))).collect()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| name_of(&entry.unwrap().path())).collect();
        names.sort();
        names
    }

    fn lengths(path: &Path) -> BTreeMap<String, usize> {
        let contents = read(path).unwrap();
        assert_eq!(contents.metadata["state"], "here");
        let of_file = |bytes: &Vec<u8>| -> Vec<(String, usize)> {
            let file = SafeTensors::deserialize(bytes).unwrap();
            file.tensors().into_iter().map(|(name, view)| (name, view.shape()[0])).collect()
        };
        contents.files.iter().flat_map(of_file).collect()
    }

    /// 120, 400 and 20 bytes: a tensor that is larger than a shard has one of its own.
    #[test]
    fn what_is_split_is_read_as_one_and_goes_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-1.safetensors");
        let save = |most| write(&path, tensors(), ("state", "here".into()), most).unwrap();
        save(Some(120));
        let shards = |stem: &str| {
            (1..=3).map(move |n| format!("{stem}-0000{n}-of-00003.safetensors")).collect::<Vec<_>>()
        };
        let mut expected = shards("step-1");
        expected.push("step-1.safetensors.index.json".into());
        assert_eq!(names(folder.path()), expected);
        let all: BTreeMap<String, usize> =
            [("a", 10), ("b", 20), ("c", 100), ("d", 5)].map(|(name, n)| (name.to_string(), n)).into();
        assert!(is_there(&path) && lengths(&path) == all);

        let other = folder.path().join("final.safetensors");
        let link = |from: &Path, to: &Path| {
            std::fs::copy(from, to).unwrap();
            Ok(())
        };
        copy(&path, &other, link).unwrap();
        remove(&path).unwrap();
        assert!(!is_there(&path) && lengths(&other) == all);
        assert_eq!(names(folder.path()).len(), 4);

        // Whole again: the index goes, and with it what it named.
        save(None);
        assert!(path.is_file() && lengths(&path) == all);
        remove(&other).unwrap();
        assert_eq!(names(folder.path()), ["step-1.safetensors"]);
        save(Some(1));
        assert!(!path.exists() && lengths(&path) == all);
    }

    #[test]
    fn a_missing_shard_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write(&path, tensors(), ("state", String::new()), Some(1)).unwrap();
        std::fs::remove_file(folder.path().join("x-00002-of-00004.safetensors")).unwrap();
        let message = read(&path).err().unwrap().to_string();
        assert!(message.contains("x-00002-of-00004.safetensors"), "{message}");
        std::fs::write(index_of(&path), "{").unwrap();
        let message = read(&path).err().unwrap().to_string();
        assert!(message.contains("x.safetensors.index.json is damaged"), "{message}");
    }
}
