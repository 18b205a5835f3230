//! Atomic writes of files, free space, and errors of the disk.
//!
//! A file is written under a temporary name in the same folder, synced and renamed, so a reader sees the old
//! content or the new one, never a part. The temporary name says which process writes, so that another one
//! can delete what a killed process left. Must never: know anything about experiments, or replace a device, a
//! pipe or a link.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::BinaryBytes;

use crate::error::{Error, ErrorKind, Result};

/// Prefix of temporary files. The next process that locks the folder deletes those of a killed process.
pub const TEMPORARY_PREFIX: &str = ".writing-";
/// Ending of temporary files.
const TEMPORARY_SUFFIX: &str = ".tmp";
/// Prefix of the temporary corpora of earlier versions.
const OLD_PREFIX: &str = "corpus-";
/// Age after which a temporary file counts as left by a killed process, where that cannot be asked.
const MAX_AGE: Duration = Duration::from_secs(2 * 24 * 3600);

/// Bytes of a temporary file that tests whether a folder is writable.
const TEST_BYTES: usize = 1 << 20;

/// Replaces the content of a file by `bytes`; on an error the file does not change.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_by(path, |file| file.write_all(bytes).map_err(|error| storage_error(path, "write", &error)))
}

/// Replaces the content of a file by what `write` writes into a temporary file; on an error the file does not
/// change.
pub fn write_by(path: &Path, write: impl FnOnce(&mut tempfile::NamedTempFile) -> Result<()>) -> Result<()> {
    let path = &destination(path)?;
    let mut file = temporary_for(path)?;
    write(&mut file)?;
    persist(file, path)
}

/// A temporary file in the folder of `path`, to become that file by [`persist`].
pub fn temporary_for(path: &Path) -> Result<tempfile::NamedTempFile> {
    temporary_in(folder_of(path)).map_err(|error| storage_error(path, "write", &error))
}

/// Brings a temporary file to the disk and gives it its name.
pub fn persist(file: tempfile::NamedTempFile, path: &Path) -> Result<()> {
    let refused = |error: io::Error| storage_error(path, "write", &error);
    file.as_file().sync_all().map_err(refused)?;
    file.persist(path).map_err(|error| refused(error.error))?;
    sync_folder(folder_of(path)).map_err(refused)
}

/// The file that a write to `path` replaces: behind a link the file that it names, so that the link stays.
///
/// # Errors
/// There is a device, a pipe, a socket, or a link to nothing, which a new file would replace.
pub fn destination(path: &Path) -> Result<PathBuf> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(path.into()) };
    let refused = |what: &str| {
        let what = format!("{} {what}, which is not replaced by a file", path.display());
        Error::new(ErrorKind::Storage, what, "give the name of a file")
    };
    if metadata.is_symlink() {
        let target = std::fs::canonicalize(path).map_err(|_| refused("is a link to nothing"))?;
        return if target.is_file() {
            Ok(target)
        } else {
            Err(refused("is a link to something else than a file"))
        };
    }
    // A folder in the way is an error of the write itself.
    match metadata.is_file() || metadata.is_dir() {
        true => Ok(path.into()),
        false => Err(refused("is a device, a pipe or a socket")),
    }
}

/// The folder of a file; the current folder for a name without one.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name of a temporary file that this process is to write and rename to `name` in the same folder.
pub fn temporary_name(name: &str) -> String {
    format!("{}{name}", temporary_prefix())
}

/// The prefix of this process's temporary files: `.writing-<machine>-<process>-`.
fn temporary_prefix() -> String {
    format!("{TEMPORARY_PREFIX}{}-{}-", machine(), std::process::id())
}

/// Names the machine and its space of process numbers: a container has numbers of its own.
pub fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        blake3::hash(format!("{} {}", host_name(), space.display()).as_bytes()).to_hex()[..8].to_string()
    })
}

