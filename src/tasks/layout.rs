//! Where a split of a task is in a repository of the hub: in the layouts that people use.
//!
//! Must never: mix two layouts in one task. Next: `glue/data.rs`, `squad/data.rs`.

use crate::error::Result;
use crate::hub::{self, DataEnv, HubFiles, RepoKind};

/// The patterns of a split's files, in the order in which they are tried. `prefix` is `cola/train`: numbered
/// shards as most repositories have them, the hub's own conversions (`refs/convert/parquet`), a single file.
pub(crate) fn patterns(prefix: &str) -> Vec<String> {
    ["-*.parquet", "/*.parquet", ".parquet"].map(|ending| format!("{prefix}{ending}")).to_vec()
}

/// Whether a file belongs to the split with these patterns.
pub(super) fn is_of_split(patterns: &[String], file: &str) -> bool {
    patterns.iter().any(|pattern| hub::matches(pattern, file))
}

/// The files of both splits, by the first layout that the repository has.
pub(super) fn files_of_both(
    repo: &str,
    revision: &str,
    [train, validation]: [&[String]; 2],
    env: &DataEnv,
) -> Result<HubFiles> {
    let find = |revision: &str, pattern: &str| env.hub.files(RepoKind::Dataset, repo, revision, pattern);
    for (index, pattern) in train.iter().enumerate() {
        let Some(mut files) = env.hub.files_if_any(RepoKind::Dataset, repo, revision, pattern)? else {
            continue;
        };
        // By commit, so that both splits are of one version even if the branch moves meanwhile.
        let validation = validation.get(index).map_or(pattern.as_str(), String::as_str);
        files.paths.extend(find(&files.revision, validation)?.paths);
        return Ok(files);
    }
    // The error names the usual layout and the files that are there.
    find(revision, train.first().map_or("", String::as_str))
}

/// The files of one split, by the first layout that the repository has; None if there is none.
pub(super) fn files_if_any(
    repo: &str,
    revision: &str,
    patterns: &[String],
    env: &DataEnv,
) -> Result<Option<HubFiles>> {
    for pattern in patterns {
        let found = env.hub.files_if_any(RepoKind::Dataset, repo, revision, pattern)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
