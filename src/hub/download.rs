//! Downloads files into the cache. A file that broke off is continued, and its content is compared with the
//! listing before it gets its name.
//!
//! Must never: write outside the cache; give a name to content that is not whole.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind as IoErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::BinaryBytes;
use sha2::{Digest, Sha256};

use super::cache::{RepoCache, has_size};
use super::failure::Failure;
use super::http::{Http, TICK, Url};
use super::listing::{ListedFile, hex};
use super::request::{FileRequest, RepoKind};
use crate::disk::{create_folder, free_bytes, storage_error};
use crate::error::{Error, ErrorKind, Result};

/// Attempts to download one file that bring nothing.
const MAX_ATTEMPTS: u32 = 5;
/// Attempts to download a file whose content is wrong.
const MAX_WRONG: u32 = 2;
/// Bytes after which an attempt has brought something.
const SOME_BYTES: u64 = 1 << 20;
/// Downloads of more bytes than this are announced.
const QUIET_BYTES: u64 = 10 << 20;
/// Time between two lines on how far a download is.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Time between two lines on another process.
const WAIT_LINE_EVERY: Duration = Duration::from_secs(30);

/// What ends a download: the hub, or this machine.
#[derive(Debug)]
pub enum Trouble {
    /// The hub.
    Hub(Failure),
    /// One file, after some attempts.
    File(String, Failure),
    /// The disk, or a name that must not become a path.
    Local(Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Hub(failure)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Local(error)
    }
}

/// A download of files of one commit.
pub struct Downloader<'a> {
    /// The connection.
    pub http: &'a Http,
    /// Where the files go.
    pub cache: &'a RepoCache,
    /// What was asked for.
    pub request: FileRequest<'a>,
    /// The commit.
    pub commit: &'a str,
    /// Wait before the second attempt; it doubles each time.
    pub retry_delay: Duration,
    /// How long the hub may bring nothing.
    pub patience: Duration,
}

