//! Writes the files of a report: a file appears whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::disk::{destination, temporary_name, write_whole};
use crate::error::{Error, Result};

/// Writes `folder/name` from bytes and returns its path.
pub fn bytes(folder: &Path, name: &str, content: &[u8]) -> Result<PathBuf> {
    let path = folder.join(name);
    write_whole(&path, content)?;
    Ok(path)
}

/// Lets `produce` write a temporary file of the same extension in `folder`, then renames it to `name`.
pub fn replace(folder: &Path, name: &str, produce: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let temporary = folder.join(temporary_name(name));
    let path = destination(&folder.join(name))?;
    let moved = produce(&temporary).and_then(|()| {
        let sync_and_rename = || {
            File::open(&temporary)?.sync_all()?;
            fs::rename(&temporary, &path)
        };
        sync_and_rename().map_err(|error| Error::storage(&path, "write", error))
    });
    if moved.is_err() {
        // The first error is the one that is shown.
        let _ = fs::remove_file(&temporary);
    }
    moved.map(|()| path)
}

/// Deletes the files of `names` in `out` that an earlier report left and that are not among the files of this
/// one.
pub fn remove_stale(out: &Path, names: impl Iterator<Item = String>, written: &[PathBuf]) -> Result<()> {
    for path in names.map(|name| out.join(name)).filter(|path| !written.contains(path)) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::storage(&path, "delete", error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing_and_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        bytes(folder.path(), "a.txt", b"old").unwrap();
        let failed = replace(folder.path(), "a.txt", |temporary| {
            fs::write(temporary, "half").unwrap();
            Err(Error::internal("stopped"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(folder.path().join("a.txt")).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
