//! The packed corpus on disk: one file, written once, then only mapped and read.
//!
//! Layout, little-endian:
//!
//! ```text
//! header   96 bytes: magic, version, bytes an id, training examples, all examples, training tokens,
//!          all tokens, checksum (BLAKE3 of the body and of the fields before it), zeros
//! ids      u16 or u32 a token, all examples end to end, the held-out ones last
//! offsets  u64 an example and one more: where it starts among the ids, in tokens
//! firsts   u32 an example: its tokens of type 0
//! ```
//!
//! Must never: change a file in place; a new one is written beside it and renamed.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use memmap2::Mmap;
use tempfile::NamedTempFile;

use super::packing::Packed;
use crate::error::{Error, Result};
use crate::text::batch::Batch;

/// Changes with the layout or with what packing gives for the same input.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"ELABCORP";
const FIELDS_BYTES: usize = 48;
const HEADER_BYTES: usize = 96;

/// The numbers of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fields {
    id_bytes: u32,
    n_train: u64,
    n_all: u64,
    train_tokens: u64,
    all_tokens: u64,
}

impl Fields {
    fn to_bytes(self) -> [u8; FIELDS_BYTES] {
        let mut bytes = [0; FIELDS_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.id_bytes.to_le_bytes());
        for (slot, value) in
            [self.n_train, self.n_all, self.train_tokens, self.all_tokens].into_iter().enumerate()
        {
            bytes[16 + 8 * slot..24 + 8 * slot].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let id_bytes = read_u32(bytes, 12)?;
        let sound =
            bytes.starts_with(MAGIC) && read_u32(bytes, 8)? == FORMAT_VERSION && matches!(id_bytes, 2 | 4);
        sound.then_some(())?;
        Some(Self {
            id_bytes,
            n_train: read_u64(bytes, 16)?,
            n_all: read_u64(bytes, 24)?,
            train_tokens: read_u64(bytes, 32)?,
            all_tokens: read_u64(bytes, 40)?,
        })
    }

    /// Where offsets and firsts start and where the file ends, in bytes.
    fn ends(&self) -> Option<(u64, u64, u64)> {
        let offsets =
            self.all_tokens.checked_mul(u64::from(self.id_bytes))?.checked_add(HEADER_BYTES as u64)?;
        let firsts = self.n_all.checked_add(1)?.checked_mul(8)?.checked_add(offsets)?;
        Some((offsets, firsts, self.n_all.checked_mul(4)?.checked_add(firsts)?))
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Writes a corpus next to its final name, and renames it when it is whole.
pub struct CorpusWriter<'a> {
    path: &'a Path,
    file: BufWriter<NamedTempFile>,
    hasher: blake3::Hasher,
    fields: Fields,
    offsets: Vec<u64>,
    firsts: Vec<u32>,
}

impl<'a> CorpusWriter<'a> {
    /// Starts a file for ids below `vocab_size`; its folder is made.
    pub fn create(path: &'a Path, vocab_size: usize) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::storage(folder, "make the cache folder", error))?;
        let temporary = tempfile::Builder::new().prefix("corpus-").suffix(".tmp").tempfile_in(folder);
        let temporary = temporary.map_err(|error| Error::storage(folder, "write a file in", error))?;
        let id_bytes = if vocab_size <= 1 << 16 { 2 } else { 4 };
        let mut writer = Self {
            path,
            file: BufWriter::new(temporary),
            hasher: blake3::Hasher::new(),
            fields: Fields { id_bytes, n_train: 0, n_all: 0, train_tokens: 0, all_tokens: 0 },
            offsets: vec![0],
            firsts: Vec::new(),
        };
        writer.put(&[0; HEADER_BYTES])?;
        writer.hasher.reset();
        Ok(writer)
    }

    /// Appends an example; those that follow the first with `held_out` must all have it.
    pub fn push(&mut self, example: &Packed, held_out: bool) -> Result<()> {
        let mut bytes = Vec::with_capacity(example.ids.len() * self.fields.id_bytes as usize);
        for id in &example.ids {
            if self.fields.id_bytes == 4 {
                bytes.extend_from_slice(&id.to_le_bytes());
            } else {
                let id = u16::try_from(*id)
                    .map_err(|_| Error::internal(format!("id {id} is past the vocabulary")))?;
                bytes.extend_from_slice(&id.to_le_bytes());
            }
        }
        self.put(&bytes)?;
        self.fields.n_all += 1;
        self.fields.all_tokens += example.ids.len() as u64;
        if !held_out {
            self.fields.n_train += 1;
            self.fields.train_tokens += example.ids.len() as u64;
        }
        self.offsets.push(self.fields.all_tokens);
        self.firsts.push(example.n_first as u32);
        Ok(())
    }

    /// Writes the tables and the header, syncs, and gives the file its name.
    pub fn finish(mut self) -> Result<()> {
        let offsets: Vec<u8> = self.offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        self.put(&offsets)?;
        let firsts: Vec<u8> = self.firsts.iter().flat_map(|first| first.to_le_bytes()).collect();
        self.put(&firsts)?;
        let fields = self.fields.to_bytes();
        let checksum = *self.hasher.update(&fields).finalize().as_bytes();
        let storage = |error: std::io::Error| Error::storage(self.path, "write", error);
        let mut file = self.file.into_inner().map_err(|error| storage(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(storage)?;
        file.write_all(&fields).and_then(|()| file.write_all(&checksum)).map_err(storage)?;
        file.as_file().sync_all().map_err(storage)?;
        file.persist(self.path).map_err(|error| storage(error.error))?;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|error| Error::storage(self.path, "write", error))
    }
}

/// A corpus file, mapped.
#[derive(Debug)]
pub struct CorpusFile {
    map: Mmap,
    fields: Fields,
    offsets_at: usize,
    firsts_at: usize,
    checksum: String,
}

impl CorpusFile {
    /// Maps a file and checks its length and checksum.
    ///
    /// # Errors
    /// Why the file cannot be used, in words: it is missing, of another version, cut off or damaged.
    pub fn open(path: &Path) -> std::result::Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        // SAFETY: corpus files are written under another name and renamed when whole; this crate never changes or
        // cuts one that has its name, so the mapped bytes stay as they are. Someone else's writing into our cache
        // could be seen as other numbers; every read below is bounds-checked.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| error.to_string())?;
        let fields = Fields::from_bytes(&map).ok_or("it is of another format")?;
        let (offsets_at, firsts_at, end) = fields.ends().ok_or("its header is damaged")?;
        if map.len() as u64 != end {
            return Err(format!("it has {} bytes where {end} are expected", map.len()));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(map.get(HEADER_BYTES..).unwrap_or_default()).update(&fields.to_bytes());
        let checksum = hasher.finalize();
        if map.get(FIELDS_BYTES..FIELDS_BYTES + 32) != Some(checksum.as_bytes().as_slice()) {
            return Err("its checksum is wrong".into());
        }
        let checksum = checksum.to_hex().to_string();
        Ok(Self { map, fields, offsets_at: offsets_at as usize, firsts_at: firsts_at as usize, checksum })
    }

    /// Training examples.
    pub fn n_train(&self) -> u64 {
        self.fields.n_train
    }

    /// Held-out examples.
    pub fn n_held_out(&self) -> u64 {
        self.fields.n_all.saturating_sub(self.fields.n_train)
    }

    /// Tokens of the training examples.
    pub fn train_tokens(&self) -> u64 {
        self.fields.train_tokens
    }

    /// BLAKE3 of the content, in hexadecimal.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// Appends example `index` (held-out ones follow the training ones) to a batch; past the end, nothing.
    pub fn append(&self, index: u64, batch: &mut Batch) {
        if let Some((ids, n_first)) = self.example(index) {
            let types: Vec<u32> = (0..ids.len()).map(|k| u32::from(k >= n_first)).collect();
            batch.push(&ids, &types);
        }
    }

    fn example(&self, index: u64) -> Option<(Vec<u32>, usize)> {
        let index = usize::try_from(index).ok().filter(|_| index < self.fields.n_all)?;
        let id_bytes = self.fields.id_bytes as usize;
        let start = read_u64(&self.map, self.offsets_at + 8 * index)? as usize;
        let end = read_u64(&self.map, self.offsets_at + 8 * (index + 1))? as usize;
        let bytes = self.map.get(HEADER_BYTES + start * id_bytes..HEADER_BYTES + end * id_bytes)?;
        let id = |word: &[u8]| word.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
        let ids = bytes.chunks_exact(id_bytes).map(id).collect();
        Some((ids, read_u32(&self.map, self.firsts_at + 4 * index)? as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, vocab_size: usize) {
        let mut writer = CorpusWriter::create(path, vocab_size).unwrap();
        writer.push(&Packed { ids: vec![2, 258, 3, 9, 3], n_first: 3 }, false).unwrap();
        writer.push(&Packed { ids: vec![2, 65535, 3], n_first: 3 }, false).unwrap();
        writer.push(&Packed { ids: vec![2, 7, 8, 3], n_first: 4 }, true).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for (vocab_size, id_bytes) in [(65_536, 2), (65_537, 4)] {
            let path = folder.path().join(format!("new/{vocab_size}.corpus"));
            write(&path, vocab_size);
            let file = CorpusFile::open(&path).unwrap();
            assert_eq!(file.fields.id_bytes, id_bytes);
            assert_eq!((file.n_train(), file.n_held_out(), file.train_tokens()), (2, 1, 8));
            let mut batch = Batch::new();
            for index in [2, 0, 1, 3, u64::MAX] {
                file.append(index, &mut batch);
            }
            assert_eq!(batch.ids, [2, 7, 8, 3, 2, 258, 3, 9, 3, 2, 65535, 3]);
            assert_eq!(batch.types, [0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0]);
            assert_eq!(batch.offsets, [0, 4, 9, 12]);
        }
        let left: Vec<_> = std::fs::read_dir(folder.path().join("new")).unwrap().collect();
        assert_eq!(left.len(), 2, "temporary files were left");
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.corpus");
        write(&path, 70_000);
        let sound = std::fs::read(&path).unwrap();
        for at in (0..FIELDS_BYTES + 32).chain(HEADER_BYTES..sound.len()) {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x11;
            std::fs::write(&path, bytes).unwrap();
            assert!(CorpusFile::open(&path).is_err(), "byte {at}");
        }
        for length in [0, 1, HEADER_BYTES, sound.len() - 1] {
            std::fs::write(&path, &sound[..length]).unwrap();
            assert!(CorpusFile::open(&path).is_err(), "length {length}");
        }
        std::fs::write(&path, [sound.as_slice(), &[0]].concat()).unwrap();
        assert!(CorpusFile::open(&path).is_err());
    }
}