impl Downloader<'_> {
    /// Downloads all files, none of which is in the cache.
    pub fn download_all(&self, files: &[&ListedFile]) -> std::result::Result<(), Trouble> {
        let n_bytes: u64 = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
        // All names are checked before the first file is written.
        let targets: Vec<PathBuf> = files
            .iter()
            .map(|file| file.path_below(&self.cache.snapshot(self.commit)))
            .collect::<Result<_>>()?;
        let here = files.iter().map(|file| self.continued_bytes(file)).fold(0, u64::saturating_add);
        self.check_space(n_bytes.saturating_sub(here))?;
        if files.len() > 1 || n_bytes > QUIET_BYTES {
            let count = if files.len() == 1 { "1 file".into() } else { format!("{} files", files.len()) };
            self.http.say(&format!("downloading {count} ({}) of {}", BinaryBytes(n_bytes), self.request));
        }
        let mut progress = Progress { done: 0, total: n_bytes, last: Instant::now() };
        for (file, target) in files.iter().zip(&targets) {
            self.download(file, target, &mut progress)?;
        }
        Ok(())
    }

    /// The bytes of a file that an earlier download left.
    fn continued_bytes(&self, file: &ListedFile) -> u64 {
        let partial = partial_path(&self.cache.blob(self.commit, file), "");
        std::fs::metadata(partial).map_or(0, |metadata| metadata.len().min(file.size))
    }

    fn check_space(&self, n_bytes: u64) -> Result<()> {
        let folder = self.cache.snapshot(self.commit);
        let existing = folder.ancestors().find(|path| path.exists());
        // Some filesystems say that nothing is free where they do not know.
        let free = existing.and_then(free_bytes).filter(|free| *free > 0 && *free < n_bytes);
        let Some(free) = free else { return Ok(()) };
        Err(Error::new(
            ErrorKind::Storage,
            format!(
                "{} of {} are to be downloaded, and the disk of {} has {} free",
                BinaryBytes(n_bytes),
                self.request,
                folder.display(),
                BinaryBytes(free)
            ),
            "set HF_HUB_CACHE to a folder on a larger disk, or name fewer files",
        ))
    }

    fn download(
        &self,
        file: &ListedFile,
        target: &Path,
        progress: &mut Progress,
    ) -> std::result::Result<(), Trouble> {
        let blob = self.cache.blob(self.commit, file);
        for folder in [target.parent(), blob.parent()].into_iter().flatten() {
            create_folder(folder)?;
        }
        let lock = self.lock(file)?;
        if !has_size(&blob, file.size) {
            // Without a lock another process may write the same file.
            let own = if lock.is_some() { String::new() } else { format!(".{}", std::process::id()) };
            let partial = partial_path(&blob, &own);
            self.fetch(file, &partial, progress)?;
            std::fs::rename(&partial, &blob).map_err(|error| storage_error(&blob, "write", &error))?;
        }
        Ok(link(&blob, target, &file.name).map_err(|error| storage_error(target, "write", &error))?)
    }

    /// Downloads a file's content to `partial`, from where an earlier download broke off.
    fn fetch(
        &self,
        file: &ListedFile,
        partial: &Path,
        progress: &mut Progress,
    ) -> std::result::Result<(), Trouble> {
        let url = self.address(&file.name);
        let (mut attempt, mut since, before) = (0, Instant::now(), progress.done);
        loop {
            let (mut content, have) = open_partial(partial, file, attempt > 0)?;
            progress.done = before + have;
            let mut received = |n| progress.add(n, || self.request.to_string(), self.http);
            let fetched = match have == file.size {
                true => Ok(()),
                false => self.http.fetch(&url, &mut content, have, file.size, &mut received),
            };
            let failure = match fetched.and_then(|()| self.check(file, partial)) {
                Ok(()) => {
                    return Ok(content
                        .sync_all()
                        .map_err(|error| storage_error(partial, "write", &error))?);
                }
                Err(Failure::Disk(reason)) => {
                    return Err(Error::storage(partial, "write", reason).into());
                }
                Err(failure) => failure,
            };
            let length = content.metadata().map_or(0, |metadata| metadata.len());
            attempt += 1;
            if length >= have.saturating_add(SOME_BYTES) {
                (attempt, since) = (1, Instant::now());
            }
            let most = if matches!(failure, Failure::Wrong(_)) { MAX_WRONG } else { MAX_ATTEMPTS };
            let wait = self.retry_delay * 2u32.pow(attempt.min(MAX_ATTEMPTS));
            let wait = failure.retry_after().unwrap_or(wait).max(wait);
            let is_over = attempt >= most || since.elapsed().saturating_add(wait) > self.patience;
            if is_over || !failure.is_temporary() {
                return Err(Trouble::File(file.name.clone(), failure));
            }
            self.http.announce_wait(wait, &failure);
            self.http.pause(wait)?;
        }
    }

    fn address(&self, name: &str) -> Url {
        let kind = match self.request.kind {
            RepoKind::Dataset => Some("datasets"),
            RepoKind::Model => None,
        };
        let segments = kind.into_iter().chain(self.request.repo.split('/'));
        self.http.url(segments.chain(["resolve", self.commit]).chain(name.split('/')))
    }

    /// Compares a whole file with the hub's SHA-256 of it; without one the size is all that is known. A wrong
    /// file is removed.
    fn check(&self, file: &ListedFile, partial: &Path) -> std::result::Result<(), Failure> {
        let Some(expected) = file.sha256() else { return Ok(()) };
        let mut content = File::open(partial)?;
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            self.http.check_stop()?;
            match content.read(&mut buffer)? {
                0 => break,
                n => hasher.update(buffer.get(..n).unwrap_or_default()),
            }
        }
        if hex(&hasher.finalize()) == expected {
            return Ok(());
        }
        std::fs::remove_file(partial)?;
        Err(Failure::Wrong("its content has another SHA-256 than the listing".into()))
    }

    /// Waits until no other process downloads the same content. None where files cannot be locked.
    fn lock(&self, file: &ListedFile) -> std::result::Result<Option<File>, Trouble> {
        let path = self.cache.lock(self.commit, file);
        create_folder(path.parent().unwrap_or(&path))?;
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = open.map_err(|error| storage_error(&path, "write", &error))?;
        let (began, mut said) = (Instant::now(), None);
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(TryLockError::WouldBlock) => {}
                // Some network filesystems have no locks.
                Err(TryLockError::Error(_)) => return Ok(None),
            }
            self.http.pause(TICK)?;
            let is_due = said.map_or(began.elapsed() > Duration::from_secs(1), |at: Instant| {
                at.elapsed() > WAIT_LINE_EVERY
            });
            if is_due {
                said = Some(Instant::now());
                self.http.say(&format!(
                    "waiting for another process that downloads {} of {}",
                    file.name, self.request
                ));
            }
        }
    }
}