#[cfg(unix)]
fn host_name() -> String {
    let mut name = [0u8; 256];
    // SAFETY: the call writes at most as many bytes as it is told, which is less than the array has.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } != 0;
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(0);
    if failed { String::new() } else { String::from_utf8_lossy(&name[..end]).into_owned() }
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// Whether a process of this machine runs; true where that cannot be asked.
#[cfg(unix)]
pub fn is_running(process: u32) -> bool {
    let Ok(process) = libc::pid_t::try_from(process) else { return false };
    // SAFETY: signal 0 is sent to nobody; the call only checks the process's number.
    let answer = unsafe { libc::kill(process, 0) };
    answer == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// Whether a process of this machine runs; true where that cannot be asked.
#[cfg(not(unix))]
pub fn is_running(_process: u32) -> bool {
    true
}

/// Deletes the temporary files in a folder whose process is gone. What cannot be deleted stays.
pub fn remove_orphans(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_old = || {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > MAX_AGE))
        };
        let is_orphan = match (name.strip_prefix(TEMPORARY_PREFIX), name.strip_prefix(OLD_PREFIX)) {
            (Some(rest), _) => match rest.split('-').collect::<Vec<_>>()[..] {
                [of, process, ..] if of == machine() => {
                    process.parse().is_ok_and(|process| !is_running(process))
                }
                _ => is_old(),
            },
            (_, Some(rest)) => rest.ends_with(TEMPORARY_SUFFIX) && is_old(),
            _ => false,
        };
        if is_orphan {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let prefix = temporary_prefix();
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(TEMPORARY_SUFFIX);
    // Other users may read results: the umask decides, as for any other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// A rename reaches the disk only when the folder is synced. Many filesystems (CIFS, FUSE) cannot sync a
/// folder, or not open one; there the rename is as safe as it gets.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if is_refused_kind(&error) => Ok(()),
        result => result,
    }
}

/// Whether an error says that the filesystem lacks an operation or forbids it, not that it failed.
fn is_refused_kind(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
}

/// Checks, before expensive work, that the folder of the file given by `option` exists and is writable, and
/// that the file may be replaced.
pub fn check_folder(option: &str, path: &Path) -> Result<()> {
    let path = &destination(path)
        .map_err(|error| Error { message: format!("{option} {}", error.message), ..error })?;
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(Error::new(
            ErrorKind::Storage,
            format!("{option} {}: there is no folder {}", path.display(), folder.display()),
            "create the folder first, or choose another file",
        ));
    }
    check_writable(folder, 0)
}

/// Creates a folder and its parents.
pub fn create_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| storage_error(path, "create the folder", &error))
}

/// Checks, before expensive work, that `folder` can be created, is writable, and has `needed_bytes` free.
/// Does not leave a new folder.
pub fn check_writable(folder: &Path, needed_bytes: u64) -> Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|path| !path.exists()).collect();
    let result = try_writing(folder, needed_bytes);
    for path in missing {
        // Fails, as it should, if another process has written into the folder meanwhile.
        let _ = std::fs::remove_dir(path);
    }
    result
}

fn try_writing(folder: &Path, needed_bytes: u64) -> Result<()> {
    create_folder(folder)?;
    let write = || -> io::Result<()> {
        let mut file = temporary_in(folder)?;
        file.write_all(&vec![0; TEST_BYTES])?;
        file.as_file().sync_all()
    };
    write().map_err(|error| storage_error(folder, "write into", &error))?;
    match free_bytes(folder) {
        Some(free) if free < needed_bytes => Err(Error::new(
            ErrorKind::Storage,
            format!(
                "{} has {} free, but the checkpoints of this run need about {}",
                folder.display(),
                BinaryBytes(free),
                BinaryBytes(needed_bytes)
            ),
            "free some space, or pass --results with a folder on another disk",
        )),
        _ => Ok(()),
    }
}

/// A storage error with a remedy for its cause.
pub fn storage_error(path: &Path, doing: &str, error: &io::Error) -> Error {
    let mut described = Error::storage(path, doing, error);
    described.hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "get permission to write there, or choose another folder",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is where a folder should be: move it away, or choose another folder"
        }
        io::ErrorKind::IsADirectory => "a folder is where a file should be: move it away",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free some space; the same command resumes"
        }
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only: choose another folder",
        _ => return described,
    }
    .into();
    described
}

