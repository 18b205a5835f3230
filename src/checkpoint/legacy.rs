//! pytorch_model.bin in the format of PyTorch before 1.6, which the first published checkpoints still have.
//!
//! The file is a sequence of pickles (a magic number, a version, facts about the machine, the state
//! dictionary, the keys of its storages), followed by every storage: its number of elements and their bytes.
//! candle reads zip archives only, but its pickle reader, which builds plain values and runs nothing, can
//! read these pickles too.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use candle_core::pickle::{Object, Stack, TensorInfo};
use candle_core::{DType, Device, Error, Result, Tensor};

/// The pickled magic number that such a file begins with.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The prefix that candle puts before the key of a storage.
const FOLDER: &str = "legacy";

/// Whether a file has this format.
pub fn is_legacy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The floating-point tensors of the state dictionary by name.
pub fn tensors(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let mut reader = Cursor::new(bytes.get(MAGIC.len()..).unwrap_or_default());
    object(&mut reader)?;
    object(&mut reader)?;
    let Object::Dict(entries) = object(&mut reader)? else {
        return Err(Error::Msg("the file has no state dictionary".into()));
    };
    let mut infos = Vec::new();
    for (name, value) in entries {
        infos.extend(value.into_tensor_info(name, FOLDER.as_ref())?);
    }
    let Object::List(keys) = object(&mut reader)? else {
        return Err(Error::Msg("the file has no list of storages".into()));
    };
    let mut storages = BTreeMap::new();
    for key in keys {
        let key = key.unicode().map_err(|_| Error::Msg("a storage has no name".into()))?;
        let info = infos.iter().find(|info| storage_key(info) == key);
        let info = info.ok_or_else(|| Error::Msg(format!("storage {key} belongs to no tensor")))?;
        storages.insert(key, storage(&mut reader, info.dtype)?);
    }
    let mut tensors = BTreeMap::new();
    for info in infos.into_iter().filter(|info| info.dtype.is_float()) {
        let storage = storages.get(storage_key(&info));
        let storage = storage.ok_or_else(|| Error::Msg(format!("{} has no storage", info.name)))?;
        let tensor = strided(&info, storage)?;
        tensors.insert(info.name, tensor);
    }
    Ok(tensors)
}

fn object(reader: &mut Cursor<&[u8]>) -> Result<Object> {
    let mut stack = Stack::empty();
    stack.read_loop(reader)?;
    stack.finalize()
}

fn storage_key(info: &TensorInfo) -> &str {
    info.path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&info.path)
}

/// The bytes of the next storage.
fn storage(reader: &mut Cursor<&[u8]>, dtype: DType) -> Result<Vec<u8>> {
    let mut n = [0; 8];
    reader.read_exact(&mut n)?;
    let n_bytes = u64::from_le_bytes(n).saturating_mul(dtype.size_in_bytes() as u64);
    let mut bytes = Vec::new();
    let n_read = reader.by_ref().take(n_bytes).read_to_end(&mut bytes)? as u64;
    match n_read == n_bytes {
        true => Ok(bytes),
        false => Err(Error::Msg(format!("the file is truncated: {} bytes are missing", n_bytes - n_read))),
    }
}

/// The elements of a tensor, in order, from a storage that it may share or read with strides.
fn strided(info: &TensorInfo, storage: &[u8]) -> Result<Tensor> {
    let size = info.dtype.size_in_bytes();
    let (dims, stride) = (info.layout.dims(), info.layout.stride());
    let mut bytes =
        Vec::with_capacity(info.layout.shape().elem_count().saturating_mul(size).min(storage.len()));
    let mut index = vec![0usize; dims.len()];
    for _ in 0..info.layout.shape().elem_count() {
        // candle stores the offset in bytes.
        let element: usize = index.iter().zip(stride).map(|(i, step)| i * step).sum();
        let start = info.layout.start_offset() + element * size;
        let element = storage.get(start..start + size);
        bytes.extend_from_slice(element.ok_or_else(|| Error::Msg(format!("{} is truncated", info.name)))?);
        for (i, length) in index.iter_mut().zip(dims).rev() {
            *i += 1;
            if *i < *length {
                break;
            }
            *i = 0;
        }
    }
    Tensor::from_raw_buffer(&bytes, info.dtype, dims, &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by scripts/golden_legacy.py.
    const GOLDEN: &[u8] = include_bytes!("../../tests/golden/legacy.bin");

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_file_of_the_old_format() {
        assert!(is_legacy(GOLDEN));
        let tensors = tensors(GOLDEN).unwrap();
        let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
        assert_eq!(names, ["half", "part", "transposed", "weight"]);
        assert_eq!(values(&tensors["weight"]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(tensors["transposed"].dims(), [3, 2]);
        assert_eq!(values(&tensors["transposed"]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(values(&tensors["part"]), [3.0, 4.0, 5.0]);
        assert_eq!((values(&tensors["half"]), tensors["half"].dtype()), (vec![0.5, -2.0], DType::F16));
    }

    #[test]
    fn a_truncated_file_is_an_error_at_every_length() {
        for length in MAGIC.len()..GOLDEN.len() {
            assert!(tensors(&GOLDEN[..length]).is_err(), "{length} bytes");
        }
    }
}
