//! A file of tensors, in one piece or in shards of a chosen size with an index, as on the hub.
//!
//! The file is `x.safetensors`; its shards are `x-00001-of-00003.safetensors` and so on, with
//! `x.safetensors.index.json`, which is written last. A file is complete if `x.safetensors` or the index
//! exists. Every shard is an ordinary safetensors file. The index has a checksum of each shard, so that a
//! shard that was damaged, or belongs to another file, is named. Next: `train/checkpoint.rs`, which knows the
//! content.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::tensor_file::{TensorFile, checksum, shard_names};
use crate::disk::{folder_of, write_whole};
use crate::error::{Error, ErrorKind, Result};

/// The metadata with the checksums of the shards, in their order; absent in older files.
const CHECKSUMS: &str = "checksums";

/// The index: the shard of each tensor, and the metadata that a file in one piece would have.
#[derive(Serialize, Deserialize)]
struct ShardIndex {
    metadata: BTreeMap<String, String>,
    weight_map: BTreeMap<String, String>,
}

/// The path of the index of a file in shards.
pub fn index_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".index.json");
    name.into()
}

/// Whether the file exists, in one piece or in shards.
pub fn exists(path: &Path) -> bool {
    path.is_file() || index_of(path).is_file()
}

/// Writes tensors and one entry of metadata, whose value `value` makes of the checksum of every file. If they
/// are larger than `max_shard_bytes`, writes shards of at most that size; a larger tensor has a shard of its
/// own.
pub fn write(
    path: &Path,
    tensors: Vec<(String, Tensor)>,
    (key, value): (&str, impl FnOnce(&[String]) -> Result<String>),
    max_shard_bytes: Option<u64>,
) -> Result<()> {
    let mut files = vec![(TensorFile::default(), Vec::new(), 0)];
    for (name, tensor) in tensors {
        let n_bytes = (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64;
        let is_full = |(_, names, size): &(TensorFile, Vec<String>, u64)| {
            !names.is_empty() && max_shard_bytes.is_some_and(|max| size + n_bytes > max)
        };
        if files.last().is_some_and(is_full) {
            files.push((TensorFile::default(), Vec::new(), 0));
        }
        if let Some((file, names, size)) = files.last_mut() {
            file.add(name.clone(), &tensor)?;
            names.push(name);
            *size += n_bytes;
        }
    }
    let n_files = files.len();
    let checksums: Vec<String> = files.iter().map(|(file, ..)| file.checksum()).collect();
    let value = value(&checksums)?;
    if n_files == 1 {
        let file = files.into_iter().next().map(|(file, ..)| file).unwrap_or_default();
        write_whole(path, &file.into_bytes(key, value)?)?;
        return remove_index(path);
    }
    let mut weight_map = BTreeMap::new();
    for (number, (file, names, _)) in (1..).zip(files) {
        let shard = shard_of(path, number, n_files);
        write_whole(&shard, &file.into_bytes("shard", format!("{number} of {n_files}"))?)?;
        let shard = name_of(&shard);
        weight_map.extend(names.into_iter().map(|name| (name, shard.clone())));
    }
    let metadata = [(key.to_string(), value), (CHECKSUMS.to_string(), checksums.join(" "))].into();
    write_index(path, &ShardIndex { metadata, weight_map })?;
    if path.exists() { remove_file(path) } else { Ok(()) }
}

/// The content of a file, in one piece or in shards.
pub struct Contents {
    /// The bytes of the file, or of every shard.
    pub files: Vec<Vec<u8>>,
    /// The checksum of each of them, made of the tensors that were read.
    pub checksums: Vec<String>,
    /// The metadata by key.
    pub metadata: BTreeMap<String, String>,
}

/// Reads a file.
///
/// # Errors
/// A file or a shard is missing or damaged, or a shard is not the one that the index was written with; the
/// message names it.
pub fn read(path: &Path) -> Result<Contents> {
    if !index_of(path).is_file() {
        let bytes = bytes_of(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path).because(error))?;
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let checksums = vec![checksum_of(path, &bytes)?];
        return Ok(Contents { files: vec![bytes], checksums, metadata });
    }
    let index = read_index(path)?;
    let recorded: Vec<&str> =
        index.metadata.get(CHECKSUMS).map_or(Vec::new(), |text| text.split(' ').collect());
    let (mut files, mut checksums) = (Vec::new(), Vec::new());
    for (number, shard) in shards(path, &index)?.iter().enumerate() {
        let hint = || format!("restore the shard, or {TRAIN_ANEW}");
        let bytes = bytes_of(shard).map_err(|error| Error { hint: hint(), ..error })?;
        let checksum = checksum_of(shard, &bytes)?;
        if recorded.get(number).is_some_and(|recorded| *recorded != checksum) {
            let what = "it is not the shard that the index was written with";
            return Err(Error { hint: hint(), ..damaged(shard).because(what) });
        }
        files.push(bytes);
        checksums.push(checksum);
    }
    Ok(Contents { files, checksums, metadata: index.metadata })
}

