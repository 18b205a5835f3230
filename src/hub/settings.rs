//! What the environment says about the hub, read as Hugging Face's Python libraries read it. The one place
//! that reads it, so `doctor` shows what downloads use.
//!
//! Must never: show a token, or a password in an address.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The hub where HF_ENDPOINT names no other.
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// Variables that forbid the network; the first that is not empty decides.
const OFFLINE_VARIABLES: [&str; 2] = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"];
/// How long the hub may be silent where HF_HUB_DOWNLOAD_TIMEOUT does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of the hub in the environment.
#[derive(Clone)]
pub struct HubSettings {
    /// Address of the hub, perhaps with a name and a password: show [`shown_address`] of it.
    pub endpoint: String,
    /// Folder of the hub's cache.
    pub cache: PathBuf,
    /// Token for private and gated repositories.
    pub token: Option<String>,
    /// The variable that forbids the network.
    pub offline_by: Option<&'static str>,
    /// How long the hub may be silent.
    pub timeout: Duration,
}

impl HubSettings {
    /// Reads the environment of this process.
    pub fn from_environment() -> Self {
        Self::read(|name| std::env::var_os(name))
    }

    /// Reads an environment: HF_ENDPOINT, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME,
    /// HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_HUB_OFFLINE,
    /// TRANSFORMERS_OFFLINE and HF_HUB_DOWNLOAD_TIMEOUT. An empty variable counts as one that is not set.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| {
            let value = variable(name)?.to_string_lossy().trim().to_string();
            (!value.is_empty()).then_some(value)
        };
        let home = home_folder(&variable).unwrap_or_else(std::env::temp_dir);
        let path = |name: &str| folder(&variable, name);
        let hf_home = path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")).join("huggingface")
        });
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| hf_home.join("token"));
        let offline_by = OFFLINE_VARIABLES.into_iter().find(|name| text(name).is_some());
        let timeout = text("HF_HUB_DOWNLOAD_TIMEOUT").and_then(|value| value.parse::<u64>().ok());
        let is_set = |name: &str| text(name).is_some_and(|value| is_true(&value));
        let token = || {
            let named = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].into_iter().find_map(text);
            named.or_else(|| read_token(&token_file))
        };
        Self {
            endpoint: text("HF_ENDPOINT").unwrap_or_else(|| DEFAULT_ENDPOINT.into()),
            cache: path("HF_HUB_CACHE")
                .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
                .unwrap_or_else(|| hf_home.join("hub")),
            token: if is_set("HF_HUB_DISABLE_IMPLICIT_TOKEN") { None } else { token() },
            offline_by: offline_by.filter(|name| is_set(name)),
            timeout: timeout.filter(|s| *s > 0).map_or(DEFAULT_TIMEOUT, Duration::from_secs),
        }
    }
}

/// The token of a file as `hf auth login` writes it. White space around it is no part of it.
fn read_token(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_string()).filter(|token| !token.is_empty())
}

/// The folder that a variable names, where it is set and not empty; `~` is the user's folder.
pub fn folder(variable: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(variable(name).filter(|value| !value.is_empty())?);
    match path.strip_prefix("~") {
        Ok(below) if below.as_os_str().is_empty() => home_folder(&variable),
        Ok(below) => Some(home_folder(&variable)?.join(below)),
        Err(_) => Some(path),
    }
}

fn home_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    variable("HOME").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The values that Hugging Face's libraries read as true.
fn is_true(value: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&value.trim().to_ascii_lowercase().as_str())
}

