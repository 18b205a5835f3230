//! Corpus archives: tokenised corpora in one compressed file, for a machine that has neither the texts nor
//! the time to tokenise them.
//!
//! An archive is a zip whose entries the zip itself does not compress. Text i has, in this order,
//! `i/record.json` (see `imported.rs`), `i/tokenizer.json` and, for every sequence length,
//! `i/LENGTH.corpus.zst`: the corpus file, compressed by Zstandard to about nine bits for a token of English
//! text. Must never: put a corpus with a wrong checksum into the cache, or in the place of another one.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::build::{cache_path, open_or_build};
use super::file::CorpusFile;
use super::imported::{self, FORMAT_VERSION, ImportRecord};
use super::text::{PretrainingText, TextOpener};
use crate::disk::{check_folder, create_folder, folder_of, persist, remove_orphans, temporary_for, write_by};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::DataSpec;
use crate::hub::DataEnv;
use crate::records::Sink;
use crate::text::tokenizer::Tokenizer;

/// The command that writes an archive, for messages.
pub(super) const EXPORT_COMMAND: &str = "electra-lab corpus export";

/// Zstandard's compression level: the highest that needs no extra memory.
const LEVEL: i32 = 19;
/// log2 of Zstandard's window in bytes: the largest that every decoder accepts.
const WINDOW_LOG: u32 = 27;

/// One corpus of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedCorpus {
    /// Repository, patterns or `built-in language`.
    pub source: String,
    /// Longest sequence in tokens.
    pub seq_len: usize,
    /// Tokens of the training examples.
    pub n_tokens: u64,
    /// Size in the archive, in bytes.
    pub archive_bytes: u64,
    /// Size in the cache, in bytes.
    pub cache_bytes: u64,
}

/// A text with its corpus file for every sequence length.
struct ExportedText<'a> {
    data: &'a DataSpec,
    text: PretrainingText,
    corpora: Vec<(usize, PathBuf, CorpusFile)>,
}

/// Writes the corpora of data sections, each for some sequence lengths, into an archive. Builds those that
/// are not in the cache.
///
/// # Errors
/// The file exists already or cannot be written; a text is not available.
pub fn export_archive(
    texts: &[(&DataSpec, Vec<usize>)],
    to: &Path,
    env: &DataEnv,
    sink: &dyn Sink,
) -> Result<Vec<ArchivedCorpus>> {
    if to.exists() {
        let what = format!("{} exists already", to.display());
        return Err(Error::new(ErrorKind::Storage, what, "give --to another name, or delete the file"));
    }
    check_folder("--to", to)?;
    // All texts are opened first, so that a missing one is reported before anything is compressed.
    let mut opened = Vec::new();
    for (data, lengths) in texts {
        let text = TextOpener::new(data, env).text(sink)?;
        let mut corpora = Vec::new();
        for &seq_len in lengths {
            let (path, file) = open_or_build(&text, seq_len, env, sink)?;
            corpora.push((seq_len, path, file));
        }
        opened.push(ExportedText { data, text, corpora });
    }
    let mut exported = Vec::new();
    write_by(to, |file| {
        let mut zip = ZipWriter::new(file);
        for (number, text) in opened.into_iter().enumerate() {
            export_text(&mut zip, number, text, to, sink, &mut exported)?;
        }
        zip.finish().map_err(|error| Error::storage(to, "write", error))?;
        Ok(())
    })?;
    Ok(exported)
}

fn export_text(
    zip: &mut ZipWriter<impl Write + Seek>,
    number: usize,
    exported: ExportedText<'_>,
    to: &Path,
    sink: &dyn Sink,
    all: &mut Vec<ArchivedCorpus>,
) -> Result<()> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    let failed = |error: io::Error| Error::storage(to, "write", error);
    let ExportedText { data, text, corpora } = exported;
    let record = ImportRecord {
        format_version: FORMAT_VERSION,
        data: data.clone(),
        name: text.name,
        revision: text.revision,
        identity: text.identity,
    };
    let json = serde_json::to_vec_pretty(&record)
        .map_err(|error| Error::internal("cannot write a record as JSON").because(error))?;
    for (name, bytes) in [("record.json", json), ("tokenizer.json", text.tokenizer.to_json()?)] {
        zip.start_file(format!("{number}/{name}"), options).map_err(|error| failed(error.into()))?;
        zip.write_all(&bytes).map_err(failed)?;
    }
    for (seq_len, path, corpus) in corpora {
        sink.phase(&format!("compressing {} for {seq_len} tokens", record.name));
        let name = format!("{number}/{seq_len}.corpus.zst");
        zip.start_file(name, options).map_err(|error| failed(error.into()))?;
        let mut counter = CountingWriter { to: &mut *zip, n_bytes: 0 };
        let cache_bytes = compress(&path, &mut counter, sink).map_err(failed)?;
        all.push(ArchivedCorpus {
            source: record.name.clone(),
            seq_len,
            n_tokens: corpus.train_tokens(),
            archive_bytes: counter.n_bytes,
            cache_bytes,
        });
    }
    Ok(())
}

/// Counts the bytes that pass through it.
struct CountingWriter<W> {
    to: W,
    n_bytes: u64,
}

