//! pytorch_model.bin: a zip archive, or the format of PyTorch before 1.6, which the first published checkpoints
//! still have.
//!
//! The archive has a pickle that describes the tensors, and an entry for each storage. The old format is a
//! sequence of pickles (a magic number, a version, facts about the machine, the state dictionary, the keys of
//! its storages), followed by every storage: its number of elements and their bytes. Must never: take memory
//! for elements that the file does not have.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use candle_core::{Device, Tensor};
use zip::ZipArchive;

use super::pickle::{Bytes, Pickle, Result, TensorInfo};

/// The pickled magic number that a file of the old format begins with.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The name of the pickle in an archive, below the archive's only folder.
const PICKLE: &str = "data.pkl";

/// The floating-point tensors of a file by name. Whole numbers and truth values, such as position_ids, are
/// skipped.
///
/// # Errors
/// The reason as text: the file has another format, is damaged or truncated, or describes tensors that it does
/// not have.
pub fn tensors(file: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    match file.strip_prefix(MAGIC) {
        Some(rest) => of_old_format(Bytes(rest)),
        None => of_archive(file),
    }
}

fn of_archive(file: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let mut zip = ZipArchive::new(Cursor::new(file)).map_err(|error| error.to_string())?;
    let names: Vec<String> =
        zip.file_names().filter_map(|name| name.ok().map(|name| name.into_owned())).collect();
    let folder = names.iter().find_map(|name| name.strip_suffix(PICKLE).filter(|folder| is_folder(folder)));
    let folder = folder.ok_or(format!("it has no {PICKLE}"))?;
    let mut entry = |name: &str| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut entry =
            zip.by_name(&format!("{folder}{name}")).map_err(|error| format!("{name}: {error}"))?;
        entry.read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
        Ok(bytes)
    };
    if names.iter().any(|name| *name == format!("{folder}byteorder")) && entry("byteorder")? != b"little" {
        return Err("it was written on a machine with another order of bytes".into());
    }
    let infos = Pickle::read(&mut Bytes(&entry(PICKLE)?))?.tensors()?;
    let mut tensors = BTreeMap::new();
    // One storage at a time: tensors that share one follow each other as a rule.
    let mut current: Option<(String, Vec<u8>)> = None;
    for info in infos.iter().filter(|info| info.storage.dtype.is_some()) {
        let key = &info.storage.key;
        if current.as_ref().is_none_or(|(known, _)| known != key) {
            current = Some((key.clone(), entry(&format!("data/{key}"))?));
        }
        let storage = current.as_ref().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        tensors.insert(info.name.clone(), tensor(info, storage)?);
    }
    Ok(tensors)
}

/// Whether a pickle of this folder is the archive's own, which lies one level deep.
fn is_folder(folder: &str) -> bool {
    folder.strip_suffix('/').is_some_and(|name| !name.contains('/'))
}

fn of_old_format(mut bytes: Bytes) -> Result<BTreeMap<String, Tensor>> {
    Pickle::read(&mut bytes)?;
    Pickle::read(&mut bytes)?;
    let infos = Pickle::read(&mut bytes)?.tensors()?;
    let keys = Pickle::read(&mut bytes)?;
    let keys = keys.texts().ok_or("it has no list of storages")?;
    let mut storages = BTreeMap::new();
    for key in keys {
        let info = infos.iter().find(|info| info.storage.key == key);
        let info = info.ok_or_else(|| format!("storage {key} belongs to no tensor"))?;
        let n = usize::try_from(bytes.number(8)?).map_err(|error| error.to_string())?;
        let n_bytes = n.checked_mul(info.storage.element_bytes).ok_or("it is truncated")?;
        storages.insert(key, bytes.take(n_bytes)?);
    }
    let mut tensors = BTreeMap::new();
    for info in infos.iter().filter(|info| info.storage.dtype.is_some()) {
        let storage = storages.get(info.storage.key.as_str());
        let storage = storage.ok_or_else(|| format!("{} has no storage", info.name))?;
        tensors.insert(info.name.clone(), tensor(info, storage)?);
    }
    Ok(tensors)
}