/// An address without what may be secret in it: name and password, query and fragment. Also where it is no
/// address.
pub fn shown_address(address: &str) -> String {
    // A password may hold what ends an address.
    let is_scheme = |(scheme, _): &(&str, &str)| ["http", "https"].contains(scheme);
    let (scheme, rest) = address.split_once("://").filter(is_scheme).unwrap_or(("", address));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { host.into() } else { format!("{scheme}://{host}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> HubSettings {
        HubSettings::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn folders_are_those_of_the_python_libraries() {
        let cache = |variables: &[(&str, &str)]| read(variables).cache.display().to_string();
        let all = [
            ("HF_HUB_CACHE", "/hub"),
            ("HUGGINGFACE_HUB_CACHE", "/old"),
            ("HF_HOME", "/hf"),
            ("XDG_CACHE_HOME", "/xdg"),
            ("HOME", "/me"),
        ];
        let expected = ["/hub", "/old", "/hf/hub", "/xdg/huggingface/hub", "/me/.cache/huggingface/hub"];
        for (first, expected) in expected.into_iter().enumerate() {
            assert_eq!(cache(&all[first..]), expected);
        }
        assert_eq!(cache(&[("HF_HUB_CACHE", ""), ("HF_HOME", "~/hf"), ("HOME", "/me")]), "/me/hf/hub");
        assert_eq!(cache(&[("HF_HUB_CACHE", "~"), ("HOME", "/me")]), "/me");
        assert_eq!(cache(&[("HF_HUB_CACHE", "/a/~/b")]), "/a/~/b");
    }

    #[test]
    fn a_token_is_cleaned_of_white_space() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display().to_string();
        let token = |variables: &[(&str, &str)]| {
            let mut all = vec![("HF_HOME", home.as_str())];
            all.extend(variables);
            read(&all).token
        };
        assert_eq!(token(&[]), None);
        for end in ["\n", "\r", "\r\n", " "] {
            assert_eq!(token(&[("HF_TOKEN", &format!("hf_a{end}"))]).as_deref(), Some("hf_a"));
            assert_eq!(token(&[("HF_TOKEN", end)]), None);
        }
        assert_eq!(token(&[("HUGGING_FACE_HUB_TOKEN", "hf_old")]).as_deref(), Some("hf_old"));
        std::fs::write(folder.path().join("token"), "").unwrap();
        assert_eq!(token(&[]), None, "an empty file holds no token");
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        assert_eq!(token(&[]).as_deref(), Some("hf_file"));
        assert_eq!(token(&[("HF_TOKEN", "hf_a")]).as_deref(), Some("hf_a"));
        assert_eq!(token(&[("HF_TOKEN", "hf_a"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert_eq!(token(&[("HF_TOKEN_PATH", "/none")]), None);
    }

    #[test]
    fn offline_is_read_as_in_python() {
        assert!(["1", "true", "YES", " on "].into_iter().all(is_true));
        assert!(!["", "0", "false", "no", "off", "2"].into_iter().any(is_true));
        let by = |variables: &[(&str, &str)]| read(variables).offline_by;
        assert_eq!(by(&[("HF_HUB_OFFLINE", " 1 ")]), Some("HF_HUB_OFFLINE"));
        assert_eq!(by(&[("TRANSFORMERS_OFFLINE", "1")]), Some("TRANSFORMERS_OFFLINE"));
        assert_eq!(by(&[("TRANSFORMERS_OFFLINE", "1"), ("HF_HUB_OFFLINE", "0")]), None);
        assert_eq!(
            by(&[("TRANSFORMERS_OFFLINE", "1"), ("HF_HUB_OFFLINE", "")]),
            Some("TRANSFORMERS_OFFLINE")
        );
        assert_eq!(read(&[("HF_HUB_DOWNLOAD_TIMEOUT", "30")]).timeout, Duration::from_secs(30));
        assert_eq!(read(&[("HF_HUB_DOWNLOAD_TIMEOUT", "soon")]).timeout, DEFAULT_TIMEOUT);
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        assert_eq!(read(&[("HF_ENDPOINT", " https://mirror.org/hf\n")]).endpoint, "https://mirror.org/hf");
        for (address, shown) in [
            ("https://huggingface.co", "https://huggingface.co"),
            ("http://me:open-sesame@host:1/hf", "http://host:1/hf"),
            ("http://me:open/sesame@host/hf?token=open-sesame", "http://host/hf"),
            ("me:open-sesame@host", "host"),
            ("https://me:open@sesame@host#a", "https://host"),
        ] {
            assert_eq!(shown_address(address), shown);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_password_is_shown(scheme in "(https?://)?", name in "[a-z]{0,3}", password in "[A-Z?#@/:]{1,12}") {
            let shown = shown_address(&format!("{scheme}{name}:{password}@host.example/hf"));
            proptest::prop_assert!(!shown.contains(|c: char| c.is_ascii_uppercase()), "{}", shown);
        }
    }
}