impl<W: Write> Write for CountingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.n_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Compresses a file and returns its size.
fn compress(path: &Path, to: &mut impl Write, sink: &dyn Sink) -> io::Result<u64> {
    let mut from = File::open(path)?;
    let total = from.metadata()?.len();
    let mut encoder = zstd::Encoder::new(to, LEVEL)?;
    encoder.window_log(WINDOW_LOG)?;
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

/// Puts the corpora of an archive into the cache.
///
/// # Errors
/// The file cannot be read, is not an archive, is damaged or wrong inside, or holds another corpus than the
/// cache has for the same text; the cache cannot be written.
pub fn import_archive(from: &Path, env: &DataEnv, sink: &dyn Sink) -> Result<Vec<ArchivedCorpus>> {
    let damaged = |what: &str| {
        let what = format!("{}: {what}", from.display());
        let hint = format!("copy the archive again, or write it again with `{EXPORT_COMMAND}`");
        Error::new(ErrorKind::Data, what, hint)
    };
    let file = File::open(from).map_err(|error| {
        let what = format!("cannot read {}", from.display());
        let hint = format!("give the path of an archive that `{EXPORT_COMMAND}` wrote");
        Error::new(ErrorKind::Data, what, hint).because(error)
    })?;
    let mut zip = ZipArchive::new(file)
        .map_err(|error| damaged("not a corpus archive, or truncated").because(error))?;
    let names: Vec<String> =
        zip.file_names().filter_map(|name| name.ok().map(|name| name.into_owned())).collect();
    let mut imported = Vec::new();
    for number in 0.. {
        let record_name = format!("{number}/record.json");
        if !names.contains(&record_name) {
            break;
        }
        let record: ImportRecord = serde_json::from_slice(&read_entry(&mut zip, &record_name, &damaged)?)
            .map_err(|error| {
                damaged(&format!("{record_name} has an unknown format version")).because(error)
            })?;
        if record.format_version != FORMAT_VERSION {
            let version = record.format_version;
            return Err(damaged(&format!(
                "format version {version}, but this program reads {FORMAT_VERSION}"
            )));
        }
        let json = read_entry(&mut zip, &format!("{number}/tokenizer.json"), &damaged)?;
        let tokenizer = Tokenizer::from_json(&json, &format!("in {}", from.display()))?;
        imported::check_same_text(&record, &tokenizer, env)?;
        let mut lengths: Vec<usize> = names.iter().filter_map(|name| seq_len_of(name, number)).collect();
        lengths.sort_unstable();
        for seq_len in lengths {
            sink.phase(&format!("importing {} for {seq_len} tokens", record.name));
            let name = format!("{number}/{seq_len}.corpus.zst");
            let path = cache_path(&record.identity, tokenizer.hash(), seq_len, env);
            let damaged = |what: &str| damaged(&format!("{name} is damaged: {what}"));
            let entry = zip.by_name(&name).map_err(|error| damaged("its zip entry").because(error))?;
            let archive_bytes = entry.size();
            let check = |file: &CorpusFile| file.check_examples(tokenizer.vocab_size(), seq_len);
            let n_tokens = decompress_into_cache(entry, &path, check, &damaged)?;
            imported.push(ArchivedCorpus {
                source: record.name.clone(),
                seq_len,
                n_tokens,
                archive_bytes,
                cache_bytes: std::fs::metadata(&path).map_or(0, |data| data.len()),
            });
        }
        imported::save(&record, &json, env)?;
    }
    if imported.is_empty() {
        return Err(damaged("holds no corpus"));
    }
    Ok(imported)
}

fn read_entry(
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

/// The sequence length in the name of a corpus of text `number`.
fn seq_len_of(name: &str, number: usize) -> Option<usize> {
    name.strip_prefix(&format!("{number}/"))?.strip_suffix(".corpus.zst")?.parse().ok()
}

/// Decompresses a corpus into a temporary file, checks it, and renames it to `path`, unless the same is
/// there; returns the tokens of its training examples.
fn decompress_into_cache(
    mut entry: impl Read,
    path: &Path,
    check: impl Fn(&CorpusFile) -> std::result::Result<(), String>,
    damaged: &impl Fn(&str) -> Error,
) -> Result<u64> {
    let mut decoder =
        zstd::Decoder::new(&mut entry).map_err(|error| damaged("its first bytes").because(error))?;
    decoder.window_log_max(WINDOW_LOG).map_err(|error| damaged("its window").because(error))?;
    create_folder(folder_of(path))?;
    remove_orphans(folder_of(path));
    let mut file = temporary_for(path)?;
    let mut block = vec![0; 1 << 20];
    loop {
        let n = decoder.read(&mut block).map_err(|error| damaged("its bytes").because(error))?;
        if n == 0 {
            break;
        }
        file.write_all(&block[..n]).map_err(|error| Error::storage(path, "write", error))?;
    }
    let corpus = CorpusFile::open(file.path()).map_err(|reason| damaged(&reason))?;
    check(&corpus).map_err(|reason| damaged(&reason))?;
    match CorpusFile::open(path) {
        Ok(here) if here.checksum() == corpus.checksum() => {}
        Ok(_) => return Err(another_corpus(path)),
        // There is none, or a damaged one.
        Err(_) => persist(file, path)?,
    }
    Ok(corpus.train_tokens())
}

/// The error of an archive with another corpus than the cache has of the same text.
fn another_corpus(path: &Path) -> Error {
    let what = format!("{} holds another corpus of this text than the archive", path.display());
    let hint = "keep it: it is used as before. To take the archive's in its place, delete it first";
    Error::new(ErrorKind::Data, what, hint)
}

#[cfg(test)]
mod tests;
