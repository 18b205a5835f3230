//! The hub's cache on disk, in the layout of Hugging Face's Python libraries.
//!
//! `<cache>/datasets--owner--name/refs/<revision>` holds a commit. `snapshots/<commit>/…` holds its files:
//! links to `blobs/`, or plain files if somebody copied them. `.electra-lab/<commit>.json` is ours: the hub's
//! listing of the commit, with which a whole cache is told from a part of one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::listing::{ListedFile, Listing};
use super::pattern;
use super::request::{FileRequest, HubFiles, RepoKind, is_commit};
use crate::disk::{create_folder, write_whole};
use crate::error::Result;

/// Why the cache does not have the requested files.
#[derive(Debug, PartialEq, Eq)]
pub enum CacheMiss {
    /// The repository was never downloaded.
    Repository,
    /// Other revisions were downloaded.
    Revision {
        /// Their names.
        cached: Vec<String>,
    },
    /// No file of the revision matches.
    Files {
        /// The names of the files that it has.
        cached: Vec<String>,
        /// Whether these are all files of the revision, not only those that were downloaded.
        all: bool,
    },
    /// Some of the files are missing, or parts of a set (`…-00001-of-00005…`).
    Missing {
        /// Their names.
        names: Vec<String>,
    },
}

/// The cache of one repository.
pub struct RepoCache {
    folder: PathBuf,
    locks: PathBuf,
}

impl RepoCache {
    /// Reads nothing yet.
    pub fn new(cache: &Path, request: FileRequest<'_>) -> Self {
        let kind = match request.kind {
            RepoKind::Dataset => "datasets",
            RepoKind::Model => "models",
        };
        let name = format!("{kind}--{}", request.repo.replace('/', "--"));
        Self { folder: cache.join(&name), locks: cache.join(".locks").join(&name) }
    }

    /// Finds files without the network.
    pub fn find(&self, request: FileRequest<'_>) -> std::result::Result<HubFiles, CacheMiss> {
        if !self.folder.is_dir() {
            return Err(CacheMiss::Repository);
        }
        let commit = self.commit(request.revision).unwrap_or_else(|| request.revision.to_string());
        let snapshot = self.snapshot(&commit);
        if !snapshot.is_dir() {
            return Err(CacheMiss::Revision { cached: pattern::names_below(&self.folder.join("refs")) });
        }
        let (matching, missing) = match self.listing(&commit) {
            Some(listing) => self.match_listing(&listing, &commit, request)?,
            None => match_names(pattern::names_below(&snapshot), request)?,
        };
        if !missing.is_empty() {
            return Err(CacheMiss::Missing { names: missing });
        }
        let paths = matching.into_iter().map(|name| (name.clone(), snapshot.join(name))).collect();
        Ok(HubFiles { revision: commit, paths })
    }

    /// The names that match, and those of them that are not here with their size.
    fn match_listing(
        &self,
        listing: &Listing,
        commit: &str,
        request: FileRequest<'_>,
    ) -> std::result::Result<(Vec<String>, Vec<String>), CacheMiss> {
        let is_match = |file: &&ListedFile| pattern::matches(request.pattern, &file.name);
        let matching: Vec<&ListedFile> = listing.files.iter().filter(is_match).collect();
        let names = |files: &[&ListedFile]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        if matching.is_empty() {
            let all: Vec<&ListedFile> = listing.files.iter().collect();
            return Err(CacheMiss::Files { cached: names(&all), all: true });
        }
        let is_missing = |file: &&ListedFile| self.cached(commit, file).is_none();
        let missing: Vec<&ListedFile> = matching.iter().copied().filter(is_missing).collect();
        Ok((names(&matching), names(&missing)))
    }

    /// The commit that a branch or tag had when it was downloaded.
    pub fn commit(&self, revision: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(text.trim().to_string()).filter(|text| is_commit(text))
    }

