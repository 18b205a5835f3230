//! Git LFS pointers: small texts that stand for large files until `git lfs pull` replaces them.
//!
//! A reader of another format would only say that the file is damaged. So each reader of files that people
//! clone asks here first.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// What every pointer begins with (git-lfs, docs/spec.md).
const BEGINNING: &[u8] = b"version https://git-lfs.github.com/spec/";
/// A pointer is shorter than this, in bytes.
const LONGEST: u64 = 1024;

/// Refuses a file whose bytes are a pointer.
///
/// # Errors
/// The file is a pointer; the message has the size that it stands for.
pub fn refuse_pointer(path: &Path, bytes: &[u8]) -> Result<()> {
    if !bytes.starts_with(BEGINNING) || bytes.len() as u64 > LONGEST {
        return Ok(());
    }
    let text = String::from_utf8_lossy(bytes);
    let size = text.lines().find_map(|line| line.strip_prefix("size ")).unwrap_or("unknown");
    Err(Error::new(
        ErrorKind::Data,
        format!("{} is a Git LFS pointer, not the file itself (size {size} bytes)", path.display()),
        "run `git lfs pull` in the repository that it was cloned from, or download the file",
    ))
}

/// The same for a file that is not read yet. A file that cannot be opened is left to its reader.
///
/// # Errors
/// The file is a pointer.
pub fn refuse_pointer_file(path: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)) {
        Ok(_) => refuse_pointer(path, &bytes),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A pointer as Git LFS writes it.
    pub const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

    #[test]
    fn a_pointer_is_called_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, POINTER).unwrap();
        let text = refuse_pointer_file(&path).unwrap_err().to_string();
        insta::assert_snapshot!(text.replace(&folder.path().display().to_string(), "DIR"), @r"
        DIR/model.safetensors is a Git LFS pointer, not the file itself (size 12345 bytes)
        hint: run `git lfs pull` in the repository that it was cloned from, or download the file
        ");
        // A text that quotes one is no pointer, and a missing file is left to its reader.
        let quoting = format!("{POINTER}{}", "is what a pointer looks like. ".repeat(50));
        refuse_pointer(&path, quoting.as_bytes()).unwrap();
        refuse_pointer(&path, b"version 2").unwrap();
        refuse_pointer_file(&folder.path().join("missing")).unwrap();
    }
}
