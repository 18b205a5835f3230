//! One process per folder: a lock of the operating system, which is released when its owner ends, however it
//! ends.
//!
//! A filesystem without such locks (Lustre without `-o flock`, NFS without its lock daemon) gets a file that
//! names its owner in their place. What a killed process of this machine leaves of it counts for nothing; of
//! another machine that cannot be asked, and the error says which file to delete.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::{is_running, machine, storage_error};
use crate::error::{Error, ErrorKind, Result};

/// The file that is locked. It contains its owner's process id, for people, and is never deleted.
pub const LOCK_FILE: &str = ".lock";

/// Attempts to take a lock, and the pause between them. [`is_locked`] holds a lock for some microseconds, and
/// a run should not give up because of that.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// The file in place of a lock, where the filesystem has none: its owner's machine and process.
const OWNER_FILE: &str = ".lock-owner";

/// Proof that this process alone may write into a folder; released when dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
    _owner: Option<OwnerFile>,
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
        let mut owner = None;
        for attempt in 1..=ATTEMPTS {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) if has_no_locks(&error) => {
                    owner = Some(OwnerFile::create(folder)?);
                    break;
                }
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(busy(folder, &mut file)),
                Err(TryLockError::Error(error)) => return Err(storage_error(&path, "lock", &error)),
            }
        }
        file.set_len(0)
            .and_then(|()| write!(file, "{}", std::process::id()))
            .map_err(|error| storage_error(&path, "write", &error))?;
        Ok(Self { _file: file, _owner: owner })
    }
}

/// Whether an error says that the filesystem has no locks.
fn has_no_locks(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    let is_one = [libc::ENOLCK, libc::ENOSYS, libc::EOPNOTSUPP].map(Some).contains(&error.raw_os_error());
    #[cfg(not(unix))]
    let is_one = error.kind() == std::io::ErrorKind::Unsupported;
    is_one
}

/// The file in place of a lock; deleted when dropped.
#[derive(Debug)]
struct OwnerFile(PathBuf);

impl OwnerFile {
    fn create(folder: &Path) -> Result<Self> {
        let path = folder.join(OWNER_FILE);
        let own = format!("{} {}", machine(), std::process::id());
        let refused = |error: std::io::Error| storage_error(&path, "write", &error);
        for _ in 0..ATTEMPTS {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(own.as_bytes()).map_err(refused)?;
                    // Another process may have taken the same file for a dead one's, and replaced it by its
                    // own.
                    std::thread::sleep(PAUSE);
                    match std::fs::read_to_string(&path) {
                        Ok(owner) if owner == own => return Ok(Self(path)),
                        _ => return Err(owned(folder, &path)),
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    if has_live_owner(&path) {
                        return Err(owned(folder, &path));
                    }
                    std::fs::remove_file(&path).map_err(refused)?;
                }
                Err(error) => return Err(refused(error)),
            }
        }
        Err(owned(folder, &path))
    }
}

impl Drop for OwnerFile {
    fn drop(&mut self) {
        // A file that stays names a process that is gone.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whether the owner in such a file may still run: it does on this machine, or it is of another one.
fn has_live_owner(path: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(path) else { return false };
    match text.split_once(' ').and_then(|(of, process)| Some((of, process.parse().ok()?))) {
        Some((of, process)) => of != machine() || (process != std::process::id() && is_running(process)),
        // Written by half: its owner has just begun, or was killed then.
        None => true,
    }
}

fn owned(folder: &Path, path: &Path) -> Error {
    Error::new(
        ErrorKind::Busy,
        format!("another process is running the trial in {}", folder.display()),
        format!(
            "wait for it, or stop it. This filesystem has no locks: if no process runs the trial, delete {}",
            path.display()
        ),
    )
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
    let Ok(file) = File::open(folder.join(LOCK_FILE)) else { return false };
    match file.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => {
            let owner = folder.join(OWNER_FILE);
            has_no_locks(&error) && owner.exists() && (has_live_owner(&owner) || is_own(&owner))
        }
    }
}

/// Whether this process owns the file.
fn is_own(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text == format!("{} {}", machine(), std::process::id()))
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

    /// As on a filesystem without locks.
    #[test]
    fn a_file_names_the_owner_where_there_are_no_locks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(OWNER_FILE);
        let owner = OwnerFile::create(folder.path()).unwrap();
        assert!(is_own(&path));
        drop(owner);
        assert!(!path.exists());
        // A process of this machine that runs, and one of another machine.
        for other in [format!("{} 1", machine()), "01234567 1".into()] {
            std::fs::write(&path, other).unwrap();
            let error = OwnerFile::create(folder.path()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Busy);
            assert!(error.hint.contains("has no locks: if no process runs the trial, delete "), "{error}");
        }
        #[cfg(unix)]
        {
            let gone = std::process::Command::new("true").spawn().map(|mut child| {
                child.wait().unwrap();
                child.id()
            });
            std::fs::write(&path, format!("{} {}", machine(), gone.unwrap())).unwrap();
            OwnerFile::create(folder.path()).expect("its owner was killed");
        }
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