/// The elements of a tensor, in order, from a storage that it may share or read with strides.
fn tensor(info: &TensorInfo, storage: &[u8]) -> Result<Tensor> {
    let truncated = || format!("{} is truncated", info.name);
    let size = info.storage.element_bytes;
    let n_stored = storage.len() / size;
    let n = info.shape.iter().try_fold(1usize, |n, &length| n.checked_mul(length)).ok_or_else(truncated)?;
    // A tensor that repeats elements of its storage would be larger than the file.
    let reach = info.shape.iter().zip(&info.strides).try_fold(info.offset, |reach, (&length, &stride)| {
        length.saturating_sub(1).checked_mul(stride)?.checked_add(reach)
    });
    if n > n_stored || (n > 0 && reach.is_none_or(|last| last >= n_stored)) {
        return Err(truncated());
    }
    let dtype = info.storage.dtype.ok_or_else(truncated)?;
    let made = |bytes: &[u8]| {
        Tensor::from_raw_buffer(bytes, dtype, &info.shape, &Device::Cpu).map_err(|error| error.to_string())
    };
    if is_in_order(info) {
        let start = info.offset * size;
        return made(storage.get(start..start + n * size).ok_or_else(truncated)?);
    }
    let mut bytes = Vec::with_capacity(n * size);
    let mut index = vec![0usize; info.shape.len()];
    for _ in 0..n {
        let place: usize = index.iter().zip(&info.strides).map(|(i, stride)| i * stride).sum();
        let start = (info.offset + place) * size;
        bytes.extend_from_slice(storage.get(start..start + size).ok_or_else(truncated)?);
        for (i, length) in index.iter_mut().zip(&info.shape).rev() {
            *i += 1;
            if *i < *length {
                break;
            }
            *i = 0;
        }
    }
    made(&bytes)
}

/// Whether the elements follow each other in the storage.
fn is_in_order(info: &TensorInfo) -> bool {
    let mut expected = 1usize;
    info.shape.iter().zip(&info.strides).rev().all(|(&length, &stride)| {
        let is_next = length <= 1 || stride == expected;
        expected = expected.saturating_mul(length);
        is_next
    })
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;

    /// Both written by scripts/golden_pytorch.py.
    const GOLDEN: [&[u8]; 2] =
        [include_bytes!("../../tests/golden/pytorch.bin"), include_bytes!("../../tests/golden/legacy.bin")];

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Tensors that share a storage, a parameter, several types; buffers of whole numbers and truth values.
    #[test]
    fn both_formats_are_read() {
        for golden in GOLDEN {
            let tensors = tensors(golden).unwrap();
            let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
            assert_eq!(names, ["bfloat", "half", "parameter", "part", "transposed", "weight"]);
            assert_eq!(values(&tensors["weight"]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
            assert_eq!(tensors["transposed"].dims(), [3, 2]);
            assert_eq!(values(&tensors["transposed"]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
            assert_eq!(values(&tensors["part"]), [3.0, 4.0, 5.0]);
            assert_eq!(values(&tensors["parameter"]), [7.0]);
            assert_eq!((values(&tensors["half"]), tensors["half"].dtype()), (vec![0.5, -2.0], DType::F16));
            assert_eq!((values(&tensors["bfloat"]), tensors["bfloat"].dtype()), (vec![1.5], DType::BF16));
        }
    }

    #[test]
    fn a_truncated_file_is_an_error_at_every_length() {
        for golden in GOLDEN {
            for length in 0..golden.len() {
                assert!(tensors(&golden[..length]).is_err(), "{length} bytes");
            }
        }
    }

    /// No byte that is changed makes the reader panic or run away.
    #[test]
    fn a_changed_byte_is_an_error_or_another_value() {
        for golden in GOLDEN {
            for at in 0..golden.len() {
                for change in [0x01, 0x80, 0xff] {
                    let mut bytes = golden.to_vec();
                    bytes[at] ^= change;
                    let _ = tensors(&bytes);
                }
            }
        }
    }

    #[test]
    fn a_tensor_is_not_larger_than_its_storage() {
        let storage =
            super::super::pickle::Storage { key: "0".into(), dtype: Some(DType::F32), element_bytes: 4 };
        let read = |shape: &[usize], strides: &[usize], offset| {
            let info = TensorInfo {
                name: "w".into(),
                storage: storage.clone(),
                offset,
                shape: shape.to_vec(),
                strides: strides.to_vec(),
            };
            tensor(&info, &[0; 16]).map(|tensor| tensor.dims().to_vec())
        };
        assert_eq!(read(&[2, 2], &[2, 1], 0), Ok(vec![2, 2]));
        assert_eq!(read(&[0, 2], &[2, 1], 0), Ok(vec![0, 2]));
        for (shape, strides, offset) in [
            ([2, 2], [2, 1], 1),
            ([1 << 40, 1], [0, 0], 0),
            ([usize::MAX, 2], [1, 1], 0),
            ([2, 2], [usize::MAX, 1], 0),
            ([2, 1], [1, 1], usize::MAX),
        ] {
            assert_eq!(read(&shape, &strides, offset), Err("w is truncated".into()), "{shape:?} {strides:?}");
        }
    }
}
