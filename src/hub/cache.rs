//! Reads the hub's cache on disk, without the network.
//!
//! `<cache>/datasets--owner--name/refs/<revision>` holds a commit. `snapshots/<commit>/…` holds its files:
//! links to `blobs/`, or plain files if somebody copied them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::pattern;
use super::request::{FileRequest, HubFiles, RepoKind};
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
    },
    /// Parts of a set (`…-00001-of-00005…`) are missing.
    Shards {
        /// Their names.
        names: Vec<String>,
    },
}

/// Finds files without the network.
pub fn find(cache: &Path, request: FileRequest<'_>) -> std::result::Result<HubFiles, CacheMiss> {
    let folder = repository_folder(cache, request);
    if !folder.is_dir() {
        return Err(CacheMiss::Repository);
    }
    let commit = match std::fs::read_to_string(folder.join("refs").join(request.revision)) {
        Ok(text) if is_commit(text.trim()) => text.trim().to_string(),
        _ => request.revision.to_string(),
    };
    let snapshot = folder.join("snapshots").join(&commit);
    if !snapshot.is_dir() {
        return Err(CacheMiss::Revision { cached: pattern::names_below(&folder.join("refs")) });
    }
    let names = pattern::names_below(&snapshot);
    let matching: Vec<String> =
        names.iter().filter(|name| pattern::matches(request.pattern, name)).cloned().collect();
    if matching.is_empty() {
        return Err(CacheMiss::Files { cached: names });
    }
    let missing = missing_shards(&matching, request.pattern);
    if !missing.is_empty() {
        return Err(CacheMiss::Shards { names: missing });
    }
    let paths = matching.into_iter().map(|name| (name.clone(), snapshot.join(name))).collect();
    Ok(HubFiles { revision: commit, paths })
}

/// Records the commit of a branch or tag, so that its files are found offline.
pub fn write_ref(cache: &Path, request: FileRequest<'_>, commit: &str) -> Result<()> {
    if request.revision == commit {
        return Ok(());
    }
    let path = repository_folder(cache, request).join("refs").join(request.revision);
    create_folder(path.parent().unwrap_or(cache))?;
    write_whole(&path, commit.as_bytes())
}

/// Removes a damaged file, with the blob that it links to.
pub fn remove(path: &Path) {
    // Errors are ignored: the size is checked again at the next download.
    if let Ok(blob) = std::fs::canonicalize(path) {
        let _ = std::fs::remove_file(blob);
    }
    let _ = std::fs::remove_file(path);
}

fn repository_folder(cache: &Path, request: FileRequest<'_>) -> PathBuf {
    let kind = match request.kind {
        RepoKind::Dataset => "datasets",
        RepoKind::Model => "models",
    };
    cache.join(format!("{kind}--{}", request.repo.replace('/', "--")))
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
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
        let files = find(cache.path(), request)?;
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
        let Err(CacheMiss::Files { cached }) = find_names(&cache, "main", "*.json") else { panic!() };
        assert_eq!(cached.len(), 3);
    }

    #[test]
    fn an_incomplete_set_of_shards_is_a_miss() {
        let cache = cache_with(&["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"]);
        let names = vec!["train-00001-of-00003.parquet".to_string()];
        assert_eq!(find_names(&cache, "main", "train-*.parquet"), Err(CacheMiss::Shards { names }));
        assert_eq!(find_names(&cache, "main", "train-00002-*").unwrap(), ["train-00002-of-00003.parquet"]);
    }
}
