//! What this machine and this build offer. Must never: change anything.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::disk::{folder_bytes, free_bytes};
use crate::error::Result;
use crate::hub::DataEnv;
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
    /// Whether `HF_HUB_OFFLINE` forbids the network.
    pub offline: bool,
    /// Address of the hub.
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
    let hub = HubEnvironment::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
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
        offline: hub.offline,
        endpoint: hub.endpoint,
        has_token: hub.has_token,
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

/// The hub's settings, read as its own clients read them.
struct HubEnvironment {
    cache: PathBuf,
    endpoint: String,
    offline: bool,
    has_token: bool,
}

impl HubEnvironment {
    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let user_cache = variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .unwrap_or_else(|| PathBuf::from(variable("HOME").unwrap_or_else(|| ".".into())).join(".cache"));
        let home = variable("HF_HOME").map_or_else(|| user_cache.join("huggingface"), PathBuf::from);
        let token_file = variable("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
        Self {
            cache: variable("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from),
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into()),
            offline: variable("HF_HUB_OFFLINE").is_some_and(|value| {
                ["1", "true", "yes", "on"].contains(&value.to_ascii_lowercase().as_str())
            }),
            has_token: variable("HF_TOKEN").is_some() || token_file.exists(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read_as_the_hub_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display().to_string();
        let read = |variables: &[(&str, &str)]| {
            HubEnvironment::read(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
            })
        };
        let plain = read(&[("HOME", &home)]);
        assert_eq!(plain.cache, folder.path().join(".cache/huggingface/hub"));
        assert_eq!(plain.endpoint, "https://huggingface.co");
        assert!(!plain.offline && !plain.has_token);
        assert_eq!(read(&[("HF_HOME", "/a")]).cache, Path::new("/a/hub"));
        assert_eq!(read(&[("HF_HOME", "/a"), ("HF_HUB_CACHE", "/b")]).cache, Path::new("/b"));
        assert!(read(&[("HF_HUB_OFFLINE", "TRUE")]).offline);
        assert!(!read(&[("HF_HUB_OFFLINE", "0")]).offline);
        std::fs::write(folder.path().join("token"), "secret").unwrap();
        assert!(read(&[("HF_HOME", &home)]).has_token);
    }

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
