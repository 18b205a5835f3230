//! Atomic writes of files, free space, and errors of the disk.
//!
//! A file is written under a temporary name in the same folder, synced and renamed, so a reader sees the old
//! content or the new one, never a part. Must never: know anything about experiments.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use indicatif::BinaryBytes;

use crate::error::{Error, ErrorKind, Result};

/// Prefix of temporary files. The next process that locks the folder deletes those of a killed process.
pub const TEMPORARY_PREFIX: &str = ".writing-";

/// Bytes of a temporary file that tests whether a folder is writable.
const TEST_BYTES: usize = 1 << 20;

/// Replaces the content of a file by `bytes`; on an error the file does not change.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_by(path, |file| file.write_all(bytes).map_err(|error| storage_error(path, "write", &error)))
}

/// Replaces the content of a file by what `write` writes into a temporary file; on an error the file does not
/// change.
pub fn write_by(path: &Path, write: impl FnOnce(&mut tempfile::NamedTempFile) -> Result<()>) -> Result<()> {
    let folder = folder_of(path);
    let refused = |error: io::Error| storage_error(path, "write", &error);
    let mut file = temporary_in(folder).map_err(refused)?;
    write(&mut file)?;
    file.as_file().sync_all().map_err(refused)?;
    file.persist(path).map_err(|error| refused(error.error))?;
    sync_folder(folder).map_err(refused)
}

/// The folder of a file; the current folder for a name without one.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    // Other users may read results: the umask decides, as for any other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// A rename reaches the disk only when the folder is synced.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Checks, before expensive work, that the folder of the file given by `option` exists and is writable.
pub fn check_folder(option: &str, path: &Path) -> Result<()> {
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
