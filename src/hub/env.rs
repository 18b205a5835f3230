//! Where data comes from and where it is kept on this machine: the hub and the cache folder.
//!
//! Must never: be read on a path that decides numbers; the same content gives the same corpus anywhere.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Hub, HubConfig, OfflineBy};
use crate::error::{Error, ErrorKind, Result};

/// The machine's side of all data.
#[derive(Clone, Debug)]
pub struct DataEnv {
    /// Remote files and their cache.
    pub hub: Hub,
    /// Folder of packed corpora.
    pub cache: PathBuf,
}

impl DataEnv {
    /// From the environment. Offline when `offline` or HF_HUB_OFFLINE says so; the cache folder is
    /// ELECTRA_LAB_CACHE, or else electra-lab under XDG_CACHE_HOME or ~/.cache.
    ///
    /// # Errors
    /// No home folder and none of the variables.
    pub fn new(offline: bool) -> Result<Self> {
        let cache = cache_folder(|name| std::env::var_os(name)).ok_or_else(|| {
            Error::new(
                ErrorKind::Storage,
                "there is no cache folder: neither ELECTRA_LAB_CACHE nor XDG_CACHE_HOME nor HOME is set",
                "set ELECTRA_LAB_CACHE to a folder with room for the packed text",
            )
        })?;
        let variable = std::env::var("HF_HUB_OFFLINE").unwrap_or_default();
        let offline_by = offline_by(offline, says_yes(&variable));
        let config = HubConfig { offline: offline_by.is_some(), offline_by, ..HubConfig::default() };
        Ok(Self { hub: Hub::new(config), cache })
    }

    /// An offline environment in one folder.
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

/// The words that Hugging Face's libraries take for true.
fn says_yes(value: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&value.trim().to_ascii_lowercase().as_str())
}

fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("ELECTRA_LAB_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("electra-lab")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache").join("electra-lab")))
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
    fn offline_words() {
        assert_eq!(offline_by(false, false), None);
        assert_eq!(offline_by(false, true), Some(OfflineBy::Variable));
        assert!(["1", "true", "YES", " on "].into_iter().all(says_yes));
        assert!(!["", "0", "false", "no", "off", "2"].into_iter().any(says_yes));
    }
}