/// The checksum of the tensors in the bytes of a file.
fn checksum_of(path: &Path, bytes: &[u8]) -> Result<String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(path).because(error))?;
    let tensors = file.tensors();
    let tensors = tensors.iter().map(|(name, view)| (name.as_str(), view.dtype(), view.shape(), view.data()));
    Ok(checksum(tensors.collect()))
}

/// Copies a file: calls `link` for each of its shards.
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

/// Removes a file, its shards, and shards that a killed process left.
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

/// The paths of the shards of an index, sorted, without repetition.
fn shards(path: &Path, index: &ShardIndex) -> Result<Vec<PathBuf>> {
    let names = shard_names(&index.weight_map).map_err(|error| damaged(&index_of(path)).because(error))?;
    Ok(names.into_iter().map(|name| folder_of(path).join(name)).collect())
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::storage(path, "read the checkpoint", error))
}

fn read_index(path: &Path) -> Result<ShardIndex> {
    let path = index_of(path);
    serde_json::from_slice(&bytes_of(&path)?).map_err(|error| damaged(&path).because(error))
}

fn write_index(path: &Path, index: &ShardIndex) -> Result<()> {
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

/// What to do without a checkpoint that cannot be restored. Without `--only` every trial would start again.
pub const TRAIN_ANEW: &str = "start this trial again with --force --only and its id";

/// The error of a damaged file.
pub fn damaged(path: &Path) -> Error {
    let hint = format!("restore the file from a copy, or {TRAIN_ANEW}");
    Error::new(ErrorKind::Storage, format!("the checkpoint {} is damaged", path.display()), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn tensors() -> Vec<(String, Tensor)> {
        let tensor = |n: usize| Tensor::full(n as f32, n, &Device::Cpu).unwrap();
        ["a", "b", "c", "d"]
            .into_iter()
            .zip([10, 20, 100, 5])
            .map(|(name, n)| (name.into(), tensor(n)))
            .collect()
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

    /// Shards of 120, 400 and 20 bytes: a tensor that is larger than a shard has one of its own.
    #[test]
    fn shards_are_read_copied_and_removed_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-1.safetensors");
        let save = |max_bytes| {
            write(&path, tensors(), ("state", |_: &[String]| Ok("here".into())), max_bytes).unwrap()
        };
        save(Some(120));
        let shards = |stem: &str| {
            (1..=3).map(move |n| format!("{stem}-0000{n}-of-00003.safetensors")).collect::<Vec<_>>()
        };
        let mut expected = shards("step-1");
        expected.push("step-1.safetensors.index.json".into());
        assert_eq!(names(folder.path()), expected);
        let all: BTreeMap<String, usize> =
            [("a", 10), ("b", 20), ("c", 100), ("d", 5)].map(|(name, n)| (name.to_string(), n)).into();
        assert!(exists(&path) && lengths(&path) == all);

        let other = folder.path().join("final.safetensors");
        let link = |from: &Path, to: &Path| {
            std::fs::copy(from, to).unwrap();
            Ok(())
        };
        copy(&path, &other, link).unwrap();
        remove(&path).unwrap();
        assert!(!exists(&path) && lengths(&other) == all);
        assert_eq!(names(folder.path()).len(), 4);

        // In one piece again: the index is removed, and the shards with it.
        save(None);
        assert!(path.is_file() && lengths(&path) == all);
        remove(&other).unwrap();
        assert_eq!(names(folder.path()), ["step-1.safetensors"]);
        save(Some(1));
        assert!(!path.exists() && lengths(&path) == all);
    }

    #[test]
    fn a_missing_or_exchanged_shard_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write(&path, tensors(), ("state", |_: &[String]| Ok(String::new())), Some(1)).unwrap();
        let second = folder.path().join("x-00002-of-00004.safetensors");
        let whole = std::fs::read(&second).unwrap();
        std::fs::copy(folder.path().join("x-00001-of-00004.safetensors"), &second).unwrap();
        let message = read(&path).err().unwrap().to_string();
        assert!(
            message.contains("x-00002-of-00004.safetensors is damaged: it is not the shard"),
            "{message}"
        );
        std::fs::write(&second, &whole).unwrap();
        assert_eq!(read(&path).unwrap().checksums.len(), 4);
        std::fs::remove_file(folder.path().join("x-00002-of-00004.safetensors")).unwrap();
        let message = read(&path).err().unwrap().to_string();
        assert!(message.contains("x-00002-of-00004.safetensors"), "{message}");
        std::fs::write(index_of(&path), "{").unwrap();
        let message = read(&path).err().unwrap().to_string();
        assert!(message.contains("x.safetensors.index.json is damaged"), "{message}");
    }
}
