//! Parcels: tokenised texts in one compressed file, for a machine that has neither the texts nor the time to tokenise them.
//!
//! A zip whose files are stored as they are. Text i has, in this order, `i/record.json` (see `carried.rs`), `i/tokenizer.json` and, for
//! every length of sequences, `i/LENGTH.corpus.zst`: the corpus file, compressed by Zstandard, which takes a token of English text to nine
//! bits. Must never: put a corpus in its place whose checksum is wrong.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::file::CorpusFile;
use super::imported::{FORMAT_VERSION, Record};
use super::open::open_text;
use super::{cache_path, imported, open_file};
use crate::disk::{check_folder, create_folder, folder_of, write_by};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::DataSpec;
use crate::hub::DataEnv;
use crate::records::Sink;
use crate::text::tokenizer::Tokenizer;

/// Of Zstandard: the best that needs no memory beyond the usual, at some megabytes a second.
const LEVEL: i32 = 19;
/// log2 of the bytes that a match may reach back, the most that is unpacked without being asked for.
const WINDOW: u32 = 27;

/// A corpus in a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedCorpus {
    /// What the text is called.
    pub source: String,
    /// Longest sequence in tokens.
    pub seq_len: usize,
    /// Tokens of the training examples.
    pub n_tokens: u64,
    /// Bytes in the parcel.
    pub packed_bytes: u64,
    /// Bytes in the cache.
    pub bytes: u64,
}

/// Writes the corpora of data sections, each for some lengths of sequences, into a parcel; makes those that the cache has not.
///
/// # Errors
/// The file is there already or cannot be written; a text cannot be had.
pub fn pack(
    texts: &[(&DataSpec, Vec<usize>)],
    to: &Path,
    env: &DataEnv,
    sink: &dyn Sink,
) -> Result<Vec<ArchivedCorpus>> {
    if to.exists() {
        let what = format!("{} is there already", to.display());
        return Err(Error::new(ErrorKind::Storage, what, "give --to another name, or delete the file"));
    }
    check_folder("--to", to)?;
    // All texts first: what cannot be had shows before anything is compressed.
    let mut opened = Vec::new();
    for (data, lengths) in texts {
        let text = open_text(data, env, sink)?;
        let corpora: Vec<_> =
            lengths.iter().map(|&len| Ok((len, open_file(&text, len, env, sink)?))).collect::<Result<_>>()?;
        opened.push((*data, text, corpora));
    }
    let mut packed = Vec::new();
    let refused = |error: io::Error| Error::storage(to, "write", error);
    write_by(to, |file| {
        let mut zip = ZipWriter::new(file);
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        for (number, (data, text, corpora)) in opened.into_iter().enumerate() {
            let record = Record {
                format_version: FORMAT_VERSION,
                data: data.clone(),
                name: text.name,
                revision: text.revision,
                identity: text.identity,
            };
            let json = serde_json::to_vec_pretty(&record)
                .map_err(|error| Error::internal("cannot write a record as JSON").because(error))?;
            for (name, bytes) in [("record.json", json), ("tokenizer.json", text.tokenizer.to_json()?)] {
                zip.start_file(format!("{number}/{name}"), options).map_err(|error| refused(error.into()))?;
                zip.write_all(&bytes).map_err(refused)?;
            }
            for (seq_len, (path, corpus)) in corpora {
                sink.phase(&format!("compressing {} for {seq_len} tokens", record.name));
                let name = format!("{number}/{seq_len}.corpus.zst");
                zip.start_file(name, options).map_err(|error| refused(error.into()))?;
                let mut counted = Counted { to: &mut zip, n: 0 };
                let bytes = compress(&path, &mut counted, sink).map_err(refused)?;
                packed.push(ArchivedCorpus {
                    source: record.name.clone(),
                    seq_len,
                    n_tokens: corpus.train_tokens(),
                    packed_bytes: counted.n,
                    bytes,
                });
            }
        }
        zip.finish().map_err(|error| refused(error.into()))?;
        Ok(())
    })?;
    Ok(packed)
}

