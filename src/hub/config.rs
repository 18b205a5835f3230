//! How to reach the hub.

use std::path::PathBuf;
use std::time::Duration;

/// Which setting forbids the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineBy {
    /// The option `--offline`.
    Option,
    /// The environment variable HF_HUB_OFFLINE.
    Variable,
    /// Both.
    Both,
}

/// How to reach the hub. A field that is None is taken from the environment as Hugging Face's libraries do:
/// HF_ENDPOINT, HF_HUB_CACHE or HF_HOME, HF_TOKEN or the token file.
#[derive(Clone)]
pub struct HubConfig {
    /// Address of the hub.
    pub endpoint: Option<String>,
    /// Folder of the hub's cache.
    pub cache: Option<PathBuf>,
    /// Token for private and gated repositories.
    pub token: Option<String>,
    /// Never use the network.
    pub offline: bool,
    /// The setting that forbids the network, for messages; None where it is unknown.
    pub offline_by: Option<OfflineBy>,
    /// How often a request is repeated when the hub is temporarily unable to answer.
    pub retries: usize,
    /// Wait before the first repetition; it doubles each time.
    pub retry_delay: Duration,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            cache: None,
            token: None,
            offline: false,
            offline_by: None,
            retries: 4,
            retry_delay: Duration::from_millis(500),
        }
    }
}
