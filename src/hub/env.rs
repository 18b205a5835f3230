//! Where data comes from and where this machine keeps it: the hub and the cache folder.
//!
//! Must never: influence a number; the same content gives the same corpus on every machine.

use std::ffi::OsString;
use std::path::PathBuf;

use super::client::Hub;
use super::config::{HubConfig, OfflineBy};
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
    /// Reads the environment. Offline if `offline` or HF_HUB_OFFLINE is set. The cache folder is
    /// ELECTRA_LAB_CACHE, or else electra-lab under XDG_CACHE_HOME or ~/.cache.
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
        let variable = std::env::var("HF_HUB_OFFLINE").unwrap_or_default();
        let offline_by = offline_by(offline, is_true(&variable));
        let config = HubConfig { offline: offline_by.is_some(), offline_by, ..HubConfig::default() };
        Ok(Self { hub: Hub::new(config), cache })
    }

    /// An offline environment whose caches are in one folder.
    #[cfg(test)]
    pub(crate) fn at(folder: &std::path::Path) -> Self {
        let config = HubConfig { cache: Some(folder.join("hub")), offline: true, ..HubConfig::default() };
        Self { hub: Hub::new(config), cache: folder.to_path_buf() }
    }
}

fn offline_by(option: bool, variable: bool) -> Option<OfflineBy> {
    match (option, variable) {
        (true, true) => Some(OfflineBy::Both),
        (true, false) => Some(OfflineBy::Option),
        (false, true) => Some(OfflineBy::Variable),
        (false, false) => None,
    }
}

/// The values that Hugging Face's libraries read as true.
fn is_true(value: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&value.trim().to_ascii_lowercase().as_str())
}

fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("ELECTRA_LAB_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("electra-lab")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache").join("electra-lab")))
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
        assert_eq!(find(&[]), None);
    }

    #[test]
    fn hf_hub_offline_is_read_as_in_python() {
        assert_eq!(offline_by(false, false), None);
        assert_eq!(offline_by(false, true), Some(OfflineBy::Variable));
        assert!(["1", "true", "YES", " on "].into_iter().all(is_true));
        assert!(!["", "0", "false", "no", "off", "2"].into_iter().any(is_true));
    }
}