    /// Records the commit of a branch or tag, so that its files are found offline.
    pub fn write_ref(&self, revision: &str, commit: &str) -> Result<()> {
        if revision == commit || self.commit(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.folder.join("refs").join(revision);
        create_folder(path.parent().unwrap_or(&self.folder))?;
        write_whole(&path, commit.as_bytes())
    }

    /// The hub's listing of a commit, if it was kept.
    pub fn listing(&self, commit: &str) -> Option<Listing> {
        Listing::read(&self.listing_path(commit))
    }

    /// Keeps the hub's listing of a commit.
    pub fn write_listing(&self, commit: &str, listing: &Listing) -> Result<()> {
        if self.listing(commit).is_some() {
            return Ok(());
        }
        let path = self.listing_path(commit);
        create_folder(path.parent().unwrap_or(&self.folder))?;
        write_whole(&path, listing.to_json()?.as_bytes())
    }

    fn listing_path(&self, commit: &str) -> PathBuf {
        self.folder.join(".electra-lab").join(format!("{commit}.json"))
    }

    /// The folder of a commit's files.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// The path of a listed file, if it is here with its size.
    pub fn cached(&self, commit: &str, file: &ListedFile) -> Option<PathBuf> {
        let path = file.path_below(&self.snapshot(commit)).ok()?;
        has_size(&path, file.size).then_some(path)
    }

    /// The path of a file's content.
    pub fn blob(&self, commit: &str, file: &ListedFile) -> PathBuf {
        self.folder.join("blobs").join(file.blob_name(commit))
    }

    /// The file that is locked while the content is downloaded.
    pub fn lock(&self, commit: &str, file: &ListedFile) -> PathBuf {
        self.locks.join(format!("{}.lock", file.blob_name(commit)))
    }
}

/// Whether a path is a file of this size.
pub fn has_size(path: &Path, size: u64) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

/// The names that match, and the missing parts of their sets: all that is known of a cache without a listing.
fn match_names(
    names: Vec<String>,
    request: FileRequest<'_>,
) -> std::result::Result<(Vec<String>, Vec<String>), CacheMiss> {
    let is_match = |name: &&String| pattern::matches(request.pattern, name);
    let matching: Vec<String> = names.iter().filter(is_match).cloned().collect();
    if matching.is_empty() {
        return Err(CacheMiss::Files { cached: names, all: false });
    }
    let missing = missing_shards(&matching, request.pattern);
    Ok((matching, missing))
}

/// Shards of the same sets that match the pattern and are missing: a download may have stopped half-way.
fn missing_shards(names: &[String], pattern: &str) -> Vec<String> {
    let mut missing = BTreeSet::new();
    for (before, total, after) in names.iter().filter_map(|name| shard(name)) {
        for index in 0..total {
            let name = format!("{before}-{index:05}-of-{total:05}{after}");
            if pattern::matches(pattern, &name) && !names.contains(&name) {
                missing.insert(name);
            }
        }
    }
    missing.into_iter().collect()
}

/// `train-00001-of-00005.parquet` as (`train`, 5, `.parquet`).
fn shard(name: &str) -> Option<(&str, u32, &str)> {
    let (head, tail) = name.split_once("-of-")?;
    let (before, index) = head.rsplit_once('-')?;
    let (total, after) = tail.split_at_checked(5)?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() == 5);
    number(index)?;
    Some((before, number(total)?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn cache_with(names: &[&str]) -> tempfile::TempDir {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("datasets--o--n");
        for name in names {
            let path = folder.join("snapshots").join(COMMIT).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        std::fs::create_dir_all(folder.join("refs/pr")).unwrap();
        std::fs::write(folder.join("refs/main"), format!("{COMMIT}\n")).unwrap();
        std::fs::write(folder.join("refs/pr/1"), COMMIT).unwrap();
        cache
    }

    fn find_names(
        cache: &tempfile::TempDir,
        revision: &str,
        pattern: &str,
    ) -> std::result::Result<Vec<String>, CacheMiss> {
        let request = FileRequest { kind: RepoKind::Dataset, repo: "o/n", revision, pattern };
        let files = RepoCache::new(cache.path(), request).find(request)?;
        assert_eq!(files.revision, COMMIT);
        assert!(files.paths.iter().all(|(_, path)| path.is_file()));
        Ok(files.paths.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn plain_files_are_found_by_branch_and_by_commit() {
        let cache = cache_with(&["b/train-1.parquet", "a/train-0.parquet", "README.md"]);
        for revision in ["main", "pr/1", COMMIT] {
            let found = find_names(&cache, revision, "**/train-*.parquet").unwrap();
            assert_eq!(found, ["a/train-0.parquet", "b/train-1.parquet"]);
        }
        let cached = vec!["main".to_string(), "pr/1".to_string()];
        assert_eq!(find_names(&cache, "v2", "*"), Err(CacheMiss::Revision { cached }));
        let Err(CacheMiss::Files { cached, all: false }) = find_names(&cache, "main", "*.json") else {
            panic!()
        };
        assert_eq!(cached.len(), 3);
    }

    #[test]
    fn an_incomplete_set_of_shards_is_a_miss() {
        let cache = cache_with(&["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"]);
        let names = vec!["train-00001-of-00003.parquet".to_string()];
        assert_eq!(find_names(&cache, "main", "train-*.parquet"), Err(CacheMiss::Missing { names }));
        assert_eq!(find_names(&cache, "main", "train-00002-*").unwrap(), ["train-00002-of-00003.parquet"]);
    }

    #[test]
    fn with_the_listing_a_part_of_the_files_is_a_miss() {
        let cache = cache_with(&["a.parquet", "b.parquet", "README.md"]);
        let request =
            |pattern| FileRequest { kind: RepoKind::Dataset, repo: "o/n", revision: "main", pattern };
        let repository = RepoCache::new(cache.path(), request(""));
        let find = |pattern| repository.find(request(pattern)).map(|files| files.paths.len());
        assert_eq!(find("*.parquet"), Ok(2));
        let file = |name: &str, size| ListedFile { name: name.into(), size, hash: None };
        let entries = r#"[{"type":"file","size":1,"path":"a.parquet"},{"type":"file","size":2,"path":"b.parquet"},
            {"type":"file","size":1,"path":"c.parquet"},{"type":"file","size":1,"path":"README.md"}]"#;
        let entries: Vec<crate::hub::listing::Entry> = serde_json::from_str(entries).unwrap();
        repository.write_listing(COMMIT, &Listing::new(entries)).unwrap();
        let names = vec!["b.parquet".to_string(), "c.parquet".to_string()];
        assert_eq!(find("*.parquet"), Err(CacheMiss::Missing { names }));
        assert_eq!((find("a.parquet"), find("*.md")), (Ok(1), Ok(1)));
        assert!(matches!(find("*.json"), Err(CacheMiss::Files { all: true, .. })));
        assert!(repository.cached(COMMIT, &file("a.parquet", 1)).is_some());
        assert!(repository.cached(COMMIT, &file("../main", 40)).is_none());
    }
}
