//! The packed corpus on disk: one file, written once, then memory-mapped.
//!
//! Layout, little-endian:
//!
//! ```text
//! header         96 bytes: magic, version, bytes per id, training examples, all examples, training tokens,
//!                all tokens, checksum (BLAKE3 of the body and of the fields before it), the share of the
//!                text that was kept with a check of its own, or zeros
//! input ids      u16 or u32 per token, all examples end to end, the held-out ones last
//! offsets        u64 per example, and one more: its first token's number among all tokens
//! first lengths  u32 per example: its tokens of type 0
//! ```
//!
//! Must never: change a file in place; a new one is written to a temporary file and renamed.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use memmap2::Mmap;
use tempfile::NamedTempFile;

use super::packing::PackedExample;
use crate::disk::{create_folder, folder_of, persist, temporary_for};
use crate::error::{Error, Result};
use crate::text::batch::Batch;

/// Increased when the layout changes, or the output of packing for the same input.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"ELABCORP";
const FIELDS_BYTES: usize = 48;
const HEADER_BYTES: usize = 96;
/// Where the share that was kept is. It is not part of the checksum, which names the corpus in records: files
/// from before have zeros.
const KEPT_SHARE_AT: usize = FIELDS_BYTES + 32;

/// The numbers in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CorpusHeader {
    id_bytes: u32,
    n_train: u64,
    n_all: u64,
    train_tokens: u64,
    all_tokens: u64,
}

impl CorpusHeader {
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
        let is_valid =
            bytes.starts_with(MAGIC) && read_u32(bytes, 8)? == FORMAT_VERSION && matches!(id_bytes, 2 | 4);
        is_valid.then_some(())?;
        Some(Self {
            id_bytes,
            n_train: read_u64(bytes, 16)?,
            n_all: read_u64(bytes, 24)?,
            train_tokens: read_u64(bytes, 32)?,
            all_tokens: read_u64(bytes, 40)?,
        })
    }

    /// Where the offsets and the first segment lengths start and where the file ends, in bytes.
    fn ends(&self) -> Option<(u64, u64, u64)> {
        let offsets =
            self.all_tokens.checked_mul(u64::from(self.id_bytes))?.checked_add(HEADER_BYTES as u64)?;
        let first_segment_lens = self.n_all.checked_add(1)?.checked_mul(8)?.checked_add(offsets)?;
        Some((offsets, first_segment_lens, self.n_all.checked_mul(4)?.checked_add(first_segment_lens)?))
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Writes a corpus to a temporary file, and renames it when it is complete.
pub struct CorpusWriter<'a> {
    path: &'a Path,
    file: BufWriter<NamedTempFile>,
    hasher: blake3::Hasher,
    header: CorpusHeader,
    offsets: Vec<u64>,
    first_segment_lens: Vec<u32>,
}

impl<'a> CorpusWriter<'a> {
    /// Starts a file for ids below `vocab_size`; creates its folder.
    pub fn create(path: &'a Path, vocab_size: usize) -> Result<Self> {
        create_folder(folder_of(path))?;
        let temporary = temporary_for(path)?;
        let id_bytes = if vocab_size <= 1 << 16 { 2 } else { 4 };
        let mut writer = Self {
            path,
            file: BufWriter::new(temporary),
            hasher: blake3::Hasher::new(),
            header: CorpusHeader { id_bytes, n_train: 0, n_all: 0, train_tokens: 0, all_tokens: 0 },
            offsets: vec![0],
            first_segment_lens: Vec::new(),
        };
        writer.put(&[0; HEADER_BYTES])?;
        writer.hasher.reset();
        Ok(writer)
    }

    /// Appends an example; after the first held-out example, all others must be held out too.
    pub fn push(&mut self, example: &PackedExample, held_out: bool) -> Result<()> {
        let mut bytes = Vec::with_capacity(example.input_ids.len() * self.header.id_bytes as usize);
        for id in &example.input_ids {
            if self.header.id_bytes == 4 {
                bytes.extend_from_slice(&id.to_le_bytes());
            } else {
                let id = u16::try_from(*id).map_err(|_| {
                    Error::internal(format!("token id {id} is not below the size of the vocabulary"))
                })?;
                bytes.extend_from_slice(&id.to_le_bytes());
            }
        }
        self.put(&bytes)?;
        self.header.n_all += 1;
        self.header.all_tokens += example.input_ids.len() as u64;
        if !held_out {
            self.header.n_train += 1;
            self.header.train_tokens += example.input_ids.len() as u64;
        }
        self.offsets.push(self.header.all_tokens);
        self.first_segment_lens.push(example.first_segment_len as u32);
        Ok(())
    }

