//! The files of a commit, as the hub lists them. A commit never changes, so its listing is kept in the cache:
//! with it a cache is known to be whole or not, and the hub is asked less.
//!
//! Must never: trust what the hub says. Names are checked where they become paths, see
//! [`ListedFile::path_below`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::request::stays_inside;
use crate::error::{Error, ErrorKind, Result};

/// Version of the file that keeps a listing.
const VERSION: u32 = 1;

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedFile {
    /// Name in the repository, with `/` between folders. It may be harmful.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// The hub's hash of the content: SHA-256 of large files, git's of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// The files of a commit, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    version: u32,
    /// All files.
    pub files: Vec<ListedFile>,
}

/// An entry of the hub's answer, which has other fields too.
#[derive(Debug, Deserialize)]
pub struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    oid: Option<String>,
    lfs: Option<LargeFile>,
}

#[derive(Debug, Deserialize)]
struct LargeFile {
    oid: Option<String>,
    size: Option<u64>,
}

impl Entry {
    /// About the bytes that it takes in memory.
    pub fn n_bytes(&self) -> usize {
        let hash = |hash: &Option<String>| hash.as_ref().map_or(0, String::len);
        size_of::<Self>()
            + self.kind.len()
            + self.path.len()
            + hash(&self.oid)
            + self.lfs.as_ref().map_or(0, |large| hash(&large.oid))
    }
}

impl Listing {
    /// The files among the entries.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let file = |entry: Entry| {
            let (large_hash, large_size) = entry.lfs.map_or((None, None), |large| (large.oid, large.size));
            let hash = large_hash.filter(|hash| is_hex(hash, 64)).or(entry.oid);
            ListedFile {
                name: entry.path,
                size: large_size.unwrap_or(entry.size),
                hash: hash.filter(|hash| is_hex(hash, 64) || is_hex(hash, 40)),
            }
        };
        let is_file = |entry: &Entry| entry.kind == "file";
        let mut files: Vec<ListedFile> = entries.into_iter().filter(is_file).map(file).collect();
        files.sort();
        files.dedup_by(|later, earlier| later.name == earlier.name);
        Self { version: VERSION, files }
    }

    /// The listing that a file keeps; None where there is none that this version reads.
    pub fn read(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        serde_json::from_str(&text).ok().filter(|listing: &Self| listing.version == VERSION)
    }

    /// The text that [`Self::read`] reads.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::internal("cannot write a listing").because(error))
    }
}

impl ListedFile {
    /// The file's path below a folder.
    ///
    /// # Errors
    /// The name leads out of the folder, or is no name of a file.
    pub fn path_below(&self, folder: &Path) -> Result<PathBuf> {
        if stays_inside(&self.name) {
            return Ok(folder.join(&self.name));
        }
        Err(Error::new(
            ErrorKind::Network,
            format!("the hub lists a file with a name that cannot be one: {:?}", self.name),
            "check HF_ENDPOINT and any proxy in between; if it is the real hub, do not use this repository",
        ))
    }

    /// Name of the content in the cache: the hub's hash, as other libraries have it. Where the hub names
    /// none, a hash of commit and name.
    pub fn blob_name(&self, commit: &str) -> String {
        self.hash.clone().unwrap_or_else(|| hex(&Sha256::digest(format!("{commit}/{}", self.name))))
    }

    /// The SHA-256 of the content, where the hub says it.
    pub fn sha256(&self) -> Option<&str> {
        self.hash.as_deref().filter(|hash| hash.len() == 64)
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(json: &str) -> Listing {
        Listing::new(serde_json::from_str::<Vec<Entry>>(json).unwrap())
    }

    #[test]
    fn large_files_have_the_hash_of_their_content() {
        let (sha1, sha256) = ("a".repeat(40), "b".repeat(64));
        let found = listing(&format!(
            r#"[{{"type":"file","oid":"{sha1}","size":9,"path":"b","lfs":{{"oid":"{sha256}","size":9,"pointerSize":1}}}},
                {{"type":"directory","oid":"{sha1}","path":"c"}},
                {{"type":"file","oid":"{sha1}","size":3,"path":"a","xetHash":"x"}}]"#
        ));
        let names: Vec<&str> = found.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!((found.files[0].sha256(), found.files[1].sha256()), (None, Some(sha256.as_str())));
        assert_eq!(found.files[0].blob_name("c"), sha1);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("listing.json");
        assert_eq!(Listing::read(&path), None);
        std::fs::write(&path, found.to_json().unwrap()).unwrap();
        assert_eq!(Listing::read(&path), Some(found));
        std::fs::write(&path, "{\"version\": 9, \"files\": []}").unwrap();
        assert_eq!(Listing::read(&path), None);
    }

    #[test]
    fn a_hash_that_is_a_path_names_nothing() {
        for oid in ["../../x", "/etc/passwd", "", "A", "0x1"] {
            let found = listing(&format!(r#"[{{"type":"file","oid":"{oid}","size":1,"path":"a"}}]"#));
            let name = found.files[0].blob_name("c");
            assert!(is_hex(&name, 64) && found.files[0].sha256().is_none(), "{oid}: {name}");
        }
        let file = |name: &str| ListedFile { name: name.into(), size: 1, hash: None };
        assert_ne!(file("a").blob_name("c"), file("b").blob_name("c"));
        assert!(file("a/b").path_below(Path::new("/x")).is_ok());
        let error = file("../a\u{1b}").path_below(Path::new("/x")).unwrap_err();
        assert!(error.message.ends_with(r#""../a\u{1b}""#), "{error}");
    }
}