/// Bytes that this user can still write on the disk of `path`; None if unknown.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut answer = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends with a NUL, and all-zero bytes are a valid statvfs, filled in by the call.
    let answer = unsafe {
        if libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) != 0 {
            return None;
        }
        answer.assume_init()
    };
    // Some FUSE filesystems do not know their size, and say 0 of 0.
    if answer.f_blocks == 0 {
        return None;
    }
    // The types of these fields differ between systems.
    #[allow(clippy::unnecessary_cast)]
    Some(answer.f_bavail as u64 * answer.f_frsize as u64)
}

/// Bytes that this user can still write on the disk of `path`; None if unknown.
#[cfg(not(unix))]
pub fn free_bytes(_path: &Path) -> Option<u64> {
    None
}

/// Bytes of all files in a folder and its subfolders, without links; 0 if there is no folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok().map(|metadata| (entry.path(), metadata)))
        .map(|(path, metadata)| match metadata.file_type() {
            kind if kind.is_dir() => folder_bytes(&path),
            kind if kind.is_file() => metadata.len(),
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_file_and_leaves_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outcome.json");
        write_whole(&path, b"a long first version").unwrap();
        write_whole(&path, b"short").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_does_not_change_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outcome.json");
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        let error = write_whole(&path, b"new").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Storage);
        assert!(path.join("in the way").is_dir());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn the_error_names_a_file_in_place_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        std::fs::write(&path, "").unwrap();
        for target in [path.clone(), path.join("experiment")] {
            let error = check_writable(&target, 0).unwrap_err();
            assert!(error.message.contains(&target.display().to_string()), "{error}");
            assert!(error.hint.starts_with("a file is where a folder should be"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_pipes_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, dangling, pipe] =
            ["file", "link", "dangling", "pipe"].map(|name| folder.path().join(name));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        std::os::unix::fs::symlink("nothing", &dangling).unwrap();
        let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
        // SAFETY: the name ends with a NUL.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        write_whole(&link, b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        for path in [&dangling, &pipe, Path::new("/dev/null")] {
            let error = write_whole(path, b"new").unwrap_err();
            assert!(error.message.ends_with("which is not replaced by a file"), "{error}");
            assert_eq!(check_folder("--out", path).unwrap_err().kind, ErrorKind::Storage);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_killed_process_was_writing_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let own = temporary_in(folder.path()).unwrap();
        let gone =
            std::process::Command::new("true").spawn().and_then(|mut child| child.wait().map(|_| child.id()));
        let here = machine();
        let left = folder.path().join(format!(".writing-{here}-{}-abc.tmp", gone.unwrap()));
        let others = [".writing-01234567-1-abc.tmp", ".writing-abc", "corpus-abc.tmp", "a.corpus"];
        let others = others.map(|name| folder.path().join(name));
        others.iter().chain([&left]).for_each(|path| std::fs::write(path, "half").unwrap());
        remove_orphans(folder.path());
        assert!(!left.exists() && own.path().exists());
        // Of another machine or an earlier version: only when they are old.
        assert!(others.iter().all(|path| path.exists()));
        let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1);
        others
            .iter()
            .for_each(|path| File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap());
        remove_orphans(folder.path());
        assert_eq!(others.map(|path| path.exists()), [false, false, false, true]);
    }

    #[test]
    fn a_check_leaves_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        check_writable(&folder.path().join("results/gen_ratio"), 0).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn too_little_space_is_an_error_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        check_writable(folder.path(), 1).unwrap();
        if free_bytes(folder.path()).is_some() {
            let error = check_writable(folder.path(), u64::MAX).unwrap_err();
            assert!(error.message.contains("the checkpoints of this run need about"), "{error}");
        }
    }

    #[test]
    fn the_size_of_a_folder_includes_its_subfolders() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("inner/file"), [0; 10]).unwrap();
        assert_eq!(folder_bytes(folder.path()), 10);
        assert_eq!(folder_bytes(&folder.path().join("missing")), 0);
    }
}