    /// Writes the tables and the header, syncs the file and renames it. `kept_share` is the share of the
    /// text's tokens that the examples have.
    pub fn finish(mut self, kept_share: Option<f64>) -> Result<()> {
        let offsets: Vec<u8> = self.offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        self.put(&offsets)?;
        let first_segment_lens: Vec<u8> =
            self.first_segment_lens.iter().flat_map(|len| len.to_le_bytes()).collect();
        self.put(&first_segment_lens)?;
        let header = self.header.to_bytes();
        let checksum = *self.hasher.update(&header).finalize().as_bytes();
        let storage = |error: std::io::Error| Error::storage(self.path, "write", error);
        let mut file = self.file.into_inner().map_err(|error| storage(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(storage)?;
        let kept_share = kept_share.map_or([0; 16], |share| kept_share_bytes(share, &checksum));
        file.write_all(&[header.as_slice(), &checksum, &kept_share].concat()).map_err(storage)?;
        persist(file, self.path)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|error| Error::storage(self.path, "write", error))
    }
}

/// The share that was kept, and the first bytes of a hash of it and of the corpus' checksum.
fn kept_share_bytes(share: f64, checksum: &[u8]) -> [u8; 16] {
    let share = share.to_le_bytes();
    let check = blake3::hash(&[checksum, share.as_slice()].concat());
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&share);
    bytes[8..].copy_from_slice(&check.as_bytes()[..8]);
    bytes
}

/// A memory-mapped corpus file.
#[derive(Debug)]
pub struct CorpusFile {
    map: Mmap,
    header: CorpusHeader,
    offsets_at: usize,
    first_lens_at: usize,
    checksum: String,
}

impl CorpusFile {
    /// Maps a file, and checks its length and checksum.
    ///
    /// # Errors
    /// The reason as text: the file is missing, has another version, is truncated or damaged.
    pub fn open(path: &Path) -> std::result::Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        // SAFETY: a corpus file is written under another name and renamed when it is complete. This crate
        // never changes or truncates a file that has its final name, so the mapped bytes do not change. If
        // another program writes into the cache, reads may return other numbers; every read below is
        // bounds-checked.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| error.to_string())?;
        let header = CorpusHeader::from_bytes(&map).ok_or("it is not a corpus file of this version")?;
        let (offsets_at, first_lens_at, end) = header.ends().ok_or("its header is damaged")?;
        if map.len() as u64 != end {
            return Err(format!("it has {} bytes, expected {end}", map.len()));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(map.get(HEADER_BYTES..).unwrap_or_default()).update(&header.to_bytes());
        let checksum = hasher.finalize();
        if map.get(FIELDS_BYTES..FIELDS_BYTES + 32) != Some(checksum.as_bytes().as_slice()) {
            return Err("its checksum is wrong".into());
        }
        let checksum = checksum.to_hex().to_string();
        let file = Self {
            map,
            header,
            offsets_at: offsets_at as usize,
            first_lens_at: first_lens_at as usize,
            checksum,
        };
        file.check_tables()?;
        Ok(file)
    }

    /// Checks that the tables agree with the header and with each other: a right checksum says only that the
    /// file is as somebody wrote it.
    fn check_tables(&self) -> std::result::Result<(), String> {
        let CorpusHeader { n_train, n_all, train_tokens, all_tokens, .. } = self.header;
        let offset =
            |index: u64| read_u64(&self.map, self.offsets_at + 8 * index as usize).unwrap_or(u64::MAX);
        if n_train == 0 || n_train > n_all {
            return Err(format!("it has {n_train} training examples of {n_all}"));
        }
        if (offset(0), offset(n_train), offset(n_all)) != (0, train_tokens, all_tokens) {
            return Err("its examples do not have the tokens of its header".into());
        }
        for index in 0..n_all {
            let length = offset(index + 1).checked_sub(offset(index));
            let first =
                read_u32(&self.map, self.first_lens_at + 4 * index as usize).map_or(u64::MAX, u64::from);
            if length.is_none_or(|length| length == 0 || first > length) {
                return Err(format!("its example {index} has no tokens, or not those of its first segment"));
            }
        }
        Ok(())
    }

