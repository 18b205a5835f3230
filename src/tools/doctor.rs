//! What this machine and this build offer. Must never: change anything.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::disk::{folder_bytes, free_bytes};
use crate::error::Result;
use crate::hub::{DataEnv, HubSettings, shown_address};
use crate::records::Provenance;
use crate::run::device::{DeviceChoice, choose};
use crate::run::provenance::collect;

/// What `electra-lab doctor` shows.
#[derive(Debug, Serialize)]
pub struct Examination {
    /// Version of this crate.
    pub version: String,
    /// Commit that the program was built from, where the build knew it.
    pub commit: Option<String>,
    /// Commit of the repository in the current folder, if any.
    pub working_commit: Option<String>,
    /// Whether tracked files of that repository have changes.
    pub working_dirty: Option<bool>,
    /// Operating system and processor family.
    pub platform: String,
    /// Device that `--device auto` takes.
    pub device: String,
    /// Whether this build can use CUDA.
    pub built_with_cuda: bool,
    /// Threads that compute.
    pub threads: usize,
    /// Widest instruction set in use.
    pub simd: String,
    /// Cache of packed text.
    pub cache: FolderState,
    /// Cache of the hub's files.
    pub hub_cache: FolderState,
    /// The current folder, the default place of results.
    pub current: FolderState,
    /// Whether the environment forbids the network.
    pub offline: bool,
    /// The variable that forbids it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_by: Option<String>,
    /// Address of the hub. Must never: hold a password.
    pub endpoint: String,
    /// Whether a token for the hub was found. Must never: hold the token itself.
    pub has_token: bool,
}

/// A folder and its disk.
#[derive(Debug, Serialize)]
pub struct FolderState {
    /// The folder.
    pub path: PathBuf,
    /// Whether it exists.
    pub exists: bool,
    /// Bytes of the files in it; absent where they were not counted.
    pub used_bytes: Option<u64>,
    /// Bytes free on its disk.
    pub free_bytes: Option<u64>,
}

/// Examines the machine, the build and the environment.
pub fn examine() -> Result<Examination> {
    let Provenance { crate_version, commit, working_commit, working_dirty, device, threads, simd, .. } =
        collect(&choose(DeviceChoice::Auto)?);
    let hub = HubSettings::from_environment();
    Ok(Examination {
        version: crate_version,
        commit,
        working_commit,
        working_dirty,
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        device,
        built_with_cuda: cfg!(feature = "cuda"),
        threads,
        simd,
        cache: folder_state(&DataEnv::new(false)?.cache, true),
        hub_cache: folder_state(&hub.cache, true),
        current: folder_state(Path::new("."), false),
        offline: hub.offline_by.is_some(),
        offline_by: hub.offline_by.map(String::from),
        endpoint: shown_address(&hub.endpoint),
        has_token: hub.token.is_some(),
    })
}

fn folder_state(path: &Path, count: bool) -> FolderState {
    // A missing folder will be created on the disk of its nearest existing parent.
    let existing = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    FolderState {
        path: path.into(),
        exists: path.exists(),
        used_bytes: count.then(|| folder_bytes(path)),
        free_bytes: free_bytes(existing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        let seen = serde_json::to_string(&examine().unwrap()).unwrap();
        if let Ok(token) = std::env::var("HF_TOKEN")
            && !token.is_empty()
        {
            assert!(!seen.contains(&token));
        }
        assert!(seen.contains("\"has_token\":"));
    }

    #[test]
    fn a_missing_folder_shows_its_disk() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder_state(&folder.path().join("a/b"), true);
        assert!(!state.exists);
        assert_eq!(state.used_bytes, Some(0));
        assert_eq!(state.free_bytes.is_some(), cfg!(unix));
    }
}