/// The file that a content is downloaded to, as other libraries name it.
fn partial_path(blob: &Path, own: &str) -> PathBuf {
    let mut name = blob.as_os_str().to_owned();
    name.push(format!("{own}.incomplete"));
    name.into()
}

/// How far the download of some files is.
struct Progress {
    done: u64,
    total: u64,
    last: Instant,
}

impl Progress {
    fn add(&mut self, n: u64, what: impl Fn() -> String, http: &Http) {
        self.done += n;
        if self.last.elapsed() >= LINE_EVERY {
            self.last = Instant::now();
            http.say(&format!(
                "downloaded {} of {} of {}",
                BinaryBytes(self.done),
                BinaryBytes(self.total),
                what()
            ));
        }
    }
}

/// A file of which the beginning may be here, and its length. Without a SHA-256 nothing would show that what
/// an earlier process left is damaged, so only what this one wrote (`is_own`) is continued then.
fn open_partial(path: &Path, file: &ListedFile, is_own: bool) -> Result<(File, u64)> {
    let opened = || {
        let content = File::options().create(true).append(true).open(path)?;
        let have = content.metadata()?.len();
        if have <= file.size && (is_own || file.sha256().is_some()) {
            return Ok((content, have));
        }
        content.set_len(0)?;
        Ok((content, 0))
    };
    opened().map_err(|error| storage_error(path, "write", &error))
}

/// Makes `target`, the file `name` of a snapshot, a link to the content, or the content itself where the
/// filesystem has no links.
fn link(blob: &Path, target: &Path, name: &str) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let up = "../".repeat(name.split('/').count() + 1);
        let file = blob.file_name().unwrap_or_default().to_string_lossy();
        // Made under another name, so that a reader never misses the file.
        let mut fresh = blob.as_os_str().to_owned();
        fresh.push(format!(".{}.link", std::process::id()));
        let _ = std::fs::remove_file(&fresh);
        match std::os::unix::fs::symlink(format!("{up}blobs/{file}"), &fresh) {
            Ok(()) => return std::fs::rename(&fresh, target),
            Err(error) if error.kind() == IoErrorKind::StorageFull => return Err(error),
            Err(_) => {}
        }
    }
    let _ = name;
    std::fs::rename(blob, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_lead_to_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let blob = folder.path().join("blobs/abc");
        for name in ["a.txt", "deep/er/b.txt"] {
            let target = folder.path().join("snapshots/c").join(name);
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::create_dir_all(blob.parent().unwrap()).unwrap();
            std::fs::write(&blob, "content").unwrap();
            // A damaged file of that name is replaced.
            std::fs::write(&target, "damaged").unwrap();
            link(&blob, &target, name).unwrap();
            assert_eq!(std::fs::read_to_string(&target).unwrap(), "content");
            assert!(std::fs::symlink_metadata(&target).unwrap().is_symlink());
        }
    }

    #[test]
    fn only_what_can_be_checked_is_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.incomplete");
        let have = |is_own, size, hash: Option<String>| {
            std::fs::write(&path, vec![1; 5]).unwrap();
            open_partial(&path, &ListedFile { name: "a".into(), size, hash }, is_own).unwrap().1
        };
        assert_eq!(have(false, 9, Some("a".repeat(64))), 5);
        assert_eq!(have(false, 9, Some("a".repeat(40))), 0);
        assert_eq!(have(true, 9, Some("a".repeat(40))), 5);
        assert_eq!(have(true, 4, Some("a".repeat(64))), 0);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }
}