    /// Checks that every example has at most `seq_len` tokens, and that all are in a vocabulary of
    /// `vocab_size`.
    ///
    /// # Errors
    /// The reason as text.
    pub fn check_examples(&self, vocab_size: usize, seq_len: usize) -> std::result::Result<(), String> {
        for index in 0..self.header.n_all {
            let (ids, _) = self.example(index).ok_or_else(|| format!("its example {index} is missing"))?;
            if ids.len() > seq_len {
                return Err(format!("its example {index} has {} tokens, more than {seq_len}", ids.len()));
            }
            if let Some(id) = ids.iter().find(|id| **id as usize >= vocab_size) {
                return Err(format!(
                    "its example {index} has the token {id}, and the tokenizer {vocab_size} tokens"
                ));
            }
        }
        Ok(())
    }

    /// Training examples.
    pub fn n_train(&self) -> u64 {
        self.header.n_train
    }

    /// Held-out examples.
    pub fn n_held_out(&self) -> u64 {
        self.header.n_all.saturating_sub(self.header.n_train)
    }

    /// Tokens of the training examples.
    pub fn train_tokens(&self) -> u64 {
        self.header.train_tokens
    }

    /// The share of the text's tokens that the examples have, from 0 to 1; None if the file does not say it.
    pub fn kept_share(&self) -> Option<f64> {
        let checksum = self.map.get(FIELDS_BYTES..KEPT_SHARE_AT)?;
        let bytes = self.map.get(KEPT_SHARE_AT..HEADER_BYTES)?;
        let share = f64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
        (bytes == kept_share_bytes(share, checksum)).then_some(share)
    }

    /// BLAKE3 of the content, in hexadecimal.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// Appends example `index` to a batch; held-out examples follow the training ones. Past the end, appends
    /// nothing.
    pub fn append(&self, index: u64, batch: &mut Batch) {
        if let Some((input_ids, first_segment_len)) = self.example(index) {
            let token_type_ids: Vec<u32> =
                (0..input_ids.len()).map(|k| u32::from(k >= first_segment_len)).collect();
            batch.push(&input_ids, &token_type_ids);
        }
    }

