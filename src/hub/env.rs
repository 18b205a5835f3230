//! Where data comes from and where this machine keeps it: the hub and the cache folder.
//!
//! Must never: influence a number; the same content gives the same corpus on every machine.

use std::ffi::OsString;
use std::path::PathBuf;

use super::client::Hub;
use super::config::{HubConfig, OfflineBy};
use super::settings::{HubSettings, folder};
use crate::error::{Error, ErrorKind, Result};

/// The hub and the cache folder that this process uses.
#[derive(Clone, Debug)]
pub struct DataEnv {
    /// Files of the hub and their cache.
    pub hub: Hub,
    /// Folder of corpora and vocabularies that this program made.
    pub cache: PathBuf,
}

impl DataEnv {
    /// Reads the environment. Offline if `offline`, HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set. The cache
    /// folder is ELECTRA_LAB_CACHE, or else electra-lab under XDG_CACHE_HOME or ~/.cache.
    ///
    /// # Errors
    /// Neither the variables nor HOME are set.
    pub fn new(offline: bool) -> Result<Self> {
        let cache = cache_folder(|name| std::env::var_os(name)).ok_or_else(|| {
            Error::new(
                ErrorKind::Storage,
                "there is no cache folder: neither ELECTRA_LAB_CACHE nor XDG_CACHE_HOME nor HOME is set",
                "set ELECTRA_LAB_CACHE to a folder with room for the packed text",
            )
        })?;
        let offline_by = OfflineBy::new(offline, HubSettings::from_environment().offline_by);
        let config = HubConfig { offline: offline_by.is_some(), offline_by, ..HubConfig::default() };
        Ok(Self { hub: Hub::of_process(config), cache })
    }

    /// An offline environment whose caches are in one folder.
    #[cfg(test)]
    pub(crate) fn at(folder: &std::path::Path) -> Self {
        let config = HubConfig { cache: Some(folder.join("hub")), offline: true, ..HubConfig::default() };
        Self { hub: Hub::new(config), cache: folder.to_path_buf() }
    }
}

fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    folder(&variable, "ELECTRA_LAB_CACHE")
        .or_else(|| folder(&variable, "XDG_CACHE_HOME").map(|cache| cache.join("electra-lab")))
        .or_else(|| folder(&variable, "HOME").map(|home| home.join(".cache").join("electra-lab")))
}

/// The hub cache with real data that the ignored tests use.
#[cfg(test)]
pub(crate) fn test_hub() -> PathBuf {
    std::env::var_os("ELECTRA_LAB_TEST_HUB").expect("set ELECTRA_LAB_TEST_HUB to a hub cache").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_follows_the_environment() {
        let find = |set: &[(&str, &str)]| {
            cache_folder(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
        };
        let all = [("ELECTRA_LAB_CACHE", "/lab"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/me")];
        assert_eq!(find(&all), Some("/lab".into()));
        assert_eq!(find(&all[1..]), Some("/xdg/electra-lab".into()));
        assert_eq!(find(&all[2..]), Some("/home/me/.cache/electra-lab".into()));
        assert_eq!(find(&[("XDG_CACHE_HOME", ""), ("HOME", "/h")]), Some("/h/.cache/electra-lab".into()));
        assert_eq!(find(&[("ELECTRA_LAB_CACHE", "~/lab"), ("HOME", "/h")]), Some("/h/lab".into()));
        assert_eq!(find(&[]), None);
    }
}
