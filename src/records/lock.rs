//! One process per folder: a lock of the operating system, which is released when its owner ends, however it
//! ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::disk::storage_error;
use crate::error::{Error, ErrorKind, Result};

/// The file that is locked. It contains its owner's process id, for people, and is never deleted.
pub const LOCK_FILE: &str = ".lock";

/// Attempts to take a lock, and the pause between them. [`is_locked`] holds a lock for some microseconds, and
/// a run should not give up because of that.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// Proof that this process alone may write into a folder; released when dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks an existing folder.
    ///
    /// # Errors
    /// Another process has it locked.
    pub fn acquire(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| storage_error(&path, "open", &error))?;
        for attempt in 1..=ATTEMPTS {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(busy(folder, &mut file)),
                Err(TryLockError::Error(error)) => return Err(storage_error(&path, "lock", &error)),
            }
        }
        file.set_len(0)
            .and_then(|()| write!(file, "{}", std::process::id()))
            .map_err(|error| storage_error(&path, "write", &error))?;
        Ok(Self { _file: file })
    }
}

fn busy(folder: &Path, file: &mut File) -> Error {
    let mut owner = String::new();
    let owner = match file.read_to_string(&mut owner) {
        Ok(1..) => format!("another process ({owner})"),
        _ => "another process".into(),
    };
    Error::new(
        ErrorKind::Busy,
        format!("{owner} is running the trial in {}", folder.display()),
        "wait for it (`electra-lab status` shows how far it is), or stop it",
    )
}

/// Whether a process has the folder locked. Does not take the lock itself.
pub fn is_locked(folder: &Path) -> bool {
    let file = File::open(folder.join(LOCK_FILE));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_folder_is_busy_until_its_owner_ends() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::acquire(folder.path()).unwrap();
        assert!(is_locked(folder.path()));
        let error = FolderLock::acquire(folder.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Busy);
        let owner = format!("another process ({}) is running the trial in ", std::process::id());
        assert!(error.message.starts_with(&owner), "{error}");
        drop(lock);
        assert!(!is_locked(folder.path()));
        FolderLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn looking_does_not_lock() {
        let folder = tempfile::tempdir().unwrap();
        drop(FolderLock::acquire(folder.path()).unwrap());
        let looker = File::open(folder.path().join(LOCK_FILE)).unwrap();
        looker.try_lock_shared().unwrap();
        assert!(!is_locked(folder.path()), "a shared lock is not a run");
        let wait = std::thread::spawn(move || {
            std::thread::sleep(PAUSE);
            drop(looker);
        });
        FolderLock::acquire(folder.path()).expect("a run waits for a short shared lock");
        wait.join().unwrap();
    }
}