    fn example(&self, index: u64) -> Option<(Vec<u32>, usize)> {
        let index = usize::try_from(index).ok().filter(|_| index < self.header.n_all)?;
        let id_bytes = self.header.id_bytes as usize;
        let start = read_u64(&self.map, self.offsets_at + 8 * index)? as usize;
        let end = read_u64(&self.map, self.offsets_at + 8 * (index + 1))? as usize;
        let bytes = self.map.get(HEADER_BYTES + start * id_bytes..HEADER_BYTES + end * id_bytes)?;
        let id = |word: &[u8]| word.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
        let ids = bytes.chunks_exact(id_bytes).map(id).collect();
        Some((ids, read_u32(&self.map, self.first_lens_at + 4 * index)? as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, vocab_size: usize) {
        write_with_share(path, vocab_size, Some(0.75));
    }

    fn write_with_share(path: &Path, vocab_size: usize, kept_share: Option<f64>) {
        let mut writer = CorpusWriter::create(path, vocab_size).unwrap();
        writer
            .push(&PackedExample { input_ids: vec![2, 258, 3, 9, 3], first_segment_len: 3 }, false)
            .unwrap();
        writer.push(&PackedExample { input_ids: vec![2, 65535, 3], first_segment_len: 3 }, false).unwrap();
        writer.push(&PackedExample { input_ids: vec![2, 7, 8, 3], first_segment_len: 4 }, true).unwrap();
        writer.finish(kept_share).unwrap();
    }

    /// A file from before the share was written, and one whose share is damaged, say none; they are the same
    /// corpus.
    #[test]
    fn the_kept_share_is_not_part_of_the_corpus() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.corpus");
        write(&path, 100);
        let new = CorpusFile::open(&path).unwrap();
        assert_eq!(new.kept_share(), Some(0.75));
        let intact = std::fs::read(&path).unwrap();
        write_with_share(&path, 100, None);
        let old = CorpusFile::open(&path).unwrap();
        assert_eq!((old.kept_share(), old.checksum()), (None, new.checksum()));
        for at in KEPT_SHARE_AT..HEADER_BYTES {
            let mut bytes = intact.clone();
            bytes[at] ^= 0x11;
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(CorpusFile::open(&path).unwrap().kept_share(), None, "byte {at}");
        }
    }

    #[test]
    fn examples_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        for (vocab_size, id_bytes) in [(65_536, 2), (65_537, 4)] {
            let path = folder.path().join(format!("new/{vocab_size}.corpus"));
            write(&path, vocab_size);
            let file = CorpusFile::open(&path).unwrap();
            assert_eq!(file.header.id_bytes, id_bytes);
            assert_eq!((file.n_train(), file.n_held_out(), file.train_tokens()), (2, 1, 8));
            let mut batch = Batch::new();
            for index in [2, 0, 1, 3, u64::MAX] {
                file.append(index, &mut batch);
            }
            assert_eq!(batch.input_ids, [2, 7, 8, 3, 2, 258, 3, 9, 3, 2, 65535, 3]);
            assert_eq!(batch.token_type_ids, [0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0]);
            assert_eq!(batch.offsets, [0, 4, 9, 12]);
        }
        let files: Vec<_> = std::fs::read_dir(folder.path().join("new")).unwrap().collect();
        assert_eq!(files.len(), 2, "temporary files were left");
    }

    /// With a right checksum: somebody wrote the file so.
    #[test]
    fn tables_that_are_wrong_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.corpus");
        let with = |change: &dyn Fn(&mut CorpusWriter)| {
            let mut writer = CorpusWriter::create(&path, 100).unwrap();
            for held_out in [false, false, true] {
                let example = PackedExample { input_ids: vec![2, 7, 8, 3], first_segment_len: 4 };
                writer.push(&example, held_out).unwrap();
            }
            change(&mut writer);
            writer.finish(None).unwrap();
            CorpusFile::open(&path).map(|file| file.n_train())
        };
        assert_eq!(with(&|_| {}), Ok(2));
        assert!(
            with(&|writer| writer.offsets[1] = 9).unwrap_err().starts_with("its example 1 has no tokens")
        );
        assert!(with(&|writer| writer.offsets[3] = 13).unwrap_err().starts_with("its examples do not have"));
        assert!(
            with(&|writer| writer.first_segment_lens[2] = 5).unwrap_err().starts_with("its example 2 has")
        );
        assert_eq!(with(&|writer| writer.header.n_train = 0).unwrap_err(), "it has 0 training examples of 3");
        with(&|_| {}).unwrap();
        let file = CorpusFile::open(&path).unwrap();
        assert!(file.check_examples(9, 4).is_ok());
        assert!(file.check_examples(8, 4).unwrap_err().starts_with("its example 0 has the token 8"));
        assert!(file.check_examples(9, 3).unwrap_err().ends_with("has 4 tokens, more than 3"));
    }

    #[test]
    fn every_damaged_byte_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.corpus");
        write(&path, 70_000);
        let intact = std::fs::read(&path).unwrap();
        for at in (0..FIELDS_BYTES + 32).chain(HEADER_BYTES..intact.len()) {
            let mut bytes = intact.clone();
            bytes[at] ^= 0x11;
            std::fs::write(&path, bytes).unwrap();
            assert!(CorpusFile::open(&path).is_err(), "byte {at}");
        }
        for length in [0, 1, HEADER_BYTES, intact.len() - 1] {
            std::fs::write(&path, &intact[..length]).unwrap();
            assert!(CorpusFile::open(&path).is_err(), "length {length}");
        }
        std::fs::write(&path, [intact.as_slice(), &[0]].concat()).unwrap();
        assert!(CorpusFile::open(&path).is_err());
    }
}