/// Counts what is written.
struct Counted<W> {
    to: W,
    n: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.n += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn compress(path: &Path, to: &mut impl Write, sink: &dyn Sink) -> io::Result<u64> {
    let mut from = File::open(path)?;
    let total = from.metadata()?.len();
    let mut encoder = zstd::Encoder::new(to, LEVEL)?;
    encoder.window_log(WINDOW)?;
    let (mut block, mut done) = (vec![0; 1 << 20], 0);
    loop {
        let n = from.read(&mut block)?;
        if n == 0 {
            encoder.finish()?;
            return Ok(total);
        }
        encoder.write_all(&block[..n])?;
        done += n as u64;
        sink.progress(done, total);
    }
}

/// Puts the corpora of a parcel into the cache.
///
/// # Errors
/// The file cannot be read, is no parcel, or is damaged; the cache cannot be written.
pub fn unpack(from: &Path, env: &DataEnv, sink: &dyn Sink) -> Result<Vec<ArchivedCorpus>> {
    let damaged = |what: &str| {
        let what = format!("{}: {what}", from.display());
        Error::new(ErrorKind::Data, what, "copy it again, or make it again with `electra-lab pack`")
    };
    let file = File::open(from).map_err(|error| {
        let what = format!("{} cannot be read", from.display());
        Error::new(ErrorKind::Data, what, "give the path of a file that `electra-lab pack` wrote")
            .because(error)
    })?;
    let mut zip =
        ZipArchive::new(file).map_err(|error| damaged("it is no parcel, or it is cut off").because(error))?;
    let names: Vec<String> =
        zip.file_names().filter_map(|name| name.ok().map(|name| name.into_owned())).collect();
    let mut unpacked = Vec::new();
    for number in 0.. {
        let record_name = format!("{number}/record.json");
        if !names.contains(&record_name) {
            break;
        }
        let record: Record = serde_json::from_slice(&whole(&mut zip, &record_name, &damaged)?)
            .map_err(|error| damaged(&format!("{record_name} is of another version")).because(error))?;
        if record.format_version != FORMAT_VERSION {
            return Err(damaged("it is of another version"));
        }
        let json = whole(&mut zip, &format!("{number}/tokenizer.json"), &damaged)?;
        let tokenizer = Tokenizer::from_json(&json, &format!("in {}", from.display()))?;
        let mut lengths: Vec<usize> = names.iter().filter_map(|name| length_of(name, number)).collect();
        lengths.sort_unstable();
        for seq_len in lengths {
            sink.phase(&format!("unpacking {} for {seq_len} tokens", record.name));
            let name = format!("{number}/{seq_len}.corpus.zst");
            let path = cache_path(&record.identity, tokenizer.hash(), seq_len, env);
            let damaged = |what: &str| damaged(&format!("{name} is damaged: {what}"));
            let entry = zip.by_name(&name).map_err(|error| damaged("its place").because(error))?;
            let packed_bytes = entry.size();
            let n_tokens = place(entry, &path, &damaged)?;
            unpacked.push(ArchivedCorpus {
                source: record.name.clone(),
                seq_len,
                n_tokens,
                packed_bytes,
                bytes: std::fs::metadata(&path).map_or(0, |data| data.len()),
            });
        }
        imported::keep(&record, &json, env)?;
    }
    if unpacked.is_empty() {
        return Err(damaged("it holds no corpus"));
    }
    Ok(unpacked)
}

fn whole(
    zip: &mut ZipArchive<impl Read + Seek>,
    name: &str,
    damaged: &impl Fn(&str) -> Error,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut entry =
        zip.by_name(name).map_err(|error| damaged(&format!("{name} is missing")).because(error))?;
    entry.read_to_end(&mut bytes).map_err(|error| damaged(&format!("{name} is damaged")).because(error))?;
    Ok(bytes)
}

/// The length in the name of a corpus of text `number`.
fn length_of(name: &str, number: usize) -> Option<usize> {
    name.strip_prefix(&format!("{number}/"))?.strip_suffix(".corpus.zst")?.parse().ok()
}

/// Decompresses a corpus beside its place, checks it and puts it there; returns the tokens of its training examples.
fn place(mut entry: impl Read, path: &Path, damaged: &impl Fn(&str) -> Error) -> Result<u64> {
    let mut decoder =
        zstd::Decoder::new(&mut entry).map_err(|error| damaged("its beginning").because(error))?;
    decoder.window_log_max(WINDOW).map_err(|error| damaged("its window").because(error))?;
    create_folder(folder_of(path))?;
    let mut n_tokens = 0;
    write_by(path, |file| {
        let mut block = vec![0; 1 << 20];
        loop {
            let n = decoder.read(&mut block).map_err(|error| damaged("its bytes").because(error))?;
            if n == 0 {
                break;
            }
            file.write_all(&block[..n]).map_err(|error| Error::storage(path, "write", error))?;
        }
        n_tokens = CorpusFile::open(file.path()).map_err(|why| damaged(&why))?.train_tokens();
        Ok(())
    })?;
    Ok(n_tokens)
}

#[cfg(test)]
mod tests;
